#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "trainer/cuda/device_collectives.h"

namespace roost::trainer {

// How a wait for a GPU's work ended. Work whose other processes have died never ends by itself, so
// that it is watched from the processor.
struct WorkEnd {
  enum class Kind {
    kReached,  // the stage that was waited for
    kFailed,
    kVerdict,  // the group has found out who ended it
    kLate,     // not within the limit
  };
  Kind kind = Kind::kReached;
  std::string failure{};  // of kFailed
};

// What a wait looks at, and its time.
struct WorkWatch {
  using Time = std::chrono::steady_clock::time_point;

  std::function<bool()> has_verdict;
  std::chrono::milliseconds limit{};
  std::function<Time()> now = std::chrono::steady_clock::now;
  std::function<void(std::chrono::microseconds)> sleep;  // default: this thread's

  WorkWatch(std::function<bool()> has_verdict, std::chrono::milliseconds limit);
};

// Asks the work until it has come to `stage`, kRunning or kDone. In any other case it is aborted.
// Pauses add about a hundredth to what is waited for: none at first, later up to a millisecond.
WorkEnd WaitFor(DeviceCollectives::Work& work, DeviceCollectives::Stage stage,
                const WorkWatch& watch);

}  // namespace roost::trainer
