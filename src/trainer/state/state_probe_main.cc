// For tests: `state_probe show FILE` prints what a .pth file holds, one line a value;
// `state_probe weights FILE` the state_dict within it; `state_probe example FILE` writes a tree
// that holds every kind of value; `state_probe copy FROM TO` reads one file and writes another.
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>

#include "base/digest.h"
#include "trainer/state/pth_reader.h"
#include "trainer/state/pth_writer.h"

namespace roost::trainer {
namespace {

std::string TensorText(const StateTensor& tensor) {
  std::string sizes;
  for (const std::int64_t size : tensor.sizes) sizes += fmt::format("{},", size);
  const std::string_view bytes(reinterpret_cast<const char*>(tensor.bytes.data()),
                               tensor.bytes.size());
  return fmt::format("tensor {} ({}) {}", DTypeName(tensor.dtype), sizes, DigestOf(bytes).Hex());
}

void Show(const StateValue& value, const std::string& path) {
  std::string text(KindName(value));
  if (const bool* truth = value.As<bool>()) text += *truth ? " True" : " False";
  if (const auto* number = value.As<std::int64_t>()) text += fmt::format(" {}", *number);
  if (const double* real = value.As<double>()) text += fmt::format(" {:a}", *real);
  if (const auto* string = value.As<std::string>()) text += " " + *string;
  if (const auto* bytes = value.As<StateBytes>()) {
    text += " ";
    for (const char c : bytes->data) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  if (const auto* other = value.As<StateOther>()) text += " " + other->text;
  if (const auto* tensor = value.As<StateTensor>()) text = TensorText(*tensor);
  const auto* dict = value.As<StateDict>();
  if (dict != nullptr && dict->ordered) text = "OrderedDict";
  fmt::print("{}: {}\n", path, text);
  const auto items = [&](const std::vector<StateValue>& list) {
    for (std::size_t i = 0; i < list.size(); ++i) Show(list[i], fmt::format("{}[{}]", path, i));
  };
  if (const auto* list = value.As<StateList>()) items(list->items);
  if (const auto* tuple = value.As<StateTuple>()) items(tuple->items);
  if (dict == nullptr) return;
  for (const StateEntry& entry : dict->entries) {
    if (const auto* name = entry.key.As<std::string>()) {
      Show(entry.value, path + "." + *name);
    } else if (const auto* number = entry.key.As<std::int64_t>()) {
      Show(entry.value, fmt::format("{}.{}", path, *number));
    } else {
      Show(entry.value, path + ".<" + std::string(KindName(entry.key)) + ">");
    }
  }
}

StateTensor Counting(DType dtype, std::vector<std::int64_t> sizes) {
  StateTensor shape;
  shape.sizes = sizes;
  std::vector<std::byte> bytes(static_cast<std::size_t>(shape.Elements()) * DTypeSize(dtype));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    // Small numbers in every type: no NaN, and truth values for bool.
    bytes[i] = static_cast<std::byte>(dtype == DType::kBool ? i % 2 : i % 60);
  }
  return StateTensor::Copy(dtype, std::move(sizes), bytes);
}

StateValue Example() {
  StateDict weights;
  weights.ordered = true;
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    weights.Set(std::string(DTypeName(dtype)), Counting(dtype, {2, 3, 4}));
  }
  weights.Set("scalar", Counting(DType::kInt64, {}));
  weights.Set("empty", Counting(DType::kFloat32, {0, 3}));
  const StateTensor tied = Counting(DType::kFloat32, {5, 7});
  weights.Set("tied.a", tied);
  weights.Set("tied.b", tied);
  StateDict moments;
  moments.Set("step", 7.0);
  moments.Set("exp_avg", Counting(DType::kFloat64, {3}));
  StateDict state;
  state.Set(std::int64_t{0}, moments);
  StateDict optimizer;
  optimizer.Set("state", state);
  StateDict group;
  group.Set("lr", 0.1);
  group.Set("nesterov", true);
  group.Set("betas", StateTuple{{0.9, 0.999}});
  group.Set("params", StateList{{0, 1, 2}});
  optimizer.Set("param_groups", StateList{{group}});
  StateDict root;
  root.Set("state_dict", weights);
  root.Set("optimizer", optimizer);
  root.Set("none", StateNone{});
  root.Set("ints", StateList{{0, 255, 256, 65535, 65536, -1, -129, std::int64_t{1} << 40,
                              std::numeric_limits<std::int64_t>::min(),
                              std::numeric_limits<std::int64_t>::max()}});
  root.Set("classes", StateList{{"ants", "Bienen \xC3\xA4", "\xE8\x9C\x82"}});
  root.Set("bytes", StateBytes{std::string("\x00\x7F\x80\xFF", 4)});
  root.Set("empty list", StateList{});
  root.Set("empty tuple", StateTuple{});
  root.Set("empty dict", StateDict{});
  return root;
}

StateValue Many() {
  std::vector<NamedTensor> tensors;
  for (std::uint32_t i = 0; i < 66'000; ++i) {
    const auto bytes = std::as_bytes(std::span(&i, 1));
    tensors.push_back({std::to_string(i), StateTensor::Copy(DType::kInt32, {1}, bytes)});
  }
  return MakeStateDict(std::move(tensors));
}

Status Run(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "show" && argc == 3) {
    ROOST_ASSIGN(const StateValue value, ReadPth(argv[2]));
    Show(value, "root");
    return {};
  }
  if (command == "weights" && argc == 3) {
    ROOST_ASSIGN(const StateValue value, ReadPth(argv[2]));
    ROOST_ASSIGN(const std::vector<NamedTensor> weights, FindStateDict(value));
    for (const NamedTensor& named : weights) {
      fmt::print("{}: {}\n", named.name, TensorText(named.tensor));
    }
    return {};
  }
  if (command == "example" && argc == 3) return WritePth(argv[2], Example());
  if (command == "many" && argc == 3) return WritePth(argv[2], Many());
  if (command == "copy" && argc == 4) {
    ROOST_ASSIGN(const StateValue value, ReadPth(argv[2]));
    return WritePth(argv[3], value);
  }
  return Fail(ErrorCode::kInvalidArgument,
              "Usage: state_probe show|weights|example|many FILE, or state_probe copy FROM TO");
}

}  // namespace
}  // namespace roost::trainer

int main(int argc, char** argv) {
  const roost::Status status = roost::trainer::Run(argc, argv);
  if (!status) fmt::print(stderr, "{}\n", status.error().message);
  return status ? 0 : 1;
}
