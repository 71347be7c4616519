#include <algorithm>

#include "store/rows.h"
#include "store/run_rows.h"
#include "store/runs.h"

namespace roost::store {
namespace {

using spec::Lifecycle;
using spec::RunKind;
using spec::RunState;

// ('managed', 'Queued'), ('tracked', 'Running')...: from where `to` may be reached. The table of
// spec, as text for the statement that moves.
std::string AllowedSources(RunState to) {
  std::string pairs;
  for (const RunKind kind : {RunKind::kManaged, RunKind::kTracked}) {
    for (const RunState from : spec::AllRunStates()) {
      if (!spec::MayMove(kind, from, to)) continue;
      pairs += pairs.empty() ? "('" : ", ('";
      pairs +=
          std::string(spec::ToString(kind)) + "', '" + std::string(spec::ToString(from)) + "')";
    }
  }
  return pairs.empty() ? "(NULL, NULL)" : pairs;
}

std::string MoveSql(RunState to) {
  return "UPDATE runs SET state = ?2, reason = ?3, "
         "error = CASE WHEN ?4 IS NOT NULL THEN ?4 WHEN ?6 THEN error END, "
         // Wall clocks go back; a run never ends before it starts.
         "started_at = CASE WHEN ?7 AND started_at IS NULL THEN max(?5, created_at) "
         "ELSE started_at END, "
         "ended_at = CASE WHEN ?6 THEN CASE WHEN ?8 THEN ?5 ELSE max(?5, ifnull(started_at, "
         "created_at)) END END, "
         "not_responding = CASE WHEN ?6 THEN 0 ELSE not_responding END "
         "WHERE key = ?1 AND lifecycle <> 'deleted' AND (kind, state) IN (VALUES " +
         AllowedSources(to) + ") RETURNING id";
}

const std::string& CachedMoveSql(RunState to) {
  static const std::map<RunState, std::string> texts = [] {
    std::map<RunState, std::string> all;
    for (const RunState state : spec::AllRunStates()) all.emplace(state, MoveSql(state));
    return all;
  }();
  return texts.at(to);
}

Error RefusedMove(Connection& db, RunKey key, RunState to) {
  const Result<Run> run = LoadRun(db, key, WithDefinition::kNo);
  if (!run) return run.error();
  if (run->lifecycle == Lifecycle::kDeleted) {
    return {ErrorCode::kConflict,
            "The run '" + run->id.value() + "' is deleted and cannot be changed; restore it first.",
            {}};
  }
  return {ErrorCode::kConflict,
          "The run '" + run->id.value() + "' is " + std::string(spec::ToString(run->state)) +
              " and cannot become " + std::string(spec::ToString(to)) + ".",
          {}};
}

Status AddRunEvent(WriteContext& context, std::string_view kind, const std::string& run_id) {
  return context.AddEvent(kind, run_id, JsonOf({{"run_id", run_id}}));
}

// Runs `update`, whose WHERE clause leaves a row alone that has the value already, and makes an
// event when something changed.
Status Change(Database& database, RunKey key, std::string_view kind, std::string_view sql,
              const std::function<void(Statement&)>& bind) {
  return database.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::string run_id, RequireNotDeleted(context.db, key));
    ROOST_ASSIGN(Statement update, context.db.Prepare(sql));
    update.Bind(1, key.value());
    bind(update);
    ROOST_TRY(update.Run());
    if (context.db.Changes() == 0) return {};
    return AddRunEvent(context, kind, run_id);
  });
}

Status RequireLifecycleMove(const Run& run, Lifecycle to) {
  const Lifecycle from = run.lifecycle;
  const bool is_live = run.kind == RunKind::kManaged && !spec::IsFinal(run.state);
  if (to == Lifecycle::kDeleted && is_live) {
    return Fail(ErrorCode::kConflict, "The run '" + run.id.value() + "' is " +
                                          std::string(spec::ToString(run.state)) +
                                          " and cannot be deleted; cancel it first.");
  }
  if (from == Lifecycle::kDeleted && to == Lifecycle::kArchived) {
    return Fail(ErrorCode::kConflict,
                "The run '" + run.id.value() + "' is deleted; restore it before archiving it.");
  }
  return {};
}

