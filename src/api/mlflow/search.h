#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/mlflow/call.h"
#include "spec/run_state.h"

namespace roost::api::mlflow {

// What the searches of runs and experiments have in common.

constexpr std::int64_t kMostRuns = 50'000;
constexpr std::int64_t kMostExperiments = 50'000;

struct SearchRequest {
  std::string filter;
  std::vector<std::string> order_by;
  // Of the view type: active ones with archived ones, deleted ones, or all.
  std::optional<spec::Lifecycle> lifecycle;
  bool with_deleted = false;
  int max_results = 1000;
  std::string page_token;
};
// `view_type` is the name of that field, which differs between the calls.
Result<SearchRequest> ReadSearchRequest(const Message& message, std::string_view view_type,
                                        std::int64_t most_results);

// The error of a search in MLflow's words: those for page tokens are ours in the store.
Error SearchError(Error error);

// {"runs": [...], "next_page_token": "..."}; what is empty is left out.
Answer PageAnswer(std::string_view name, std::vector<Answer> items, const std::string& next_token);

}  // namespace roost::api::mlflow
