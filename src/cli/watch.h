#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "roost/client.h"

namespace roost::cli {

// Follows a run to its end: its driver log to stdout, changes of its state and the log of its
// environment's build to stderr. Ctrl-C stops
// watching (exit code 130), not the run. Gives the run's exit code.
Result<int> WatchRun(client::Client& client, const nlohmann::json& run);

// What a shell would see of an ended run: 0 when Completed, the script's exit code or 128 plus its
// signal, 124 at the time limit, 137 out of memory, 143 when canceled, 1 for any other failure.
int ExitCodeOfRun(const nlohmann::json& run);

}  // namespace roost::cli
