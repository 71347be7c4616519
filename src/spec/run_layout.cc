#include "spec/run_layout.h"

#include "base/check.h"
#include "spec/run_definition.h"

namespace roost::spec {

RunLayout::RunLayout(std::filesystem::path data_folder, const RunId& run, int attempt) {
  // Ids that clients choose are checked where they come in; an unsafe one here would write outside
  // of the data folder.
  ROOST_CHECK(CheckRunId(run.value()));
  run_folder_ = std::move(data_folder) / "runs" / run.value();
  attempt_folder_ = run_folder_ / ("attempt-" + std::to_string(attempt));
}

std::string DriverLogOfRank(int rank) {
  return "azureml-logs/70_driver_log_" + std::to_string(rank) + ".txt";
}

}  // namespace roost::spec
