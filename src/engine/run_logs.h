#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "store/runs.h"
#include "store/store.h"

namespace roost::engine {

// A log that the platform writes for a run, outside of its artifacts.
struct RunLog {
  std::string path;  // as users see it: "azureml-logs/70_driver_log.txt"
  int attempt = 1;
  std::uint64_t size = 0;
  bool complete = false;  // nothing will be added to it
  fs::path file;
};

// All logs of all attempts, by attempt and path. May be called on any thread.
Result<std::vector<RunLog>> ListLogs(store::Store& store, const store::Run& run);

}  // namespace roost::engine
