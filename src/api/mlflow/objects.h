#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/mlflow/answer_writer.h"
#include "api/mlflow/call.h"
#include "store/metrics.h"

namespace roost::api::mlflow {

// Roost's rows in MLflow's words.

// Of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED: see spec::MlflowStatus.
std::optional<spec::RunState> StateOf(std::string_view status);
// "active" or "deleted"; what is archived is active.
std::string_view StageOf(spec::Lifecycle lifecycle);

std::int64_t Milliseconds(Micros time);
Micros FromMilliseconds(std::int64_t time);  // never 0, which means "not given" in the store
// Infinities are the largest doubles, NaN is a text.
Answer NumberOf(double value);

// Where the files of an experiment's and of a run's lie, as clients address them.
std::string ArtifactLocationOf(const store::Experiment& experiment);
// The path goes before the query of a bucket's address.
std::string BelowLocation(const std::string& location, const std::string& path);
std::string ArtifactUriOf(const store::Run& run);

Answer ExperimentObject(const store::Experiment& experiment);
// All tags that MLflow's clients see: those that Roost keeps as columns too, sorted by key.
std::map<std::string, std::string> TagsOf(const store::Run& run);
Answer PairList(const std::map<std::string, std::string>& pairs);

// Runs are written at once: a search tells of thousands.
void WriteRunInfo(const store::Run& run, AnswerWriter* to);
// Runs with their data, one after the other: each table is read once for all of them.
Status WriteRuns(Services& services, const std::vector<store::Run>& runs, AnswerWriter* to);
// {"run": ...}
Result<std::string> RunAnswer(Services& services, const store::Run& run);

}  // namespace roost::api::mlflow
