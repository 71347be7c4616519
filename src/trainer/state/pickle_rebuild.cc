#include "trainer/state/pickle_rebuild.h"

#include <fmt/format.h>

#include <algorithm>

#include "trainer/state/printable.h"

namespace roost::trainer {
namespace {

tl::unexpected<Error> Malformed(std::string_view what) {
  return Fail(ErrorCode::kInvalidArgument, fmt::format("its pickle is malformed: {}.", what));
}

bool IsSequence(const PickleNode& node) {
  return node.kind == NodeKind::kTuple || node.kind == NodeKind::kList;
}

}  // namespace

Error TooManyValues() {
  return {ErrorCode::kTooLarge,
          fmt::format("it holds more than {} values, the most that is read.", kMaxPickledValues),
          {}};
}

Status PickleBuilder::Charge(std::size_t values) {
  if (values > kMaxPickledValues - values_) return Fail(TooManyValues());
  values_ += values;
  return {};
}

Result<NodeId> PickleBuilder::Add(PickleNode node) {
  ROOST_TRY(Charge(1));
  pickle_.nodes.push_back(std::move(node));
  return static_cast<NodeId>(pickle_.nodes.size() - 1);
}

Result<std::int64_t> PickleBuilder::Number(NodeId id, std::string_view what) const {
  if (At(id).kind != NodeKind::kInt) return Malformed(fmt::format("{} is no integer", what));
  if (At(id).number < 0) return Malformed(fmt::format("{} is negative", what));
  return At(id).number;
}

Result<std::vector<std::int64_t>> PickleBuilder::Numbers(NodeId id, std::string_view what) const {
  if (!IsSequence(At(id))) return Malformed(fmt::format("{} are no tuple", what));
  if (At(id).items.size() > kMaxRank) {
    return Malformed(fmt::format("a tensor has more than {} dimensions", kMaxRank));
  }
  std::vector<std::int64_t> numbers;
  for (const NodeId item : At(id).items) {
    ROOST_ASSIGN(numbers.emplace_back(), Number(item, what));
  }
  return numbers;
}

Result<NodeId> PickleBuilder::Storage(NodeId id) {
  const PickleNode& tuple = At(id);
  if (tuple.kind != NodeKind::kTuple || tuple.items.size() < 5 || tuple.items.size() > 6 ||
      At(tuple.items[0]).text != "storage") {
    return Malformed("a persistent id names no storage");
  }
  const PickleNode& type = At(tuple.items[1]);
  const PickleNode& key = At(tuple.items[2]);
  if (key.kind != NodeKind::kString) return Malformed("the key of a storage is no text");
  PickledStorage storage;
  storage.key = key.text;
  if (type.kind == NodeKind::kGlobal && type.global == Global::kStorage) {
    storage.dtype = type.dtype;
  } else if (type.kind != NodeKind::kGlobal || type.global != Global::kUntypedStorage) {
    return Malformed("the type of a storage is none");
  }
  ROOST_ASSIGN(const std::int64_t elements, Number(tuple.items[4], "the size of a storage"));
  storage.elements = storage.root_elements = static_cast<std::uint64_t>(elements);
  if (tuple.items.size() == 6 && At(tuple.items[5]).kind != NodeKind::kNone) {
    const PickleNode& view = At(tuple.items[5]);
    if (!IsSequence(view) || view.items.size() != 3) return Malformed("the view of a storage");
    ROOST_ASSIGN(const std::int64_t first, Number(view.items[1], "the offset of a view"));
    ROOST_ASSIGN(const std::int64_t count, Number(view.items[2], "the size of a view"));
    if (first > elements || count > elements - first) return Malformed("a view leaves its storage");
    storage.first = static_cast<std::uint64_t>(first);
    storage.elements = static_cast<std::uint64_t>(count);
  }
  pickle_.storages.push_back(storage);
  return Add({.kind = NodeKind::kStorage,
              .number = static_cast<std::int64_t>(pickle_.storages.size() - 1)});
}

Result<NodeId> PickleBuilder::Call(NodeId function, NodeId arguments) {
  if (At(function).kind != NodeKind::kGlobal) return Malformed("it calls what is no function");
  if (At(arguments).kind != NodeKind::kTuple) return Malformed("arguments are no tuple");
  const Global global = At(function).global;
  // Adding nodes moves them: what is needed of the arguments is their short list.
  const std::size_t count = At(arguments).items.size();
  if (count > 8) return Malformed("a function has too many arguments");
  const Arguments items = At(arguments).items;
  switch (global) {
    case Global::kOrderedDict:
      return AddOrderedDict(items);
    case Global::kSet:
      if (items.empty()) return Add({.kind = NodeKind::kTuple});
      if (items.size() != 1 || !IsSequence(At(items[0]))) return Malformed("a set of no list");
      return items[0];
    case Global::kSize:
      if (items.size() != 1 || !IsSequence(At(items[0]))) return Malformed("a torch.Size");
      return items[0];
    case Global::kByteArray:
    case Global::kEncode:
      return AddBytes(items);
    case Global::kOpaque: {
      const bool named = !items.empty() && At(items[0]).kind == NodeKind::kString;
      return Add({.kind = NodeKind::kOther,
                  .text = named ? At(items[0]).text : std::string_view("object")});
    }
    case Global::kRebuildTensor:
    case Global::kRebuildTensorV2:
    case Global::kRebuildTensorV3:
      return AddTensor(items, global);
    case Global::kRebuildParameter:
      if (items.empty() || At(items[0]).kind != NodeKind::kTensor) {
        return Malformed("a parameter of no tensor");
      }
      return items[0];
    case Global::kRebuildFromType: {
      if (items.size() != 4 || At(items[0]).kind != NodeKind::kGlobal ||
          At(items[0]).global == Global::kRebuildFromType ||
          At(items[1]).kind != NodeKind::kGlobal || At(items[1]).global != Global::kTensorType) {
        return Malformed("a tensor with attributes is of no known type");
      }
      return Call(items[0], items[2]);
    }
    case Global::kNone:
    case Global::kTensorType:
    case Global::kDType:
    case Global::kStorage:
    case Global::kUntypedStorage:
      break;
  }
  return Malformed("it calls what is no function");
}

Result<NodeId> PickleBuilder::AddTensor(const Arguments& arguments, Global function) {
  const bool v3 = function == Global::kRebuildTensorV3;
  const std::size_t least = function == Global::kRebuildTensor ? 4 : v3 ? 7 : 6;
  const std::size_t most = function == Global::kRebuildTensor ? 4 : least + 1;
  if (arguments.size() < least || arguments.size() > most) {
    return Malformed("a tensor has a wrong number of arguments");
  }
  if (At(arguments[0]).kind != NodeKind::kStorage) return Malformed("a tensor without storage");
  PickledTensor tensor;
  tensor.storage = static_cast<std::uint32_t>(At(arguments[0]).number);
  ROOST_ASSIGN(tensor.offset, Number(arguments[1], "the offset of a tensor"));
  ROOST_ASSIGN(tensor.sizes, Numbers(arguments[2], "the sizes of a tensor"));
  ROOST_ASSIGN(tensor.strides, Numbers(arguments[3], "the strides of a tensor"));
  if (tensor.sizes.size() != tensor.strides.size()) {
    return Malformed("a tensor has not as many strides as sizes");
  }
  const std::optional<DType> stored = pickle_.storages[tensor.storage].dtype;
  if (v3) {
    if (At(arguments[6]).kind != NodeKind::kDType) return Malformed("a tensor without a type");
    tensor.dtype = At(arguments[6]).dtype;
  } else if (stored) {
    tensor.dtype = *stored;
  } else {
    return Malformed("a tensor without a type");
  }
  if (arguments.size() == most && most > least && At(arguments[least]).kind != NodeKind::kNone) {
    const PickleNode& metadata = At(arguments[least]);
    if (metadata.kind != NodeKind::kDict || !metadata.items.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "it holds a tensor whose negation or conjugation is still to be done; save "
                  "tensor.resolve_neg().resolve_conj() instead.");
    }
  }
  ROOST_TRY(Charge(tensor.sizes.size()));
  pickle_.tensors.push_back(std::move(tensor));
  return Add(
      {.kind = NodeKind::kTensor, .number = static_cast<std::int64_t>(pickle_.tensors.size() - 1)});
}

