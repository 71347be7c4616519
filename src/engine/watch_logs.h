#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/result.h"
#include "store/store.h"

namespace roost::engine {

// Makes the files below a live run's ./logs artifacts while they grow. One object for each running
// run; TakeChanged is called every few seconds on a worker, one call at a time.
class LogWatch {
 public:
  LogWatch(RunKey run, fs::path logs_folder) : run_(run), folder_(std::move(logs_folder)) {}

  // Copies (never links) each file whose size or time changed since it was last taken. A large file
  // is taken less often, so that following it costs at most a few MiB/s.
  Status TakeChanged(store::Store& store, const Clock& clock, const std::function<bool()>& stop);

 private:
  struct Seen {
    std::uint64_t size = 0;
    std::int64_t modified_us = 0;
    std::chrono::steady_clock::time_point next{};
  };
  const RunKey run_;
  const fs::path folder_;
  std::map<std::string, Seen> seen_;
};

}  // namespace roost::engine
