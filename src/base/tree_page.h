#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace roost {

// A part of what ListTree gives, in its order, at the cost of the folders that it touches: those
// that lie before `after` or apart from `prefix` are not read, and their files not looked at.
struct TreePage {
  std::string prefix = {};  // only paths that begin with it
  std::string after = {};   // only paths behind it
  std::size_t limit = SIZE_MAX;
};
Result<std::vector<TreeEntry>> ListTreePage(const fs::path& folder, const TreePage& page);

}  // namespace roost
