#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/mlflow/message.h"
#include "store/run_log.h"

namespace roost::api::mlflow {

// Tags that Roost keeps as columns of the run.
inline constexpr const char* kRunNameTag = "mlflow.runName";
inline constexpr const char* kParentTag = "mlflow.parentRunId";
inline constexpr const char* kNoteTag = "mlflow.note.content";

// Puts one tag where it belongs. An empty name leaves a run's name as it is.
void TakeTag(std::string key, std::string value, store::RunLog* log);
// Those of a new run, which MLflow's server takes as they are.
store::RunLog TakeRunTags(std::vector<Message::Pair> pairs);
// Checked against MLflow's limits; values that are too long are cut. `path` names the list in
// errors: "tags".
Result<store::RunLog> ReadRunTags(const std::vector<Message::Pair>& pairs, std::string_view path);

}  // namespace roost::api::mlflow
