#include "spec/run_layout.h"

#include <gtest/gtest.h>

namespace roost::spec {
namespace {

TEST(RunLayout, EveryPathLiesBelowTheAttempt) {
  const RunLayout layout("/data", RunId("cifar_1_2dd21b40"), 2);
  const std::string attempt = "/data/runs/cifar_1_2dd21b40/attempt-2";
  EXPECT_EQ(layout.run_folder(), "/data/runs/cifar_1_2dd21b40");
  EXPECT_EQ(layout.attempt_folder(), attempt);
  EXPECT_EQ(layout.launch_folder(), attempt + "/launch");
  EXPECT_EQ(layout.report_file(), attempt + "/launch/report.jsonl");
  EXPECT_EQ(layout.log_folder(), attempt + "/azureml-logs");
  EXPECT_EQ(layout.scratch_folder(), attempt + "/scratch");
  EXPECT_EQ(layout.working_folder(), attempt + "/scratch/work");
  EXPECT_EQ(layout.outputs_folder(), attempt + "/scratch/work/outputs");
  EXPECT_EQ(layout.logs_folder(), attempt + "/scratch/work/logs");
}

TEST(RunLayout, DriverLogsOfRanks) {
  EXPECT_EQ(DriverLogOfRank(0), "azureml-logs/70_driver_log_0.txt");
  EXPECT_EQ(DriverLogOfRank(12), "azureml-logs/70_driver_log_12.txt");
}

TEST(RunLayoutDeathTest, AnIdThatLeavesTheFolderIsOurMistake) {
  EXPECT_DEATH(RunLayout("/data", RunId("../x"), 1), "CheckRunId");
  EXPECT_DEATH(RunLayout("/data", RunId(""), 1), "CheckRunId");
}

}  // namespace
}  // namespace roost::spec
