#include "trainer/state/pickle_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <tuple>
#include <unordered_map>

#include "base/strings.h"
#include "trainer/state/byte_reader.h"
#include "trainer/state/pth_reader.h"

namespace roost::trainer {
namespace {

class PickleWriter {
 public:
  Result<WrittenPickle> Write(const StateValue& root) {
    out_ = "\x80\x02";
    ROOST_TRY(Value(root, 0));
    out_ += '.';
    return WrittenPickle{std::move(out_), std::move(storages_)};
  }

 private:
  Status Value(const StateValue& value, int depth);
  Status Items(const std::vector<StateValue>& items, int depth);
  Status Dict(const StateDict& dict, int depth);
  Status Text(const std::string& text);
  Status Bytes(const std::string& data);
  void Int(std::int64_t number);
  void Tensor(const StateTensor& tensor);
  std::string StorageKey(const StateTensor& tensor);

  // A name is written once and afterwards called from the memo.
  void Global(const std::string& name) {
    const auto [found, fresh] = globals_.try_emplace(name, globals_.size());
    if (fresh) out_ += "c" + name + "\n";
    out_ += fresh ? 'r' : 'j';
    AppendLittle<std::uint32_t>(out_, static_cast<std::uint32_t>(found->second));
  }
  void ShortText(std::string_view text) {
    out_ += 'X';
    AppendLittle<std::uint32_t>(out_, static_cast<std::uint32_t>(text.size()));
    out_ += text;
  }

  std::string out_;
  std::vector<std::span<const std::byte>> storages_;
  std::unordered_map<std::string, std::size_t> globals_;
  std::map<std::tuple<const std::byte*, std::size_t, DType>, std::size_t> shared_;
};

Status PickleWriter::Value(const StateValue& value, int depth) {
  if (depth > kMaxPthDepth) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("values are nested more than {} levels deep.", kMaxPthDepth));
  }
  if (value.As<StateNone>() != nullptr) {
    out_ += 'N';
  } else if (const bool* truth = value.As<bool>()) {
    out_ += *truth ? '\x88' : '\x89';
  } else if (const std::int64_t* number = value.As<std::int64_t>()) {
    Int(*number);
  } else if (const double* real = value.As<double>()) {
    out_ += 'G';  // big-endian
    AppendLittle(out_, __builtin_bswap64(std::bit_cast<std::uint64_t>(*real)));
  } else if (const std::string* text = value.As<std::string>()) {
    return Text(*text);
  } else if (const StateBytes* bytes = value.As<StateBytes>()) {
    return Bytes(bytes->data);
  } else if (const StateList* list = value.As<StateList>()) {
    out_ += "](";
    ROOST_TRY(Items(list->items, depth));
    out_ += 'e';
  } else if (const StateTuple* tuple = value.As<StateTuple>()) {
    out_ += '(';
    ROOST_TRY(Items(tuple->items, depth));
    out_ += 't';
  } else if (const StateDict* dict = value.As<StateDict>()) {
    return Dict(*dict, depth);
  } else if (const StateTensor* tensor = value.As<StateTensor>()) {
    Tensor(*tensor);
  } else {
    return Fail(ErrorCode::kInvalidArgument,
                "the value '" + value.As<StateOther>()->text + "' cannot be written.");
  }
  return {};
}

Status PickleWriter::Items(const std::vector<StateValue>& items, int depth) {
  for (const StateValue& item : items) ROOST_TRY(Value(item, depth + 1));
  return {};
}

Status PickleWriter::Dict(const StateDict& dict, int depth) {
  if (dict.ordered) {
    Global("collections\nOrderedDict");
    out_ += ")R(";
  } else {
    out_ += "}(";
  }
  for (const StateEntry& entry : dict.entries) {
    ROOST_TRY(Value(entry.key, depth + 1));
    ROOST_TRY(Value(entry.value, depth + 1));
  }
  out_ += 'u';
  return {};
}

Status PickleWriter::Text(const std::string& text) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max()) {
    return Fail(ErrorCode::kTooLarge, "a text of 4 GiB or more cannot be written.");
  }
  if (!IsValidUtf8(text)) return Fail(ErrorCode::kInvalidArgument, "a text is not UTF-8.");
  ShortText(text);
  return {};
}

// As Python writes them in protocol 2: encode(<each byte as a character>, "latin1").
Status PickleWriter::Bytes(const std::string& data) {
  std::string text;
  for (const char c : data) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xC0 | byte >> 6);
      text += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  if (text.size() > std::numeric_limits<std::uint32_t>::max()) {
    return Fail(ErrorCode::kTooLarge, "bytes of 2 GiB or more cannot be written.");
  }
  Global("_codecs\nencode");
  ShortText(text);
  ShortText("latin1");
  out_ += "\x86R";
  return {};
}

void PickleWriter::Int(std::int64_t number) {
  if (number >= 0 && number <= 0xFF) {
    out_ += 'K';
    out_ += static_cast<char>(number);
  } else if (number >= 0 && number <= 0xFFFF) {
    out_ += 'M';
    AppendLittle(out_, static_cast<std::uint16_t>(number));
  } else if (number == static_cast<std::int32_t>(number)) {
    out_ += 'J';
    AppendLittle(out_, static_cast<std::uint32_t>(number));
  } else {
    out_ += "\x8a\x08";
    AppendLittle(out_, static_cast<std::uint64_t>(number));
  }
}

std::string PickleWriter::StorageKey(const StateTensor& tensor) {
  std::size_t index = storages_.size();
  if (!tensor.bytes.empty()) {
    index = shared_.try_emplace({tensor.bytes.data(), tensor.bytes.size(), tensor.dtype}, index)
                .first->second;
  }
  if (index == storages_.size()) storages_.push_back(tensor.bytes);
  return std::to_string(index);
}

// _rebuild_tensor_v2(storage, 0, sizes, strides, False, OrderedDict()); types without a storage
// class take _rebuild_tensor_v3, an untyped storage and their name.
void PickleWriter::Tensor(const StateTensor& tensor) {
  const std::string_view storage_name = StorageName(tensor.dtype);
  const bool typed = !storage_name.empty();
  Global(typed ? "torch._utils\n_rebuild_tensor_v2" : "torch._utils\n_rebuild_tensor_v3");
  out_ += "((";
  ShortText("storage");
  Global(typed ? "torch\n" + std::string(storage_name) : "torch.storage\nUntypedStorage");
  ShortText(StorageKey(tensor));
  ShortText("cpu");
  Int(static_cast<std::int64_t>(typed ? tensor.bytes.size() / DTypeSize(tensor.dtype)
                                      : tensor.bytes.size()));
  out_ += "tQK";
  out_ += '\0';
  out_ += '(';
  for (const std::int64_t size : tensor.sizes) Int(size);
  out_ += "t(";
  std::vector<std::int64_t> strides(tensor.sizes.size(), 1);
  for (std::size_t d = strides.size(); d-- > 1;) {
    // As torch has it, a dimension of size 0 counts as 1.
    strides[d - 1] = strides[d] * std::max<std::int64_t>(tensor.sizes[d], 1);
  }
  for (const std::int64_t stride : strides) Int(stride);
  out_ += "t\x89";
  Global("collections\nOrderedDict");
  out_ += ")R";
  if (!typed) Global("torch\n" + std::string(DTypeName(tensor.dtype)));
  out_ += "tR";
}

}  // namespace

Result<WrittenPickle> WritePickle(const StateValue& root) { return PickleWriter().Write(root); }

}  // namespace roost::trainer
