#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "roost/client.h"

namespace roost::client {

struct LogFollowOptions {
  std::string run_id;
  std::string path = "azureml-logs/70_driver_log.txt";
  std::uint64_t offset = 0;
  std::uint64_t tail_lines = 0;  // start at the last so many lines; 0: at `offset`
  // How long to wait for a server that has gone away before giving up.
  std::chrono::milliseconds patience = std::chrono::minutes(10);
  // Told when the connection breaks (false) and when it is there again (true).
  std::function<void(bool connected)> on_connection;
};

// Hands every byte of a log to `take`, in order and once, until the run is over and its log is
// complete (that of the environment's build: until the run is launched). When the connection breaks
// (the server restarts), goes on at the offset reached. A run that ends without ever having the log
// gives no bytes and success. Gives the offset reached.
Result<std::uint64_t> FollowLog(Client& client, const LogFollowOptions& options,
                                const std::function<Status(std::string_view)>& take);

// "Completed", "Failed" and "Canceled": nothing follows.
bool IsFinalStatus(std::string_view status);

}  // namespace roost::client
