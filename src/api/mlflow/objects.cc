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

void WritePairs(std::string_view name, const std::map<std::string, std::string>& pairs,
                AnswerWriter* to) {
  to->Key(name).BeginArray();
  for (const auto& [key, value] : pairs) {
    to->BeginObject();
    to->Key("key").Value(key);
    to->Key("value").Value(value);
    to->EndObject();
  }
  to->EndArray();
}

// The last point of each metric; without any there is no such field.
void WriteMetrics(const std::vector<store::MetricSummary>& summaries, AnswerWriter* to) {
  bool any = false;
  for (const store::MetricSummary& summary : summaries) {
    if (summary.type != spec::MetricType::kScalar) continue;
    if (!any) to->Key("metrics").BeginArray();
    any = true;
    to->BeginObject();
    to->Key("key").Value(summary.name);
    to->Key("value").Value(summary.last.value);
    to->Key("timestamp").Value(Milliseconds(summary.last.time));
    to->Key("step").Value(summary.last.step);
    to->EndObject();
  }
  if (any) to->EndArray();
}

void WriteRun(const store::Run& run, const std::vector<store::MetricSummary>& metrics,
              const std::map<std::string, std::string>& params, const store::RunLinks& links,
              AnswerWriter* to) {
  to->BeginObject();
  WriteRunInfo(run, &to->Key("info"));
  to->Key("data").BeginObject();
  WriteMetrics(metrics, to);
  if (!params.empty()) WritePairs("params", params, to);
  WritePairs("tags", TagsOf(run), to);
  to->EndObject();
  to->Key("inputs").Tree(InputsObject(links));
  to->Key("outputs").Tree(OutputsObject(links));
  to->EndObject();
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
  return WithoutInfinity(value);
}

std::string ArtifactLocationOf(const store::Experiment& experiment) {
  return experiment.artifact_location.empty() ? DefaultLocation(experiment.id)
                                              : experiment.artifact_location;
}

std::string BelowLocation(const std::string& location, const std::string& path) {
  const std::string before = location.substr(0, location.find('?'));
  return before + (before.ends_with('/') ? "" : "/") + path + location.substr(before.size());
}

std::string ArtifactUriOf(const store::Run& run) {
  const std::string location =
      run.artifact_location.empty() ? DefaultLocation(run.experiment) : run.artifact_location;
  return BelowLocation(location, run.id.value() + "/artifacts");
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

std::map<std::string, std::string> TagsOf(const store::Run& run) {
  std::map<std::string, std::string> tags;
  for (const auto& [key, value] : run.tags) tags[key] = value.value_or("");
  tags[kRunNameTag] = run.display_name;
  if (!run.parent_id.empty()) tags[kParentTag] = run.parent_id;
  if (!run.description.empty()) tags[kNoteTag] = run.description;
  return tags;
}

void WriteRunInfo(const store::Run& run, AnswerWriter* to) {
  to->BeginObject();
  to->Key("run_uuid").Value(run.id.value());
  to->Key("experiment_id").Value(std::to_string(run.experiment.value()));
  to->Key("run_name").Value(run.display_name);
  to->Key("user_id").Value(run.user_id.empty() ? run.submitter : run.user_id);
  to->Key("status").Value(spec::MlflowStatus(run.state));
  to->Key("start_time").Value(Milliseconds(run.started_at != 0 ? run.started_at : run.created_at));
  if (run.ended_at != 0) to->Key("end_time").Value(Milliseconds(run.ended_at));
  to->Key("artifact_uri").Value(ArtifactUriOf(run));
  to->Key("lifecycle_stage").Value(StageOf(run.lifecycle));
  to->Key("run_id").Value(run.id.value());
  to->EndObject();
}

Status WriteRuns(Services& services, const std::vector<store::Run>& runs, AnswerWriter* to) {
  std::vector<RunKey> keys;
  for (const store::Run& run : runs) keys.push_back(run.key);
  ROOST_ASSIGN(const auto metrics, services.store.metrics().Summaries(keys));
  ROOST_ASSIGN(const auto params, services.store.runs().Params(keys));
  ROOST_ASSIGN(const auto links, services.store.run_inputs().Of(keys));
  for (std::size_t i = 0; i < runs.size(); ++i) {
    WriteRun(runs[i], metrics[i], params[i], links[i], to);
  }
  return {};
}

std::string NewRunAnswer(const store::Run& run) {
  std::string text;
  AnswerWriter writer(&text);
  writer.BeginObject();
  WriteRun(run, {}, {}, {}, &writer.Key("run"));
  writer.EndObject();
  return text;
}

Result<std::string> RunAnswer(Services& services, const store::Run& run) {
  std::string text;
  AnswerWriter writer(&text);
  writer.BeginObject();
  ROOST_TRY(WriteRuns(services, {run}, &writer.Key("run")));
  writer.EndObject();
  return text;
}

}  // namespace roost::api::mlflow
