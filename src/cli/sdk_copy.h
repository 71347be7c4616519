#pragma once

#include "base/files.h"
#include "base/result.h"

namespace roost::cli {

// Copies the Python packages below `sdk` into `<data_folder>/sdk/<digest of their content>` and
// gives that folder. Runs import from the copy, so an upgrade that replaces the packages under a
// live run changes nothing for it. A copy that is there already is used as it is; earlier ones
// stay, because runs may be using them.
Result<fs::path> CopySdk(const fs::path& sdk, const fs::path& data_folder);

}  // namespace roost::cli
