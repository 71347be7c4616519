#include <fmt/format.h>

#include "engine/engine_state.h"
#include "store/experiments.h"
#include "store/snapshots.h"

namespace roost::engine {

Result<store::Runs::Created> Engine::State::CreateTracked(const TrackedRun& asked,
                                                          const std::string& submitter) {
  std::vector<Problem> problems;
  if (asked.state != spec::RunState::kRunning && asked.state != spec::RunState::kNotStarted) {
    problems.push_back({"status", "an interactive run begins as Running or NotStarted"});
  }
  if (asked.snapshot && !store.snapshots().Get(*asked.snapshot)) {
    problems.push_back({"snapshot", fmt::format("there is no snapshot {}; send the folder first",
                                                asked.snapshot->ToText())});
  }
  if (!asked.parent.empty()) {
    const auto parent = store.runs().Get(RunId(asked.parent));
    if (!parent || parent->lifecycle == spec::Lifecycle::kDeleted) {
      problems.push_back({"parent", fmt::format("there is no run '{}'", asked.parent)});
    }
  }
  if (!problems.empty()) {
    Error error{ErrorCode::kInvalidArgument, "The run cannot be made: ", {}};
    error.message += problems.front().message;
    error.details = std::move(problems);
    return Fail(std::move(error));
  }

  store::NewRun row;
  if (asked.experiment_id) {
    row.experiment = *asked.experiment_id;
  } else {
    ROOST_ASSIGN(const store::Experiment experiment,
                 store.experiments().GetOrCreate(asked.experiment));
    row.experiment = experiment.id;
  }
  row.id = RunId(asked.id.empty() ? spec::MakeTrackedRunId() : asked.id);
  row.kind = spec::RunKind::kTracked;
  row.state = asked.state;
  row.reason = "Moved by its client";
  row.parent_id = asked.parent;
  row.display_name = asked.display_name.empty() ? spec::MakeDisplayName() : asked.display_name;
  row.description = asked.description;
  row.submitter = submitter;
  row.user_id = asked.user_id;
  row.compute_target = "local";
  row.snapshot = asked.snapshot;
  if (asked.state == spec::RunState::kRunning) {
    row.started_at = asked.started_at != 0 ? asked.started_at : clock.Now();
  }
  row.tags = asked.tags;
  row.properties = asked.properties;
  row.idempotency_key = asked.idempotency_key;
  row.request_digest = asked.request_digest;
  return store.runs().Create(row);
}

Result<store::Run> Engine::State::ReportStatus(const RunId& id, spec::RunState status,
                                               const std::string& error_json, Micros ended_at) {
  ROOST_ASSIGN(store::Run run, store.runs().Get(id));
  if (run.lifecycle == spec::Lifecycle::kDeleted) {
    return Fail(ErrorCode::kConflict, fmt::format("run {} is deleted", id.value()));
  }
  if (run.kind == spec::RunKind::kManaged) {
    ROOST_TRY(
        store.runs().SetClientStatus(run.key, std::string(spec::ToString(status)), error_json));
    return store.runs().Get(run.key);
  }
  if (run.state == status) return run;
  store::Move move;
  move.to = status;
  move.reason = fmt::format("{}, as its client reported", spec::ToString(status));
  if (!error_json.empty()) move.error_json = error_json;
  if (spec::IsFinal(status) && ended_at != 0) {
    move.at = ended_at;
    move.keeps_time = true;
  }
  ROOST_ASSIGN(run, store.runs().MoveState(run.key, move));
  if (spec::IsFinal(run.state)) hook.Tell(run);
  return run;
}

}  // namespace roost::engine
