#include "trainer/state/state_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace roost::trainer {
namespace {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::size_t size;
  std::string_view storage;
};

constexpr std::array<DTypeRow, kDTypeCount> kDTypes{{
    {DType::kFloat32, "float32", 4, "FloatStorage"},
    {DType::kFloat64, "float64", 8, "DoubleStorage"},
    {DType::kFloat16, "float16", 2, "HalfStorage"},
    {DType::kBFloat16, "bfloat16", 2, "BFloat16Storage"},
    {DType::kUInt8, "uint8", 1, "ByteStorage"},
    {DType::kInt8, "int8", 1, "CharStorage"},
    {DType::kInt16, "int16", 2, "ShortStorage"},
    {DType::kInt32, "int32", 4, "IntStorage"},
    {DType::kInt64, "int64", 8, "LongStorage"},
    {DType::kBool, "bool", 1, "BoolStorage"},
    {DType::kUInt16, "uint16", 2, ""},
    {DType::kUInt32, "uint32", 4, ""},
    {DType::kUInt64, "uint64", 8, ""},
    {DType::kFloat8E4M3FN, "float8_e4m3fn", 1, ""},
    {DType::kFloat8E5M2, "float8_e5m2", 1, ""},
    {DType::kFloat8E4M3FNUZ, "float8_e4m3fnuz", 1, ""},
    {DType::kFloat8E5M2FNUZ, "float8_e5m2fnuz", 1, ""},
}};

const DTypeRow& RowOf(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)]; }

bool HasTensors(const StateDict& dict) {
  return std::any_of(dict.entries.begin(), dict.entries.end(), [](const StateEntry& entry) {
    return entry.key.As<std::string>() != nullptr && entry.value.As<StateTensor>() != nullptr;
  });
}

const StateDict* FindWeights(const StateValue& value, int levels) {
  const StateDict* dict = value.As<StateDict>();
  if (dict == nullptr) return nullptr;
  if (HasTensors(*dict)) return dict;
  if (levels == 0) return nullptr;
  for (const char* key : {"state_dict", "model_state_dict", "model", "net"}) {
    const StateValue* inner = dict->Find(key);
    if (inner == nullptr) continue;
    if (const StateDict* found = FindWeights(*inner, levels - 1)) return found;
  }
  return nullptr;
}

std::string KeysInWords(const StateValue& value) {
  const StateDict* dict = value.As<StateDict>();
  if (dict == nullptr) return fmt::format("it holds a {}", KindName(value));
  std::string keys;
  std::size_t named = 0;
  for (const StateEntry& entry : dict->entries) {
    const std::string* key = entry.key.As<std::string>();
    if (key == nullptr) continue;
    if (++named > 8) return "it holds a dict with the keys " + keys + ", ...";
    keys += (keys.empty() ? "'" : ", '") + key->substr(0, 60) + "'";
  }
  return keys.empty() ? "it holds a dict without names" : "it holds a dict with the keys " + keys;
}

}  // namespace

std::string_view DTypeName(DType dtype) { return RowOf(dtype).name; }
std::size_t DTypeSize(DType dtype) { return RowOf(dtype).size; }
std::string_view StorageName(DType dtype) { return RowOf(dtype).storage; }

