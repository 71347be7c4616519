#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "roost/download.h"

namespace roost::cli {

struct FetchReport {
  std::size_t fetched = 0;
  std::size_t already_there = 0;
  std::uint64_t bytes = 0;
};
// Downloads files below `folder` with a progress bar. `base` is the target that their encoded paths
// are appended to. A path that would leave the folder is refused before anything is written.
Result<FetchReport> FetchFiles(client::Client& client, const std::string& base,
                               const std::vector<client::RemoteFile>& files,
                               const fs::path& folder);
// "3 files (1.2 MiB) in outputs; 2 were there already".
std::string ToText(const FetchReport& report, const fs::path& folder);

}  // namespace roost::cli
