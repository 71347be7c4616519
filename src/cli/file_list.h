#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "base/result.h"
#include "roost/download.h"

namespace roost::cli {

// Files of the server as commands list them.

nlohmann::json FilesJson(const std::vector<client::RemoteFile>& files);  // [{path, size, digest}]
Status PrintFileTable(const std::vector<client::RemoteFile>& files);
// {"items": [...]}, or the table, or that there is none.
Result<int> PrintFiles(const std::vector<client::RemoteFile>& files, bool as_json);

}  // namespace roost::cli
