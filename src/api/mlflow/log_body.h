#pragma once

#include <string>

#include "api/http_types.h"
#include "base/result.h"
#include "spec/metrics.h"
#include "store/run_log.h"

namespace roost::api::mlflow {

// What one logging call says.
struct LogBody {
  std::string run_id;
  spec::MetricBatch metrics;
  store::RunLog log;
};

// Bodies in the form that clients send are read by a fast path; whatever is unusual, and every
// mistake, goes through Message, which knows MLflow's leniency and words. They may grow the memory
// of the request's body.
Result<LogBody> ReadLogMetric(Request& request);
Result<LogBody> ReadLogParam(Request& request);
Result<LogBody> ReadSetTag(Request& request);
Result<LogBody> ReadLogBatch(Request& request);

}  // namespace roost::api::mlflow
