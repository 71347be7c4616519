#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "store/runs.h"
#include "store/store.h"

namespace roost::api {

// A run's log files on disk, which are the log itself (docs/on_disk.md): found by name, never
// copied into the store.
struct RunLog {
  std::string path;  // "azureml-logs/70_driver_log.txt"
  int attempt = 1;
  std::uint64_t size = 0;
  bool complete = false;  // nothing will be added
  Micros modified_at = 0;
};
Result<std::vector<RunLog>> ListRunLogs(store::Store& store, const store::Run& run);

// Those of the newest attempt that are not kept as artifacts: below `prefix`, after `after`.
Result<std::vector<RunLog>> LogsBesideArtifacts(store::Store& store, const store::Run& run,
                                                const std::string& prefix,
                                                const std::string& after);

// Where that log lies; kInvalidArgument for a name that is no safe path, kNotFound for one that
// cannot be a log's. The file need not exist. attempt 0: the newest.
Result<fs::path> RunLogPath(store::Store& store, const store::Run& run, const std::string& path,
                            int attempt);
// True when nothing will be added to this attempt's logs.
bool LogIsComplete(const store::Run& run, int attempt, const std::string& path);

}  // namespace roost::api
