#include "cli/file_list.h"

#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace roost::cli {

using nlohmann::json;

json FilesJson(const std::vector<client::RemoteFile>& files) {
  json items = json::array();
  for (const client::RemoteFile& file : files) {
    items.push_back({{"path", file.path},
                     {"size", file.size},
                     {"digest", file.digest ? json(file.digest->ToText()) : json()}});
  }
  return items;
}

Status PrintFileTable(const std::vector<client::RemoteFile>& files) {
  Table table({{"SIZE", true}, {"PATH"}});
  for (const client::RemoteFile& file : files) table.AddRow({FormatBytes(file.size), file.path});
  return table.Print();
}

Result<int> PrintFiles(const std::vector<client::RemoteFile>& files, bool as_json) {
  if (as_json) {
    ROOST_TRY(PrintJson({{"items", FilesJson(files)}}));
  } else if (files.empty()) {
    ROOST_TRY(WriteOut("No file fits.\n"));
  } else {
    ROOST_TRY(PrintFileTable(files));
  }
  return 0;
}

}  // namespace roost::cli
