#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "base/result.h"
#include "trainer/distributed/liveness.h"

namespace roost::trainer {

// A thread that tells the group's store that this process lives, and finds out there which other
// one does not. The first process that finds the group at its end writes the reason into the
// store; all others read it there, so that all of them end with the same words.
//
// The verdict is also the end of a process whose own thread is stuck: ten seconds after it the
// watch ends the process by itself, when nobody has asked for the verdict.
class RankWatch {
 public:
  struct Place {
    int rank = 0;
    int size = 1;
    bool keeps_store = false;     // this process
    bool launcher_store = false;  // the launcher keeps it, not rank 0
    std::chrono::milliseconds limit{};
  };
  // What waiters wait on: collectives that end, and the verdict. Guarded by `mutex`.
  struct Signal {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Error> verdict{};
    bool noticed = false;  // somebody has taken the verdict
  };

  // `store` must be a connection that nobody else uses.
  RankWatch(c10::intrusive_ptr<c10d::Store> store, const Place& place);
  ~RankWatch();
  RankWatch(const RankWatch&) = delete;

  const std::shared_ptr<Signal>& signal() const;
  void CountCollective();
  // After a collective broke with `failure`, or lasted longer than the limit (no failure): why.
  // Takes some seconds.
  Error Explain(const std::optional<std::string>& failure);
  // This process ends the group.
  void Abort(const Error& error);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace roost::trainer
