#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "engine/worker_pool.h"
#include "store/runs.h"

namespace roost::engine {

// Whether a hook's target is an http(s) URL; anything else is a shell command.
bool IsHookUrl(const std::string& target);

// Tells an operator's program or web address that a run has ended. `target` is a shell command that
// gets ROOST_RUN_ID, ROOST_RUN_STATUS, ROOST_RUN_NAME, ROOST_EXPERIMENT, ROOST_RUN_REASON in its
// environment and the run's JSON on its standard input, or an http(s) URL that gets the JSON by
// POST (through the `curl` program). One call at a time, on a thread of its own, ten seconds each;
// a failure is logged and nothing more. Calls that still wait when the server stops are dropped.
class RunEndHook {
 public:
  RunEndHook(std::string target, const Clock& clock,
             std::chrono::milliseconds limit = std::chrono::seconds(10));

  void Tell(const store::Run& run);
  void Stop() { worker_.Stop(); }

 private:
  void Call(const store::Run& run) const;

  const std::string target_;
  const Clock& clock_;
  const std::chrono::milliseconds limit_;
  WorkerPool worker_;
};

}  // namespace roost::engine
