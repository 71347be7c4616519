#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "roost/client.h"

namespace roost::client {

struct ServerEvent {
  std::string id;    // "<epoch>.<number>"; empty for news that cannot be resumed
  std::string kind;  // "run", "artifact", "model", "experiment", "metrics", "reset"
  std::string data;  // JSON text
};

// Cuts a byte stream into server-sent events.
class EventParser {
 public:
  void Feed(std::string_view piece, const std::function<void(const ServerEvent&)>& take);

 private:
  void TakeLine(std::string_view line, const std::function<void(const ServerEvent&)>& take);
  std::string rest_;
  ServerEvent event_;
  bool has_data_ = false;
};

// Hands the events of one run (empty: all runs) to `take`, resuming after breaks, until `take`
// gives false, the client is interrupted, or the server stays away for `patience`.
Status FollowEvents(Client& client, const std::string& run_id,
                    const std::function<bool(const ServerEvent&)>& take,
                    std::chrono::milliseconds patience = std::chrono::minutes(10));

}  // namespace roost::client
