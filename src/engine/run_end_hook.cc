#include "engine/run_end_hook.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "engine/run_json.h"

namespace roost::engine {
namespace {

// A hook that hangs for its ten seconds each time must not gather runs without end.
constexpr std::size_t kMaxWaiting = 1000;

}  // namespace

bool IsHookUrl(const std::string& target) {
  return target.starts_with("http://") || target.starts_with("https://");
}

RunEndHook::RunEndHook(std::string target, const Clock& clock, std::chrono::milliseconds limit)
    : target_(std::move(target)), clock_(clock), limit_(limit), worker_(target_.empty() ? 0 : 1) {}

void RunEndHook::Tell(const store::Run& run) {
  if (target_.empty()) return;
  if (worker_.waiting() >= kMaxWaiting) {
    LogWarning("run_end_hook_dropped", {{"run", run.id.value()}});
    return;
  }
  worker_.Post([this, run] { Call(run); });
}

void RunEndHook::Call(const store::Run& run) const {
  const auto body = MemoryFile(RunToJson(run, clock_.Now(), true)
                                   .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (!body) {
    LogWarning("run_end_hook_failed", {{"run", run.id.value()}, {"why", body.error().message}});
    return;
  }
  SubprocessOptions options;
  options.environment = CurrentEnvironment();
  options.environment["ROOST_RUN_ID"] = run.id.value();
  options.environment["ROOST_RUN_STATUS"] = std::string(spec::ToString(run.state));
  options.environment["ROOST_RUN_NAME"] = run.display_name;
  options.environment["ROOST_EXPERIMENT"] = run.experiment_name;
  options.environment["ROOST_RUN_REASON"] = run.reason;
  options.stdin_fd = body->get();
  options.new_session = true;
  if (IsHookUrl(target_)) {
    options.argv = {
        "curl",          "--silent",
        "--show-error",  "--fail",
        "--max-time",    fmt::format("{:.3f}", static_cast<double>(limit_.count()) / 1e3),
        "--header",      "Content-Type: application/json",
        "--data-binary", "@-",
        "--output",      "/dev/null",
        "--url",         target_};
  } else {
    options.argv = {"/bin/sh", "-c", target_};
  }
  const auto called = RunAndCapture(std::move(options), limit_);
  if (!called) {
    LogWarning("run_end_hook_failed", {{"run", run.id.value()}, {"why", called.error().message}});
  } else if (called->status.code != 0) {
    LogWarning("run_end_hook_failed", {{"run", run.id.value()},
                                       {"exit_code", std::to_string(called->status.code)},
                                       {"why", ToValidUtf8(called->errors.substr(0, 2000))}});
  }
}

}  // namespace roost::engine
