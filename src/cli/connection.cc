#include "cli/connection.h"

#include "base/subprocess.h"
#include "cli/data_folder.h"

namespace roost::cli {

Result<client::ClientOptions> FindServer(const ConnectionOptions& options,
                                         const std::map<std::string, std::string>& environment) {
  const auto variable = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  };
  const std::string given = options.server.empty() ? variable("ROOST_URL") : options.server;
  const std::string token = options.token.empty() ? variable("ROOST_TOKEN") : options.token;
  const fs::path data =
      options.data.empty() ? DefaultDataFolder(environment) : fs::path(options.data);

  client::ClientOptions found;
  found.ca_file = variable("ROOST_CA_FILE");
  const client::ServerLink link = client::ParseServerLink(given);
  found.url = link.url;
  found.token = options.token.empty() && !link.token.empty() ? link.token : token;
  // An explicit data folder means the server that runs on it, whatever the environment says.
  const bool local = options.server.empty() && (given.empty() || !options.data.empty());
  if (!local && !found.token.empty()) return found;

  ROOST_ASSIGN(const auto server, ReadServerFile(data));
  if (!local) {
    // The token of another server stays here.
    if (!server || server->address != found.url) return found;
  } else if (!server) {
    return Fail(ErrorCode::kUnavailable,
                "No server has run with the data folder " + data.string() +
                    " yet. Start one with `roost serve`, or name one with --server or ROOST_URL.");
  } else {
    found.url = server->address;
    found.token = options.token;
  }
  if (found.token.empty()) {
    ROOST_ASSIGN(found.token, ReadTokenFile(data));
  }
  return found;
}

Result<std::unique_ptr<client::Client>> Connect(const ConnectionOptions& options) {
  ROOST_ASSIGN(auto found, FindServer(options, CurrentEnvironment()));
  return std::make_unique<client::Client>(std::move(found));
}

}  // namespace roost::cli
