#include "trainer/state/pickle_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "trainer/state/pickle_rebuild.h"
#include "trainer/state/printable.h"
#include "trainer/state/pth_reader.h"
#include "trainer/state/strided.h"

namespace roost::trainer {
namespace {

class TreeBuilder {
 public:
  TreeBuilder(const Pickle& pickle, const Storages& storages, const TreeOptions& options)
      : pickle_(pickle), storages_(storages), options_(options) {}

  Result<StateValue> Value(NodeId id, int depth);

 private:
  Status Charge(std::size_t values) {
    if (values > kMaxPickledValues - values_) return Fail(TooManyValues());
    values_ += values;
    return {};
  }
  Result<std::string> Text(std::string_view text);
  Result<std::vector<StateValue>> Items(const PickleNode& node, int depth);
  Result<StateValue> Dict(const PickleNode& node, int depth);
  Result<StateTensor> Tensor(std::uint32_t index);
  Result<StateTensor> MakeTensor(const PickledTensor& tensor);
  Result<std::string_view> Elements(const PickledStorage& storage);

  const Pickle& pickle_;
  const Storages& storages_;
  const TreeOptions& options_;
  std::size_t values_ = 0;
  std::uint64_t text_bytes_ = 0;
  std::uint64_t copied_bytes_ = 0;
  std::unordered_map<std::string_view, std::string_view> checked_;  // storages by key
  std::unordered_map<std::uint32_t, StateTensor> tensors_;
};

Result<StateValue> TreeBuilder::Value(NodeId id, int depth) {
  if (depth > kMaxPthDepth) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("its values are nested more than {} levels deep.", kMaxPthDepth));
  }
  const PickleNode& node = pickle_.nodes[id];
  switch (node.kind) {
    case NodeKind::kNone:
      return StateValue();
    case NodeKind::kBool:
      return StateValue(node.number != 0);
    case NodeKind::kInt:
      return StateValue(node.number);
    case NodeKind::kDouble:
      return StateValue(std::bit_cast<double>(node.number));
    case NodeKind::kString: {
      ROOST_ASSIGN(std::string text, Text(node.text));
      return StateValue(std::move(text));
    }
    case NodeKind::kBytes: {
      ROOST_ASSIGN(std::string data, Text(node.text));
      return StateValue(StateBytes{std::move(data)});
    }
    case NodeKind::kList: {
      ROOST_ASSIGN(std::vector<StateValue> items, Items(node, depth));
      return StateValue(StateList{std::move(items)});
    }
    case NodeKind::kTuple: {
      ROOST_ASSIGN(std::vector<StateValue> items, Items(node, depth));
      return StateValue(StateTuple{std::move(items)});
    }
    case NodeKind::kDict:
    case NodeKind::kOrderedDict:
      return Dict(node, depth);
    case NodeKind::kTensor: {
      ROOST_ASSIGN(StateTensor tensor, Tensor(static_cast<std::uint32_t>(node.number)));
      return StateValue(std::move(tensor));
    }
    case NodeKind::kDType:
      return StateValue(StateOther{"torch." + std::string(DTypeName(node.dtype))});
    case NodeKind::kOther: {
      ROOST_ASSIGN(std::string text, Text(node.text));
      return StateValue(StateOther{std::move(text)});
    }
    case NodeKind::kStorage:
      return StateValue(StateOther{"storage"});
    case NodeKind::kGlobal:
      return StateValue(StateOther{"type"});
  }
  return StateValue();
}

Result<std::string> TreeBuilder::Text(std::string_view text) {
  text_bytes_ += text.size();
  if (text_bytes_ > options_.text_limit) {
    return Fail(ErrorCode::kTooLarge, "its texts repeat each other beyond the size of the file.");
  }
  return std::string(text);
}

Result<std::vector<StateValue>> TreeBuilder::Items(const PickleNode& node, int depth) {
  ROOST_TRY(Charge(node.items.size()));
  std::vector<StateValue> items;
  items.reserve(node.items.size());
  for (const NodeId item : node.items) {
    ROOST_ASSIGN(items.emplace_back(), Value(item, depth + 1));
  }
  return items;
}

