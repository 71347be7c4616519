#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "spec/run_query.h"
#include "spec/run_state.h"

namespace roost::spec {

// MLflow's searches of runs in the words of our own search, which the store answers.

// RUNNING, SCHEDULED, FINISHED, FAILED, KILLED.
std::string_view MlflowStatus(RunState state);

Result<std::vector<Condition>> ParseMlflowRunFilter(std::string_view filter);
// Ends with start_time DESC and run_id, as MLflow breaks ties.
Result<std::vector<OrderBy>> ParseMlflowRunOrder(const std::vector<std::string>& keys);

}  // namespace roost::spec
