#include <array>

#include "api/mlflow/handlers.h"
#include "api/mlflow/objects.h"
#include "api/mlflow/run_tags.h"
#include "api/run_access.h"
#include "engine/engine.h"
#include "spec/run_definition.h"

// Runs: made, read, moved, deleted and restored.
namespace roost::api::mlflow {
namespace {

Result<store::Experiment> ExperimentForRun(Call& call) {
  ROOST_ASSIGN(store::Experiment experiment, RequireExperiment(call));
  if (experiment.lifecycle != spec::Lifecycle::kDeleted) return experiment;
  return Invalid("The experiment " + std::to_string(experiment.id.value()) +
                 " must be in the 'active' state. Current state is deleted.");
}

// The name may come as a field, as a tag, or as both when they agree.
Result<std::string> ChooseName(const std::string& name, const store::RunLog& log) {
  if (!log.display_name) return name.empty() ? spec::MakeDisplayName() : name;
  if (!name.empty() && name != *log.display_name) {
    return Invalid(
        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with "
        "different values (run_name='" +
        name + "', mlflow.runName='" + *log.display_name + "').");
  }
  return log.display_name->empty() ? spec::MakeDisplayName() : *log.display_name;
}

// A child keeps its parent as a run; what names no run here stays a tag.
Status ChooseParent(Call& call, store::RunLog* log, engine::Engine::TrackedRun* run) {
  if (log->parent_id) {
    const auto parent = call.store().runs().Get(RunId(*log->parent_id));
    if (parent && parent->lifecycle != spec::Lifecycle::kDeleted) {
      run->parent = *log->parent_id;
    } else {
      log->tags[log->parent_tag] = *log->parent_id;
    }
  }
  if (!call.http.token.run) return {};
  // With the token of a run every new run is a child of that run.
  if (run->parent.empty()) {
    ROOST_ASSIGN(const store::Run own, call.store().runs().Get(*call.http.token.run));
    run->parent = own.id.value();
  }
  return call.services.run_access.Check(call.http.token, run->parent);
}

// By its name or, as old clients send it, by its number.
Result<std::optional<spec::RunState>> ReadStatus(const Message& message) {
  static constexpr std::array kByNumber = {"",         "RUNNING", "SCHEDULED",
                                           "FINISHED", "FAILED",  "KILLED"};
  const nlohmann::json* value = message.Find("status");
  if (value == nullptr || *value == "") return std::optional<spec::RunState>();
  std::string name = value->is_string() ? value->get<std::string>() : value->dump();
  if (name.size() == 1 && name[0] >= '1' && name[0] <= '5') {
    name = kByNumber[static_cast<std::size_t>(name[0] - '0')];
  }
  const std::optional<spec::RunState> state = StateOf(name);
  if (state) return state;
  return InvalidValue("status", *value,
                      "It must be one of RUNNING, SCHEDULED, FINISHED, FAILED and KILLED.");
}

}  // namespace

Result<std::string> CreateRun(Call& call) {
  ROOST_ASSIGN(const std::string user, call.message.TextOr("user_id", ""));
  ROOST_ASSIGN(const std::string name, call.message.TextOr("run_name", ""));
  ROOST_ASSIGN(const std::int64_t started, call.message.IntegerOr("start_time", 0));
  ROOST_ASSIGN(auto pairs, call.message.Pairs("tags"));
  store::RunLog log = TakeRunTags(std::move(pairs));
  ROOST_ASSIGN(const store::Experiment experiment, ExperimentForRun(call));

  engine::Engine::TrackedRun run;
  run.experiment = experiment.name;
  run.id = spec::MakeMlflowRunId();
  ROOST_ASSIGN(run.display_name, ChooseName(name, log));
  ROOST_TRY(ChooseParent(call, &log, &run));
  run.description = log.description.value_or("");
  run.user_id = user;
  run.started_at = started == 0 ? 0 : FromMilliseconds(started);
  run.tags = {log.tags.begin(), log.tags.end()};
  ROOST_ASSIGN(const store::Runs::Created created,
               call.services.engine.CreateTracked(run, call.http.token.name));
  return RunAnswer(call.services, created.run);
}

Result<std::string> GetRun(Call& call) {
  ROOST_ASSIGN(const store::Run run, RequireRun(call));
  return RunAnswer(call.services, run);
}

Result<std::string> UpdateRun(Call& call) {
  ROOST_ASSIGN(const auto state, ReadStatus(call.message));
  ROOST_ASSIGN(const std::int64_t end_time, call.message.IntegerOr("end_time", 0));
  ROOST_ASSIGN(const std::string name, call.message.TextOr("run_name", ""));
  ROOST_ASSIGN(store::Run run, RequireWritableRun(call));
  const Micros ended = end_time == 0 ? 0 : FromMilliseconds(end_time);
  if (state) {
    ROOST_ASSIGN(run, call.services.engine.ReportStatus(run.id, *state, "", ended));
  }
  // A client says when its run ended whatever the status; the server knows it of its own runs.
  if (ended != 0 && run.ended_at != ended && run.kind == spec::RunKind::kTracked) {
    ROOST_TRY(call.store().runs().SetEndTime(run.key, ended));
  }
  if (!name.empty()) ROOST_TRY(call.store().runs().SetDisplayName(run.key, name));
  ROOST_ASSIGN(const store::Run changed, call.store().runs().Get(run.key));
  std::string text;
  AnswerWriter writer(&text);
  writer.BeginObject();
  WriteRunInfo(changed, &writer.Key("run_info"));
  writer.EndObject();
  return text;
}

Result<Answer> DeleteRun(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const store::Run run, RequireRun(call));
  ROOST_TRY(call.store().runs().SetLifecycle(run.key, spec::Lifecycle::kDeleted));
  return Answer::object();
}

Result<Answer> RestoreRun(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const store::Run run, RequireRun(call));
  ROOST_TRY(call.store().runs().SetLifecycle(run.key, spec::Lifecycle::kActive));
  return Answer::object();
}

Result<Answer> DeleteTag(Call& call) {
  ROOST_TRY(call.message.RequiredText("run_id"));
  ROOST_ASSIGN(const std::string key, call.message.RequiredText("key"));
  ROOST_ASSIGN(const store::Run run, RequireWritableRun(call));
  if (!TagsOf(run).contains(key)) {
    return Fail(Code::kResourceDoesNotExist,
                "No tag with name: " + key + " in run with id " + run.id.value());
  }
  if (run.tags.contains(key)) ROOST_TRY(call.store().runs().RemoveTag(run.key, key));
  if (key == kNoteTag) ROOST_TRY(call.store().runs().SetDescription(run.key, ""));
  if (key == kParentTag && !run.parent_id.empty()) {
    if (run.kind == spec::RunKind::kManaged) {
      return Invalid("A run that this server started keeps its parent: " + key +
                     " cannot be deleted.");
    }
    ROOST_TRY(call.store().runs().ClearParent(run.key));
  }
  return Answer::object();
}

}  // namespace roost::api::mlflow
