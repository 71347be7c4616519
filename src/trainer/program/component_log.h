#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "base/files.h"
#include "trainer/program/run_report.h"
#include "trainer/train/trainer.h"

namespace roost::trainer {

// A line of the component's log: "2026-11-21 12:00:00,123 train                INFO       text",
// in local time, on standard output.
void LogLine(const std::string& text, const char* level = "INFO");

// Tells how a training goes: the component's log lines, one JSON object a line into a file, and the
// metrics of a Roost run. On a terminal, a bar with rate and remaining time besides.
class TrainLog : public TrainObserver {
 public:
  // `report_file`: null for none. `run`: null outside a run.
  TrainLog(std::int64_t print_frequency, std::FILE* report_file, RunReport* run);

  ~TrainLog() override;  // leaves a clean line for an error
  TrainLog(const TrainLog&) = delete;

  void OnStart(std::int64_t height, std::int64_t width, std::int64_t batches) override;
  void OnBatch(const BatchReport& report) override;
  void OnEpoch(const EpochReport& report) override;
  void OnUnreadable(const std::string& sentence) override;
  void OnNote(const std::string& sentence) override;

 private:
  void ShowBar(const BatchReport& report);
  void HideBar();
  void Tell(const nlohmann::json& event);

  const std::int64_t print_frequency_;
  std::FILE* const report_file_;
  RunReport* const run_;
  const bool terminal_;
  bool bar_ = false;
  bool report_lost_ = false;
  std::chrono::steady_clock::time_point bar_at_{};
};

}  // namespace roost::trainer
