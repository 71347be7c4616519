#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace roost::cli {

// ${XDG_DATA_HOME:-~/.local/share}/roost.
fs::path DefaultDataFolder(const std::map<std::string, std::string>& environment);

// What a server leaves in its data folder for clients on the same machine and for its own next
// start: server.json and, readable by the owner alone, token.
struct ServerFile {
  std::string address;  // "http://127.0.0.1:7070"
  std::string host;
  int port = 0;
  int pid = 0;
  std::string version;
};
// Nothing when no server has run there yet.
Result<std::optional<ServerFile>> ReadServerFile(const fs::path& data_folder);
Status WriteServerFile(const fs::path& data_folder, const ServerFile& server);

Result<std::string> ReadTokenFile(const fs::path& data_folder);
// The token of the first start, made when there is none.
Result<std::string> ReadOrMakeToken(const fs::path& data_folder);

}  // namespace roost::cli
