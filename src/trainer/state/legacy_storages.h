#pragma once

#include <string_view>
#include <unordered_map>

#include "trainer/state/pickle_tree.h"

namespace roost::trainer {

// The format of torch.save before PyTorch 1.6, without an archive: pickles of a magic number, the
// format's version and the writer's machine; the pickle of the object; the pickle of the list of
// storage keys; then, in that order, each storage as its count of elements (8 bytes) and elements.
bool IsLegacyPth(std::string_view bytes);

// Moves `*at` to the pickle of the object.
Status SkipLegacyHeader(std::string_view bytes, std::size_t* at);

class LegacyStorages : public Storages {
 public:
  // Reads what stands behind the pickle of the object, which ends at `at`.
  static Result<LegacyStorages> Read(std::string_view bytes, std::size_t at, const Pickle& pickle);
  Result<std::string_view> Find(std::string_view key) const override;

 private:
  std::unordered_map<std::string_view, std::string_view> storages_;
};

}  // namespace roost::trainer
