#include "roost/log_follow.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <thread>

#include "spec/run_layout.h"
#include "spec/run_state.h"

namespace roost::client {
namespace {

// One request; moves `offset` by what arrived. `on_start` is called when the answer's head has
// come.
Status FollowOnce(Client& client, const LogFollowOptions& options, bool with_tail,
                  std::uint64_t& offset, const std::function<void()>& on_start,
                  const std::function<Status(std::string_view)>& take) {
  Query query{{"follow", "true"}};
  if (with_tail) {
    query.emplace_back("tail", std::to_string(options.tail_lines));
  } else {
    query.emplace_back("offset", std::to_string(offset));
  }
  HttpRequest request;
  request.target = "/runs/" + EncodePart(options.run_id) + "/logs/" + EncodePath(options.path) +
                   EncodeQuery(query);
  request.stall_limit = std::chrono::seconds(0);
  request.on_head = [&](const HttpAnswer& head) -> Status {
    on_start();
    const std::string from = head.Header("roost-log-offset");
    if (with_tail) std::from_chars(from.data(), from.data() + from.size(), offset);
    return {};
  };
  request.on_body = [&](std::string_view piece) -> Status {
    ROOST_TRY(take(piece));
    offset += piece.size();
    return {};
  };
  ROOST_TRY(client.Send(std::move(request), false));
  return {};
}

// The log of the environment's build ends when the run is launched, every other one with the run.
bool IsComplete(const nlohmann::json& run, const std::string& path) {
  if (IsFinalStatus(run.value("status", ""))) return true;
  return path == spec::kImageBuildLog && run.value("attempt", 0) > 0;
}

// A log that was asked for by name and is not there is a mistake, except those of a run that ended
// before it started, or had nothing to build.
bool MayBeMissing(const std::string& path) {
  return path == spec::kImageBuildLog || path == LogFollowOptions{}.path;
}

}  // namespace

bool IsFinalStatus(std::string_view status) {
  const auto state = spec::ParseRunState(status);
  return state && spec::IsFinal(*state);
}

Result<std::uint64_t> FollowLog(Client& client, const LogFollowOptions& options,
                                const std::function<Status(std::string_view)>& take) {
  std::uint64_t offset = options.offset;
  bool with_tail = options.tail_lines > 0;
  bool connected = true;
  Backoff backoff(options.patience);
  const auto tell = [&](bool now) {
    if (now != connected && options.on_connection) options.on_connection(now);
    connected = now;
  };
  while (true) {
    const auto on_start = [&] {
      tell(true);
      backoff.Reset();
    };
    auto followed = FollowOnce(client, options, with_tail, offset, on_start, take);
    if (offset > options.offset) with_tail = false;
    Error error;
    if (followed || followed.error().code == ErrorCode::kNotFound) {
      // The answer ends with the run; one that ended because the server was stopped does not count.
      auto run = client.Get("/runs/" + EncodePart(options.run_id));
      if (run) {
        tell(true);
        if (IsComplete(*run, options.path)) {
          if (!followed && !MayBeMissing(options.path)) return Fail(followed.error());
          return offset;
        }
        if (!backoff.Wait()) return offset;
        continue;
      }
      error = run.error();
    } else {
      error = followed.error();
    }
    if (error.code != ErrorCode::kUnavailable || client.http().interrupted()) return Fail(error);
    tell(false);
    if (!backoff.Wait()) return Fail(error);
  }
}

}  // namespace roost::client