Status RequireExperimentNotDeleted(Connection& db, const Run& run) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT lifecycle FROM experiments WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, run.experiment.value()).Step());
  if (!row || query.TextView(0) != "deleted") return {};
  return Fail(ErrorCode::kConflict, "The experiment '" + run.experiment_name +
                                        "' is deleted; restore it, and its runs come back.");
}

}  // namespace

Result<Run> Runs::MoveState(RunKey key, const Move& move) {
  return database_.Write<Run>(Lane::kState, [&](WriteContext& context) -> Result<Run> {
    std::string run_id;
    {
      ROOST_ASSIGN(Statement update, context.db.Prepare(CachedMoveSql(move.to)));
      update.Bind(1, key.value()).Bind(2, spec::ToString(move.to)).Bind(3, move.reason);
      move.error_json ? update.Bind(4, *move.error_json) : update.BindNull(4);
      update.Bind(5, move.at == 0 ? context.now : move.at);
      update.Bind(6, spec::IsFinal(move.to) ? 1 : 0);
      update.Bind(7, move.to == RunState::kRunning ? 1 : 0);
      update.Bind(8, move.keeps_time ? 1 : 0);
      ROOST_ASSIGN(const bool moved, update.Step());
      if (!moved) return Fail(RefusedMove(context.db, key, move.to));
      run_id = update.Text(0);
    }
    ROOST_TRY(context.AddEvent("run_state", run_id,
                               JsonOf({{"run_id", run_id}, {"status", spec::ToString(move.to)}})));
    return LoadRun(context.db, key, WithDefinition::kYes);
  });
}

Status Runs::SetReason(RunKey key, const std::string& reason) {
  return Change(database_, key, "run_reason",
                "UPDATE runs SET reason = ?2 WHERE key = ?1 AND reason <> ?2",
                [&](Statement& update) { update.Bind(2, reason); });
}

Status Runs::SetCancelRequested(RunKey key) {
  return Change(database_, key, "run_changed",
                "UPDATE runs SET cancel_requested = 1 WHERE key = ?1 AND cancel_requested = 0",
                [](Statement&) {});
}

Status Runs::SetNotResponding(RunKey key, bool not_responding) {
  return Change(database_, key, "run_changed",
                "UPDATE runs SET not_responding = ?2 WHERE key = ?1 AND not_responding <> ?2",
                [&](Statement& update) { update.Bind(2, not_responding ? 1 : 0); });
}

Status Runs::SetClientStatus(RunKey key, const std::string& status, const std::string& error_json) {
  return Change(database_, key, "run_changed",
                "UPDATE runs SET client_status = ?2, error = ifnull(?3, error) WHERE key = ?1 AND "
                "(client_status <> ?2 OR ?3 IS NOT NULL)",
                [&](Statement& update) {
                  update.Bind(2, status);
                  BindOptionalText(update, 3, error_json);
                });
}

Status Runs::SetEndTime(RunKey key, Micros ended_at) {
  return Change(database_, key, "run_changed",
                "UPDATE runs SET ended_at = ?2 WHERE key = ?1 AND ended_at IS NOT ?2",
                [&](Statement& update) { update.Bind(2, ended_at); });
}

Status Runs::ClearParent(RunKey key) {
  return Change(database_, key, "run_changed",
                "UPDATE runs SET parent_id = NULL WHERE key = ?1 AND parent_id IS NOT NULL",
                [](Statement&) {});
}

Status Runs::SetDisplayName(RunKey key, const std::string& name) {
  return Change(database_, key, "run_changed",
                "UPDATE runs SET display_name = ?2 WHERE key = ?1 AND display_name <> ?2",
                [&](Statement& update) { update.Bind(2, name); });
}

