#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "launch/launcher.h"

namespace roost::launch {

// A launcher that starts nothing. Tests step it: `Begin`, `End` and `Lose` make the news that a
// real one would. With a loop and a delay every launch begins at once and ends with success by
// itself after that time, with a line in its log, or ends as canceled when it is stopped before;
// that is how `roost serve --fake-launcher` runs for API fuzzing.
class FakeLauncher : public Launcher {
 public:
  explicit FakeLauncher(LaunchListener listener) : listener_(std::move(listener)) {}
  // The loop outlives this.
  FakeLauncher(EventLoop& loop, std::chrono::milliseconds auto_finish, LaunchListener listener)
      : listener_(std::move(listener)), loop_(&loop), auto_finish_(auto_finish) {}
  ~FakeLauncher() override;

  Status Start(const spec::LaunchRequest& request, const fs::path& launch_folder) override;
  // The auto-finishing one tells what it did not start itself as lost.
  void Reattach(const std::string& launch_id, const fs::path& launch_folder) override;
  void Stop(const std::string& launch_id, const fs::path& launch_folder) override;

  void Begin(const std::string& launch_id);
  void End(const std::string& launch_id, int code);
  void Lose(const std::string& launch_id, std::string reason);

  std::vector<spec::LaunchRequest> started;
  std::vector<std::string> reattached;
  std::set<std::string> stopped;
  Status start_result;  // what Start answers next

 private:
  void After(const std::string& launch_id, std::chrono::milliseconds delay,
             std::function<void()> work);
  void Finish(const std::string& launch_id, int code, spec::EndCause cause);

  LaunchListener listener_;
  EventLoop* loop_ = nullptr;
  std::chrono::milliseconds auto_finish_{0};
  std::set<std::string> begun_;
  std::map<std::string, EventLoop::TimerId> timers_;  // the next news of each launch
};

}  // namespace roost::launch
