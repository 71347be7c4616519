#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/state/pickle_globals.h"
#include "trainer/state/state_value.h"

namespace roost::trainer {

using NodeId = std::uint32_t;

enum class NodeKind : std::uint8_t {
  kNone,
  kBool,    // number
  kInt,     // number
  kDouble,  // number holds its bits
  kString,  // text
  kBytes,   // text
  kList,    // items
  kTuple,   // items
  kDict,    // items: key, value, key, value, ...
  kOrderedDict,
  kStorage,  // number: index of Pickle::storages
  kTensor,   // number: index of Pickle::tensors
  kGlobal,   // global, dtype
  kDType,    // dtype
  kOther,    // text
};

struct PickleNode {
  NodeKind kind = NodeKind::kNone;
  Global global = Global::kNone;
  DType dtype = DType::kFloat32;
  std::int64_t number = 0;
  std::string_view text{};
  std::vector<NodeId> items{};
};

// Elements somewhere in the file; `dtype` is absent for an untyped storage, counted in bytes.
struct PickledStorage {
  std::string_view key;
  std::optional<DType> dtype;
  std::uint64_t elements = 0;
  // The legacy format's views: these elements of the storage `key`, which has `root_elements`.
  std::uint64_t first = 0;
  std::uint64_t root_elements = 0;
};

struct PickledTensor {
  std::uint32_t storage = 0;
  DType dtype = DType::kFloat32;
  std::int64_t offset = 0;  // in elements
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;  // in elements, as many as sizes
};

// The objects that one pickle describes. Nodes refer to each other by index, may be shared, and a
// hostile pickle may even make them contain themselves. Texts are views of the pickle's bytes or of
// `decoded`.
struct Pickle {
  std::vector<PickleNode> nodes;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
  std::deque<std::string> decoded;
  NodeId root = 0;
};

// No file of weights comes near it; it bounds memory for hostile ones.
inline constexpr std::size_t kMaxPickledValues = 4 << 20;
inline constexpr std::size_t kMaxPickleBytes = 256 << 20;
inline constexpr std::size_t kMaxRank = 64;

// Runs the pickle (protocols 2 to 5) that begins at `*at` and moves `*at` past its end. Nothing of
// Python's is called: the names that a pickle may ask for are the closed list of pickle_globals.h,
// each with its meaning here; any other is refused by name. Time and memory are bounded by the
// number of opcodes and by kMaxPickledValues.
Result<Pickle> ReadPickle(std::string_view bytes, std::size_t* at);

}  // namespace roost::trainer
