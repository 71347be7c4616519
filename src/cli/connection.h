#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "roost/client.h"

namespace roost::cli {

struct ConnectionOptions {
  std::string server = {};  // --server
  std::string token = {};   // --token
  std::string data = {};    // --data
};

// Finds the server: --server and --token, else ROOST_URL and ROOST_TOKEN, else server.json and
// token of the local data folder.
Result<client::ClientOptions> FindServer(const ConnectionOptions& options,
                                         const std::map<std::string, std::string>& environment);

// FindServer and a client for it, for this process's environment.
Result<std::unique_ptr<client::Client>> Connect(const ConnectionOptions& options);

}  // namespace roost::cli
