#pragma once

#include <filesystem>
#include <string>

#include "base/ids.h"

namespace roost::spec {

// The names of every path of a run below the data folder; nobody else spells them. Documented in
// docs/on_disk.md. All are relative to nothing but the data folder, which may be moved.
//
//   runs/<run id>/attempt-<n>/launch/          what shim and engine say to each other
//   runs/<run id>/attempt-<n>/azureml-logs/    driver logs, append only
//   runs/<run id>/attempt-<n>/scratch/work/    working folder; scratch/ is the run's own "../"
class RunLayout {
 public:
  RunLayout(std::filesystem::path data_folder, const RunId& run, int attempt);

  const std::filesystem::path& run_folder() const { return run_folder_; }
  std::filesystem::path data_folder() const { return run_folder_.parent_path().parent_path(); }
  std::filesystem::path attempt_folder() const { return attempt_folder_; }
  std::filesystem::path launch_folder() const { return attempt_folder_ / "launch"; }
  std::filesystem::path log_folder() const { return attempt_folder_ / "azureml-logs"; }
  std::filesystem::path scratch_folder() const { return attempt_folder_ / "scratch"; }
  std::filesystem::path working_folder() const { return scratch_folder() / "work"; }
  std::filesystem::path outputs_folder() const { return working_folder() / "outputs"; }
  std::filesystem::path logs_folder() const { return working_folder() / "logs"; }
  // Where data lies that a run asked for without naming a place.
  std::filesystem::path inputs_folder() const { return scratch_folder() / "inputs"; }
  std::filesystem::path data_outputs_folder() const { return scratch_folder() / "data-outputs"; }
  // What was decided about the run's data, see engine/run_data.h.
  std::filesystem::path data_plan_file() const { return launch_folder() / "data.json"; }
  // Numbered lines that the SDK appends before it sends them (see docs/wire.md, Reports).
  std::filesystem::path report_file() const { return launch_folder() / "report.jsonl"; }

 private:
  std::filesystem::path run_folder_;
  std::filesystem::path attempt_folder_;
};

// Log names as users and APIs see them.
inline constexpr const char* kLogPrefix = "azureml-logs/";
inline constexpr const char* kImageBuildLog = "azureml-logs/20_image_build_log.txt";
inline constexpr const char* kJobPrepLog = "azureml-logs/65_job_prep.txt";
inline constexpr const char* kDriverLog = "azureml-logs/70_driver_log.txt";
inline constexpr const char* kMpiLog = "azureml-logs/70_mpi_log.txt";
std::string DriverLogOfRank(int rank);  // "azureml-logs/70_driver_log_<rank>.txt"

}  // namespace roost::spec
