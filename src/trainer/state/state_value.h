#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace roost::trainer {

// The element types of tensors that Roost reads and writes. Complex, quantised and sparse tensors
// are not among them.
enum class DType : std::uint8_t {
  kFloat32,
  kFloat64,
  kFloat16,
  kBFloat16,
  kUInt8,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kBool,
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat8E4M3FN,
  kFloat8E5M2,
  kFloat8E4M3FNUZ,
  kFloat8E5M2FNUZ,
};
inline constexpr std::size_t kDTypeCount = 17;

// "float32", as torch spells it after "torch.".
std::string_view DTypeName(DType dtype);
// Bytes of one element: 1, 2, 4 or 8.
std::size_t DTypeSize(DType dtype);
std::optional<DType> DTypeFromName(std::string_view name);
// "FloatStorage"; empty for a type that has no storage class of its own (uint16 to uint64, float8).
std::string_view StorageName(DType dtype);
std::optional<DType> DTypeFromStorageName(std::string_view name);

// A tensor's elements in row-major order without gaps, little-endian. `bytes` may start at any
// address: copy from it with memcpy. They live as long as `owner`; without one they are borrowed,
// and whoever made the tensor keeps them alive.
struct StateTensor {
  DType dtype = DType::kFloat32;
  std::vector<std::int64_t> sizes;   // empty: a scalar, one element
  std::span<const std::byte> bytes;  // Elements() * DTypeSize(dtype)
  std::shared_ptr<const void> owner;

  std::uint64_t Elements() const;  // product of the sizes
  // Requires: `bytes` has the size that dtype and sizes ask for.
  static StateTensor Borrow(DType dtype, std::vector<std::int64_t> sizes,
                            std::span<const std::byte> bytes);
  static StateTensor Copy(DType dtype, std::vector<std::int64_t> sizes,
                          std::span<const std::byte> bytes);
};

struct StateValue;
struct StateEntry;

struct StateNone {};
struct StateBytes {
  std::string data;
};
// What a file may hold but weights have no use for (a dtype, a device, an integer of more than 64
// bits), as text. It cannot be written.
struct StateOther {
  std::string text;
};
struct StateList {
  std::vector<StateValue> items;
};
// Also what a set is read as.
struct StateTuple {
  std::vector<StateValue> items;
};
// A dict in its own order. Keys are strings or, in an optimizer's state, integers.
struct StateDict {
  std::vector<StateEntry> entries;
  bool ordered = false;  // a collections.OrderedDict, as every state_dict is

  const StateValue* Find(std::string_view key) const;  // null when there is none
  const StateValue* Find(std::int64_t key) const;
  void Set(std::string key, StateValue value);  // appends; Requires: the key is not there yet
  void Set(std::int64_t key, StateValue value);
};

// What a .pth file holds: a tree of Python's plain values and tensors.
struct StateValue {
  std::variant<StateNone, bool, std::int64_t, double, std::string, StateBytes, StateList,
               StateTuple, StateDict, StateTensor, StateOther>
      value;

  // Defined out of line: a StateDict is only complete once StateEntry is.
  StateValue();
  ~StateValue();
  StateValue(const StateValue& other);
  StateValue(StateValue&& other) noexcept;
  StateValue& operator=(const StateValue& other);
  StateValue& operator=(StateValue&& other) noexcept;
  StateValue(StateNone v);
  StateValue(bool v);
  StateValue(int v);
  StateValue(std::int64_t v);
  StateValue(double v);
  StateValue(const char* v);
  StateValue(std::string v);
  StateValue(StateBytes v);
  StateValue(StateList v);
  StateValue(StateTuple v);
  StateValue(StateDict v);
  StateValue(StateTensor v);
  StateValue(StateOther v);

  // Null when the value is of another kind.
  template <class T>
  const T* As() const {
    return std::get_if<T>(&value);
  }
  // The entry of a dict; null when this is no dict or has no such key.
  const StateValue* Find(std::string_view key) const;
};

struct StateEntry {
  StateValue key;
  StateValue value;
};

// "dict", "tensor": the kind in words, for messages.
std::string_view KindName(const StateValue& value);

struct NamedTensor {
  std::string name;
  StateTensor tensor;
};

// The weights within what a file holds: the value itself when it is a dict with tensors, else the
// dict below "state_dict", "model_state_dict", "model" or "net", at most three levels down.
// Prefixes that wrappers put before every name ("module." of DataParallel, "_orig_mod." of
// torch.compile) are taken off. Entries that are no tensors are left out. kInvalidArgument, naming
// the keys that were found instead, when there are no weights.
Result<std::vector<NamedTensor>> FindStateDict(const StateValue& value);

// The state_dict of these tensors, ready to be written.
StateDict MakeStateDict(std::vector<NamedTensor> tensors);

}  // namespace roost::trainer
