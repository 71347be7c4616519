#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "trainer/state/pickle_reader.h"
#include "trainer/state/state_value.h"

namespace roost::trainer {

// Where the elements of storages lie in a file.
class Storages {
 public:
  virtual ~Storages() = default;
  virtual Result<std::string_view> Find(std::string_view key) const = 0;
};

struct TreeOptions {
  std::shared_ptr<const void> owner;  // of the storages' bytes
  std::uint64_t copy_limit = 0;       // bytes for tensors that must be copied
  std::uint64_t text_limit = 0;       // bytes for texts, each counted where it stands
  bool big_endian = false;
};

// The tree of values that a pickle describes. Objects that the pickle shares are repeated (tensors
// share their bytes), within kMaxPickledValues; one that contains itself is refused for its depth.
Result<StateValue> BuildTree(const Pickle& pickle, const Storages& storages,
                             const TreeOptions& options);

}  // namespace roost::trainer