Status Runs::SetDescription(RunKey key, const std::string& description) {
  return Change(database_, key, "run_changed",
                "UPDATE runs SET description = ?2 WHERE key = ?1 AND description <> ?2",
                [&](Statement& update) { update.Bind(2, description); });
}

Status Runs::SetTags(RunKey key, const std::map<std::string, std::optional<std::string>>& tags) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::string run_id, RequireNotDeleted(context.db, key));
    ROOST_ASSIGN(Statement put,
                 context.db.Prepare("INSERT INTO run_tags(run, key, value) VALUES(?, ?, ?) ON "
                                    "CONFLICT(run, key) DO UPDATE SET value = excluded.value "
                                    "WHERE value IS NOT excluded.value"));
    std::int64_t changes = 0;
    for (const auto& [name, value] : tags) {
      put.Bind(1, key.value()).Bind(2, name);
      value ? put.Bind(3, *value) : put.BindNull(3);
      ROOST_TRY(put.Run());
      changes += context.db.Changes();
    }
    return changes == 0 ? Status() : AddRunEvent(context, "run_changed", run_id);
  });
}

Status Runs::RemoveTag(RunKey key, const std::string& tag) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::string run_id, RequireNotDeleted(context.db, key));
    ROOST_ASSIGN(Statement remove,
                 context.db.Prepare("DELETE FROM run_tags WHERE run = ? AND key = ?"));
    ROOST_TRY(remove.Bind(1, key.value()).Bind(2, tag).Run());
    if (context.db.Changes() == 0) {
      return Fail(ErrorCode::kNotFound, "The run '" + run_id + "' has no tag '" + tag + "'.");
    }
    return AddRunEvent(context, "run_changed", run_id);
  });
}

Status Runs::AddProperties(RunKey key, const std::map<std::string, std::string>& properties) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::string run_id, RequireNotDeleted(context.db, key));
    ROOST_ASSIGN(Statement known, context.db.Prepare("SELECT value FROM run_properties WHERE run = "
                                                     "? AND key = ?"));
    ROOST_ASSIGN(Statement add, context.db.Prepare("INSERT OR IGNORE INTO run_properties(run, key, "
                                                   "value) VALUES(?, ?, ?)"));
    std::int64_t changes = 0;
    for (const auto& [name, value] : properties) {
      ROOST_TRY(add.Bind(1, key.value()).Bind(2, name).Bind(3, value).Run());
      if (context.db.Changes() > 0) {
        ++changes;
        continue;
      }
      ROOST_ASSIGN(const bool row, known.Bind(1, key.value()).Bind(2, name).Step());
      const bool is_same = row && known.TextView(0) == value;
      if (!is_same) {
        return Fail(ErrorCode::kConflict, "The property '" + name + "' of the run '" + run_id +
                                              "' has a value already; properties never change. "
                                              "Use a tag for what may.");
      }
      known.Reset();
    }
    return changes == 0 ? Status() : AddRunEvent(context, "run_changed", run_id);
  });
}

Status Runs::SetLifecycle(RunKey key, Lifecycle lifecycle) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const Run run, LoadRun(context.db, key, WithDefinition::kNo));
    if (run.lifecycle == lifecycle) return {};
    ROOST_TRY(RequireLifecycleMove(run, lifecycle));
    if (run.lifecycle == Lifecycle::kDeleted) {
      ROOST_TRY(RequireExperimentNotDeleted(context.db, run));
    }
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE runs SET lifecycle = ?2, lifecycle_before = NULL, "
                                    "lifecycle_changed_at = ?3 WHERE key = ?1"));
    update.Bind(1, key.value()).Bind(2, spec::ToString(lifecycle)).Bind(3, context.now);
    ROOST_TRY(update.Run());
    return AddRunEvent(context, "run_lifecycle", run.id.value());
  });
}

}  // namespace roost::store
