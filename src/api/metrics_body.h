#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "spec/metrics.h"

namespace roost::api {

// Parses the body of POST /runs/{run_id}/metrics (docs/wire.md, Metrics) with simdjson. All
// problems are reported, each with its path ("points[3].value"), up to 100. Steps that the client
// left out are -1 (the store counts), times that it left out are `now`. May grow `body`'s memory.
Result<spec::MetricBatch> ParseMetricBatch(std::string& body, Micros now);

}  // namespace roost::api
