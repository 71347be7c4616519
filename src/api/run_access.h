#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "store/store.h"
#include "store/tokens.h"

namespace roost::api {

// A run by its outer id, as far as it never changes: found once and remembered, so that a metric
// request costs no look-up in the database.
struct RunRef {
  RunKey key;
  std::vector<RunKey> ancestors;  // parent first
};

// Remembers RunRefs and the current attempts of runs whose tokens are in use. Any thread.
class RunAccess {
 public:
  explicit RunAccess(store::Store& store) : store_(store) {}

  Result<RunRef> Find(const std::string& run_id);  // may read the database
  // What is known without reading: both the run and, for a run's token, its current attempt.
  struct Known {
    RunRef run;
    Status allowed;
  };
  std::optional<Known> FindKnown(const std::string& run_id, const store::Token& token);

  // A run's token speaks for its run and that run's children, in its current attempt: others are
  // kPermissionDenied, an earlier attempt kConflict. May read the database.
  Status Check(const store::Token& token, const RunRef& run);
  Status Check(const store::Token& token, const std::string& run_id);

  // After a commit with events: attempts may have moved on.
  void ForgetAttempts() { generation_.fetch_add(1, std::memory_order_relaxed); }

 private:
  struct Attempt {
    int number = 0;
    std::uint64_t generation = 0;
  };
  std::optional<int> KnownAttempt(RunKey run);  // Requires: mutex_ is held.

  store::Store& store_;
  std::atomic<std::uint64_t> generation_{1};
  std::mutex mutex_;  // guards the maps
  std::unordered_map<std::string, RunRef> runs_;
  std::unordered_map<RunKey, Attempt> attempts_;
};

}  // namespace roost::api