// As in Python, a key that is set again keeps its place and takes the new value.
Result<StateValue> TreeBuilder::Dict(const PickleNode& node, int depth) {
  ROOST_TRY(Charge(node.items.size()));
  StateDict dict;
  dict.ordered = node.kind == NodeKind::kOrderedDict;
  std::unordered_map<std::string_view, std::size_t> by_name;
  std::unordered_map<std::int64_t, std::size_t> by_number;
  for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const PickleNode& key_node = pickle_.nodes[node.items[i]];
    ROOST_ASSIGN(StateValue key, Value(node.items[i], depth + 1));
    ROOST_ASSIGN(StateValue value, Value(node.items[i + 1], depth + 1));
    const std::size_t place = dict.entries.size();
    std::size_t found = place;
    if (key_node.kind == NodeKind::kString) {
      found = by_name.emplace(key_node.text, place).first->second;
    } else if (key_node.kind == NodeKind::kInt) {
      found = by_number.emplace(key_node.number, place).first->second;
    }
    if (found == place) {
      dict.entries.push_back({std::move(key), std::move(value)});
    } else {
      dict.entries[found].value = std::move(value);
    }
  }
  return StateValue(std::move(dict));
}

Result<StateTensor> TreeBuilder::Tensor(std::uint32_t index) {
  const PickledTensor& pickled = pickle_.tensors[index];
  ROOST_TRY(Charge(pickled.sizes.size()));
  if (const auto found = tensors_.find(index); found != tensors_.end()) return found->second;
  ROOST_ASSIGN(StateTensor tensor, MakeTensor(pickled));
  tensors_.emplace(index, tensor);
  return tensor;
}

Result<std::string_view> TreeBuilder::Elements(const PickledStorage& storage) {
  auto found = checked_.find(storage.key);
  if (found == checked_.end()) {
    ROOST_ASSIGN(const std::string_view bytes, storages_.Find(storage.key));
    found = checked_.emplace(storage.key, bytes).first;
  }
  const std::string_view bytes = found->second;
  const std::uint64_t size = storage.dtype ? DTypeSize(*storage.dtype) : 1;
  // Python's writer gives both; where they differ, one of them was changed.
  if (bytes.size() % size != 0 || bytes.size() / size != storage.root_elements) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the storage {} has {} bytes, not {} elements of {} bytes; the file is "
                            "damaged or cut short.",
                            Printable(storage.key), bytes.size(), storage.root_elements, size));
  }
  return bytes.substr(static_cast<std::size_t>(storage.first * size),
                      static_cast<std::size_t>(storage.elements * size));
}

Result<StateTensor> TreeBuilder::MakeTensor(const PickledTensor& pickled) {
  ROOST_ASSIGN(const std::string_view storage, Elements(pickle_.storages[pickled.storage]));
  ROOST_ASSIGN(const StridedExtent extent, CheckStrides(pickled, storage.size()));
  const std::size_t size = DTypeSize(pickled.dtype);
  StateTensor tensor;
  tensor.dtype = pickled.dtype;
  tensor.sizes = pickled.sizes;
  if (extent.elements == 0) return tensor;

  const bool swap = options_.big_endian && size > 1;
  if (extent.contiguous && !swap) {
    const auto at = static_cast<std::size_t>(pickled.offset) * size;
    const auto* first = reinterpret_cast<const std::byte*>(storage.data());
    tensor.bytes = {first + at, static_cast<std::size_t>(extent.elements) * size};
    tensor.owner = options_.owner;
  } else {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(extent.elements, size, &bytes) ||
        bytes > options_.copy_limit - copied_bytes_) {
      return Fail(ErrorCode::kTooLarge,
                  "its tensors that overlap or are spread in their storages would need far more "
                  "memory than the file; save tensor.clone() of expanded tensors instead.");
    }
    copied_bytes_ += bytes;
    auto copy = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(bytes));
    CopyStrided(pickled, storage, copy->data());
    if (swap) SwapBytes(*copy, size);
    tensor.bytes = *copy;
    tensor.owner = std::move(copy);
  }
  // Other bytes than these two are undefined behaviour for whoever reads them as bool.
  if (tensor.dtype == DType::kBool && std::any_of(tensor.bytes.begin(), tensor.bytes.end(),
                                                  [](std::byte b) { return b > std::byte{1}; })) {
    return Fail(ErrorCode::kInvalidArgument, "a tensor of bool holds other bytes than 0 and 1.");
  }
  return tensor;
}

}  // namespace

Result<StateValue> BuildTree(const Pickle& pickle, const Storages& storages,
                             const TreeOptions& options) {
  return TreeBuilder(pickle, storages, options).Value(pickle.root, 0);
}

}  // namespace roost::trainer
