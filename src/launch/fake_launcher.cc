#include "launch/fake_launcher.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace roost::launch {
namespace {

using std::chrono::milliseconds;

Status WriteLog(const spec::LaunchRequest& request) {
  if (request.log_file.empty()) return {};
  ROOST_ASSIGN(const Fd log, OpenFile(request.log_file, O_WRONLY | O_CREAT | O_APPEND));
  std::string line = "The fake launcher runs nothing of:";
  for (const std::string& argument : request.argv) line += " " + argument;
  return WriteAll(log.get(), line + "\n", request.log_file);
}

}  // namespace

FakeLauncher::~FakeLauncher() {
  for (const auto& [id, timer] : timers_) loop_->CancelTimer(timer);
}

Status FakeLauncher::Start(const spec::LaunchRequest& request, const fs::path&) {
  if (!start_result) return std::exchange(start_result, Status{});
  if (loop_ != nullptr) ROOST_TRY(WriteLog(request));
  started.push_back(request);
  if (loop_ == nullptr) return {};

  const std::string id = request.launch_id;
  After(id, milliseconds(0), [this, id] {
    Begin(id);
    if (stopped.contains(id)) return Finish(id, 143, spec::EndCause::kCanceled);
    After(id, auto_finish_, [this, id] { End(id, 0); });
  });
  return {};
}

void FakeLauncher::Reattach(const std::string& launch_id, const fs::path&) {
  reattached.push_back(launch_id);
  if (loop_ == nullptr || timers_.contains(launch_id)) return;
  After(launch_id, milliseconds(0), [this, launch_id] {
    Lose(launch_id, "The fake launcher remembers nothing over a restart.");
  });
}

void FakeLauncher::Stop(const std::string& launch_id, const fs::path&) {
  stopped.insert(launch_id);
  const auto timer = timers_.find(launch_id);
  // One that has not begun yet sees the mark when it does.
  if (timer == timers_.end() || !begun_.contains(launch_id)) return;
  After(launch_id, milliseconds(0),
        [this, launch_id] { Finish(launch_id, 143, spec::EndCause::kCanceled); });
}

void FakeLauncher::Begin(const std::string& launch_id) {
  begun_.insert(launch_id);
  listener_(launch_id, Started{SystemClock().Now()});
}

void FakeLauncher::End(const std::string& launch_id, int code) {
  Finish(launch_id, code, spec::EndCause::kExited);
}

void FakeLauncher::Lose(const std::string& launch_id, std::string reason) {
  listener_(launch_id, Lost{std::move(reason)});
}

// One timer for each launch: a later one takes the place of an earlier one.
void FakeLauncher::After(const std::string& launch_id, milliseconds delay,
                         std::function<void()> work) {
  const auto old = timers_.find(launch_id);
  if (old != timers_.end()) loop_->CancelTimer(old->second);
  timers_[launch_id] = loop_->After(delay, [this, launch_id, work = std::move(work)] {
    timers_.erase(launch_id);
    work();
  });
}

void FakeLauncher::Finish(const std::string& launch_id, int code, spec::EndCause cause) {
  spec::ExitRecord record;
  record.launch_id = launch_id;
  const auto request = std::find_if(
      started.rbegin(), started.rend(),
      [&](const spec::LaunchRequest& candidate) { return candidate.launch_id == launch_id; });
  if (request != started.rend()) {
    record.attempt = request->attempt;
    record.rank = request->rank;
  }
  record.ended_at = SystemClock().Now();
  record.started_at = record.ended_at;
  record.code = code;
  if (cause == spec::EndCause::kCanceled) record.signal = code - 128;
  record.cause = cause;
  listener_(launch_id, Exited{record});
}

}  // namespace roost::launch
