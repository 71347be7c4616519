#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "base/files.h"
#include "launch/process_tree.h"
#include "spec/launch_format.h"

namespace roost::launch {

// How a launch went on from its start to the end of its last process.
struct TreeEnd {
  int wait_status = 0;  // of the main process, as waitpid gives it
  spec::EndCause cause = spec::EndCause::kExited;
  bool out_of_memory = false;
};

// Watches over a started launch: reaps, and ends the tree when it is cancelled, over its time or
// over its memory. When the main process has ended by itself the rest of the tree is ended, too, so
// nothing outlives a run.
//
// Requires: the caller is a subreaper, has SIGCHLD and SIGTERM blocked, and stands in the launch
// folder.
class Supervisor {
 public:
  Supervisor(const spec::LaunchRequest& request, const ProcessTree& tree, pid_t main);
  // Returns when no process of the tree is left.
  TreeEnd Run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class Phase { kRunning, kTerminating, kKilling };

  void Step(Time now);
  bool ReapAll();     // true when no child is left
  bool TreeIsGone();  // Requires: no child is left
  void CheckReasons(Time now);
  void BeginEnding(Time now, std::chrono::milliseconds grace);
  void EndFor(spec::EndCause cause, Time now, std::chrono::milliseconds grace);
  std::optional<std::chrono::milliseconds> CancelGrace();
  bool IsOverMemory(Time now);
  bool WasKilledForMemory() const;
  std::chrono::milliseconds UntilNextLook(Time now) const;
  void WaitForNews(std::chrono::milliseconds at_most);

  const spec::LaunchRequest& request_;
  const ProcessTree& tree_;
  const pid_t main_;
  const Time started_;
  const std::int64_t machine_oom_kills_at_start_;
  Fd signals_;
  Fd folder_changes_;

  Phase phase_ = Phase::kRunning;
  Time kill_at_{};
  Time next_memory_look_;
  bool sigterm_ = false;
  bool main_ended_ = false;
  bool kill_sent_ = false;  // by us
  int kill_passes_ = 0;
  int stray_passes_ = 0;
  TreeEnd end_;
};

}  // namespace roost::launch
