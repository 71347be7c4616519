#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/result.h"
#include "spec/metrics.h"
#include "store/store.h"

namespace roost::engine {

// One line of a report file: the body of POST /metrics with writer and batch. Points without a step
// get -1 (the store counts on), points without a time get `now`.
Result<spec::MetricBatch> ParseReportLine(std::string_view line, Micros now);

struct ReportTakenIn {
  std::int64_t batches = 0;  // that the store had not got before
  std::int64_t refused = 0;  // complete lines that are no valid batch
};
// Takes in what a run's process wrote down but never managed to send. A missing file is an empty
// one; a last line without its newline was cut off and is left out. Doing it again changes nothing.
Result<ReportTakenIn> TakeInReport(store::Store& store, RunKey run, const fs::path& file,
                                   Micros now);

}  // namespace roost::engine