// OrderedDict() or, out of Python 2, OrderedDict([[key, value], ...]).
Result<NodeId> PickleBuilder::AddOrderedDict(const Arguments& arguments) {
  PickleNode dict{.kind = NodeKind::kOrderedDict};
  if (!arguments.empty()) {
    if (arguments.size() != 1 || !IsSequence(At(arguments[0]))) {
      return Malformed("an OrderedDict of no list");
    }
    ROOST_TRY(Charge(At(arguments[0]).items.size()));
    for (const NodeId pair : At(arguments[0]).items) {
      if (!IsSequence(At(pair)) || At(pair).items.size() != 2) {
        return Malformed("an OrderedDict of no pairs");
      }
      dict.items.insert(dict.items.end(), At(pair).items.begin(), At(pair).items.end());
    }
  }
  return Add(std::move(dict));
}

// _codecs.encode(text, "latin1"), bytearray(bytes), bytearray(text, "latin-1") or without anything.
Result<NodeId> PickleBuilder::AddBytes(const Arguments& arguments) {
  if (arguments.empty()) return Add({.kind = NodeKind::kBytes});
  const PickleNode& source = At(arguments[0]);
  if (source.kind == NodeKind::kBytes && arguments.size() == 1) return arguments[0];
  if (source.kind != NodeKind::kString || arguments.size() != 2 ||
      (At(arguments[1]).text != "latin1" && At(arguments[1]).text != "latin-1")) {
    return Malformed("bytes are written in an unknown way");
  }
  ROOST_TRY(Charge(1 + source.text.size() / 64));
  std::string bytes;
  bytes.reserve(source.text.size());
  for (std::size_t i = 0; i < source.text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(source.text[i]);
    if (lead < 0x80) {
      bytes += static_cast<char>(lead);
      continue;
    }
    // Latin-1 above 0x7F is two bytes of UTF-8 that begin with C2 or C3.
    const auto next =
        i + 1 < source.text.size() ? static_cast<unsigned char>(source.text[i + 1]) : 0U;
    if ((lead != 0xC2 && lead != 0xC3) || (next & 0xC0U) != 0x80U) {
      return Malformed("bytes hold a character above 255");
    }
    bytes += static_cast<char>((lead & 0x03U) << 6 | (next & 0x3FU));
    ++i;
  }
  pickle_.decoded.push_back(std::move(bytes));
  return Add({.kind = NodeKind::kBytes, .text = pickle_.decoded.back()});
}

}  // namespace roost::trainer
