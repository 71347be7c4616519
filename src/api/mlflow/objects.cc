#include "api/mlflow/objects.h"

#include <cmath>
#include <limits>

#include "api/mlflow/logged_model_objects.h"
#include "api/mlflow/run_tags.h"
#include "spec/mlflow_run_search.h"

namespace roost::api::mlflow {
namespace {

using spec::RunState;

constexpr Micros kMillisecond = 1000;

std::string DefaultLocation(ExperimentId experiment) {
  return "mlflow-artifacts:/" + std::to_string(experiment.value());
}

}  // namespace

std::optional<RunState> StateOf(std::string_view status) {
  if (status == "RUNNING") return RunState::kRunning;
  if (status == "SCHEDULED") return RunState::kNotStarted;
  if (status == "FINISHED") return RunState::kCompleted;
  if (status == "FAILED") return RunState::kFailed;
  if (status == "KILLED") return RunState::kCanceled;
  return std::nullopt;
}

std::string_view StageOf(spec::Lifecycle lifecycle) {
  return lifecycle == spec::Lifecycle::kDeleted ? "deleted" : "active";
}

// Rounded down, also before 1970.
std::int64_t Milliseconds(Micros time) {
  const std::int64_t whole = time / kMillisecond;
  return time % kMillisecond < 0 ? whole - 1 : whole;
}

Micros FromMilliseconds(std::int64_t time) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / kMillisecond;
  if (time > kMost) return kMost * kMillisecond;
  if (time < -kMost) return -kMost * kMillisecond;
  return time == 0 ? 1 : time * kMillisecond;
}

Answer NumberOf(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return std::copysign(std::numeric_limits<double>::max(), value);
  return value;
}

std::string ArtifactLocationOf(const store::Experiment& experiment) {
  return experiment.artifact_location.empty() ? DefaultLocation(experiment.id)
                                              : experiment.artifact_location;
}

std::string ArtifactUriOf(const store::Run& run) {
  const std::string location =
      run.artifact_location.empty() ? DefaultLocation(run.experiment) : run.artifact_location;
  return location + (location.ends_with('/') ? "" : "/") + run.id.value() + "/artifacts";
}

Answer PairList(const std::map<std::string, std::string>& pairs) {
  Answer list = Answer::array();
  for (const auto& [key, value] : pairs) list.push_back({{"key", key}, {"value", value}});
  return list;
}

Answer ExperimentObject(const store::Experiment& experiment) {
  Answer object = {{"experiment_id", std::to_string(experiment.id.value())},
                   {"name", experiment.name},
                   {"artifact_location", ArtifactLocationOf(experiment)},
                   {"lifecycle_stage", StageOf(experiment.lifecycle)},
                   {"last_update_time", Milliseconds(experiment.updated_at)},
                   {"creation_time", Milliseconds(experiment.created_at)}};
  auto tags = experiment.tags;
  if (!experiment.description.empty()) tags[kNoteTag] = experiment.description;
  if (!tags.empty()) object["tags"] = PairList(tags);
  return object;
}

Answer RunInfo(const store::Run& run) {
  Answer info = {
      {"run_uuid", run.id.value()},
      {"experiment_id", std::to_string(run.experiment.value())},
      {"run_name", run.display_name},
      {"user_id", run.user_id.empty() ? run.submitter : run.user_id},
      {"status", spec::MlflowStatus(run.state)},
      {"start_time", Milliseconds(run.started_at != 0 ? run.started_at : run.created_at)}};
  if (run.ended_at != 0) info["end_time"] = Milliseconds(run.ended_at);
  info["artifact_uri"] = ArtifactUriOf(run);
  info["lifecycle_stage"] = StageOf(run.lifecycle);
  info["run_id"] = run.id.value();
  return info;
}

std::map<std::string, std::string> TagsOf(const store::Run& run) {
  std::map<std::string, std::string> tags;
  for (const auto& [key, value] : run.tags) tags[key] = value.value_or("");
  tags[kRunNameTag] = run.display_name;
  if (!run.parent_id.empty()) tags[kParentTag] = run.parent_id;
  if (!run.description.empty()) tags[kNoteTag] = run.description;
  return tags;
}

Answer MetricObject(const std::string& name, const store::StoredPoint& point) {
  return {{"key", name},
          {"value", NumberOf(point.value)},
          {"timestamp", Milliseconds(point.time)},
          {"step", point.step}};
}

Result<std::vector<Answer>> RunObjects(Services& services, const std::vector<store::Run>& runs) {
  std::vector<RunKey> keys;
  for (const store::Run& run : runs) keys.push_back(run.key);
  ROOST_ASSIGN(const auto metrics, services.store.metrics().Summaries(keys));
  ROOST_ASSIGN(const auto params, services.store.runs().Params(keys));
  ROOST_ASSIGN(const auto links, services.store.run_inputs().Of(keys));
  std::vector<Answer> objects;
  objects.reserve(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    Answer last = Answer::array();
    for (const store::MetricSummary& summary : metrics[i]) {
      if (summary.type == spec::MetricType::kScalar) {
        last.push_back(MetricObject(summary.name, summary.last));
      }
    }
    Answer data = Answer::object();
    if (!last.empty()) data["metrics"] = std::move(last);
    if (!params[i].empty()) data["params"] = PairList(params[i]);
    data["tags"] = PairList(TagsOf(runs[i]));
    objects.push_back({{"info", RunInfo(runs[i])},
                       {"data", std::move(data)},
                       {"inputs", InputsObject(links[i])},
                       {"outputs", OutputsObject(links[i])}});
  }
  return objects;
}

Result<Answer> RunObject(Services& services, const store::Run& run) {
  ROOST_ASSIGN(std::vector<Answer> objects, RunObjects(services, {run}));
  return std::move(objects.front());
}

}  // namespace roost::api::mlflow
