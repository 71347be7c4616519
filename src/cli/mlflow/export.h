#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "cli/mlflow/source.h"
#include "roost/client.h"

namespace roost::cli::mlflow {

struct ExportReport {
  std::int64_t experiments = 0;
  std::int64_t runs = 0;
  std::int64_t already_there = 0;  // of the runs
  std::int64_t points = 0;
  std::int64_t files = 0;
  std::int64_t logged_models = 0;
  std::int64_t registered_models = 0;
  std::int64_t versions = 0;
  std::vector<std::string> left_out;
  std::vector<std::string> differences;  // found when the folder was read again
  bool ok() const { return differences.empty(); }
};

// Writes all that `server` has, seen through MLflow's API, as an mlruns folder, and reads it again
// to compare. Runs that are there are left, so a call that was cut off is repeated; `folder` is
// new, empty, or what an earlier export left. `client` is the same server's own API.
Result<ExportReport> Export(client::Client& client, Source& server, const fs::path& folder);

}  // namespace roost::cli::mlflow
