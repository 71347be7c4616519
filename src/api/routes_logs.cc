#include <sys/stat.h>

#include "api/event_hub.h"
#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/log_source.h"
#include "api/run_logs.h"
#include "base/log_file.h"

namespace roost::api {

Result<Response> ListLogs(Services& services, Request& request) {
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  ROOST_ASSIGN(const std::vector<RunLog> logs, ListRunLogs(services.store, run));
  Json items = Json::array();
  for (const RunLog& log : logs) {
    items.push_back({{"path", log.path},
                     {"attempt", log.attempt},
                     {"size", log.size},
                     {"complete", log.complete}});
  }
  return ListResponse(std::move(items), "");
}

Result<Response> GetLog(Services& services, Request& request) {
  constexpr std::int64_t kMax = INT64_MAX;
  ROOST_ASSIGN(const auto given_offset, OptionalQueryInteger(request, "offset", 0, kMax));
  ROOST_ASSIGN(const auto limit, OptionalQueryInteger(request, "limit", 0, kMax));
  ROOST_ASSIGN(const auto tail, OptionalQueryInteger(request, "tail", 0, 1'000'000));
  ROOST_ASSIGN(const std::int64_t attempt, QueryInteger(request, "attempt", 0, 1, 1'000'000));
  ROOST_ASSIGN(const bool follow, QueryBool(request, "follow"));
  ROOST_ASSIGN(const bool fold, QueryBool(request, "fold"));
  if (tail && given_offset) return BadField("tail", "excludes `offset`; give one of the two");
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));

  LogSource::Options options;
  options.attempt = attempt > 0 ? static_cast<int>(attempt) : std::max(1, run.attempt);
  ROOST_ASSIGN(options.file,
               RunLogPath(services.store, run, request.parameters[1], options.attempt));
  const bool complete = LogIsComplete(run, options.attempt, request.parameters[1]);
  struct stat info {};
  const bool exists = ::stat(options.file.c_str(), &info) == 0 && S_ISREG(info.st_mode);
  const bool will_come = follow && !complete && run.kind == spec::RunKind::kManaged;
  if (!exists && !will_come) {
    return Fail(ErrorCode::kNotFound, "Run " + run.id.value() + " has no log \"" +
                                          request.parameters[1] + "\" in attempt " +
                                          std::to_string(options.attempt) + ".");
  }
  const std::uint64_t size = exists ? static_cast<std::uint64_t>(info.st_size) : 0;
  options.offset = static_cast<std::uint64_t>(given_offset.value_or(0));
  if (tail && exists) {
    ROOST_ASSIGN(const std::string text,
                 TailOfLog(options.file, static_cast<std::uint64_t>(*tail), 4 << 20));
    options.offset = size - std::min<std::uint64_t>(size, text.size());
  }
  options.follow = follow && !complete;
  options.fold = fold;
  options.run = run.key;
  options.path = request.parameters[1];

  Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.may_compress = false;
  response.headers.emplace_back("Roost-Log-Offset", std::to_string(options.offset));
  response.headers.emplace_back("Roost-Log-Size", std::to_string(size));
  response.headers.emplace_back("Roost-Log-Complete", complete ? "true" : "false");
  response.headers.emplace_back("Cache-Control", "no-store");
  if (limit) options.limit = static_cast<std::uint64_t>(*limit);
  if (!options.follow) {
    // The answer holds what was there when it began, also when the log grows meanwhile.
    const std::uint64_t there = size - std::min(size, options.offset);
    options.limit = std::min(options.limit.value_or(there), there);
    if (!fold) response.stream_length = options.limit;
  }
  response.stream = std::make_unique<LogSource>(services.store, services.hub, std::move(options));
  return response;
}

}  // namespace roost::api