std::optional<DType> DTypeFromName(std::string_view name) {
  for (const DTypeRow& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<DType> DTypeFromStorageName(std::string_view name) {
  for (const DTypeRow& row : kDTypes) {
    if (!row.storage.empty() && row.storage == name) return row.dtype;
  }
  return std::nullopt;
}

std::uint64_t StateTensor::Elements() const {
  std::uint64_t count = 1;
  for (const std::int64_t size : sizes) count *= static_cast<std::uint64_t>(size);
  return count;
}

StateTensor StateTensor::Borrow(DType dtype, std::vector<std::int64_t> sizes,
                                std::span<const std::byte> bytes) {
  StateTensor tensor{dtype, std::move(sizes), bytes, nullptr};
  ROOST_CHECK(tensor.Elements() * DTypeSize(dtype) == bytes.size());
  return tensor;
}

StateTensor StateTensor::Copy(DType dtype, std::vector<std::int64_t> sizes,
                              std::span<const std::byte> bytes) {
  auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  StateTensor tensor = Borrow(dtype, std::move(sizes), *copy);
  tensor.owner = std::move(copy);
  return tensor;
}

const StateValue* StateDict::Find(std::string_view key) const {
  for (const StateEntry& entry : entries) {
    const std::string* name = entry.key.As<std::string>();
    if (name != nullptr && *name == key) return &entry.value;
  }
  return nullptr;
}

const StateValue* StateDict::Find(std::int64_t key) const {
  for (const StateEntry& entry : entries) {
    const std::int64_t* number = entry.key.As<std::int64_t>();
    if (number != nullptr && *number == key) return &entry.value;
  }
  return nullptr;
}

void StateDict::Set(std::string key, StateValue value) {
  entries.push_back({StateValue(std::move(key)), std::move(value)});
}
void StateDict::Set(std::int64_t key, StateValue value) {
  entries.push_back({StateValue(key), std::move(value)});
}

StateValue::StateValue() = default;
StateValue::~StateValue() = default;
StateValue::StateValue(const StateValue& other) = default;
StateValue::StateValue(StateValue&& other) noexcept = default;
StateValue& StateValue::operator=(const StateValue& other) = default;
StateValue& StateValue::operator=(StateValue&& other) noexcept = default;
StateValue::StateValue(StateNone v) : value(v) {}
StateValue::StateValue(bool v) : value(v) {}
StateValue::StateValue(int v) : value(std::int64_t{v}) {}
StateValue::StateValue(std::int64_t v) : value(v) {}
StateValue::StateValue(double v) : value(v) {}
StateValue::StateValue(const char* v) : value(std::string(v)) {}
StateValue::StateValue(std::string v) : value(std::move(v)) {}
StateValue::StateValue(StateBytes v) : value(std::move(v)) {}
StateValue::StateValue(StateList v) : value(std::move(v)) {}
StateValue::StateValue(StateTuple v) : value(std::move(v)) {}
StateValue::StateValue(StateDict v) : value(std::move(v)) {}
StateValue::StateValue(StateTensor v) : value(std::move(v)) {}
StateValue::StateValue(StateOther v) : value(std::move(v)) {}

const StateValue* StateValue::Find(std::string_view key) const {
  const StateDict* dict = As<StateDict>();
  return dict == nullptr ? nullptr : dict->Find(key);
}

std::string_view KindName(const StateValue& value) {
  static constexpr std::array<std::string_view, 11> kNames{
      "None", "bool", "int", "float", "str", "bytes", "list", "tuple", "dict", "tensor", "object"};
  static_assert(kNames.size() == std::variant_size_v<decltype(StateValue::value)>);
  return kNames[value.value.index()];
}

Result<std::vector<NamedTensor>> FindStateDict(const StateValue& value) {
  const StateDict* dict = FindWeights(value, 3);
  if (dict == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                "The file has no weights: " + KeysInWords(value) +
                    ". Save them with torch.save(model.state_dict(), path).");
  }
  std::vector<NamedTensor> found;
  for (const StateEntry& entry : dict->entries) {
    const std::string* name = entry.key.As<std::string>();
    const StateTensor* tensor = entry.value.As<StateTensor>();
    if (name != nullptr && tensor != nullptr) found.push_back({*name, *tensor});
  }
  // Wrappers may stand in either order.
  for (bool stripped = true; stripped;) {
    stripped = false;
    for (const std::string_view prefix : {"module.", "_orig_mod."}) {
      if (!std::all_of(found.begin(), found.end(),
                       [&](const NamedTensor& named) { return named.name.starts_with(prefix); })) {
        continue;
      }
      for (NamedTensor& named : found) named.name.erase(0, prefix.size());
      stripped = true;
    }
  }
  return found;
}

StateDict MakeStateDict(std::vector<NamedTensor> tensors) {
  StateDict dict;
  dict.ordered = true;
  for (NamedTensor& named : tensors) dict.Set(std::move(named.name), std::move(named.tensor));
  return dict;
}

}  // namespace roost::trainer
