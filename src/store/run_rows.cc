#include "store/run_rows.h"

#include <unordered_map>

#include "base/check.h"
#include "store/rows.h"

namespace roost::store {
namespace {

// A launch that never became a process has a code in its record that no program ended with.
#define ROOST_EXIT_CODE                                                     \
  "(SELECT CASE WHEN l.exit_record ->> 'cause' IS NOT 'start_failed' THEN " \
  "l.exit_record ->> 'code' END FROM launches l WHERE l.run = r.key AND l.attempt = r.attempt)"
#define ROOST_RUN_COLUMNS                                                                \
  "SELECT r.key, r.id, r.number, r.experiment, e.name, r.kind, r.state, r.reason, "      \
  "r.cancel_requested, r.not_responding, r.lifecycle, r.parent_id, r.display_name, "     \
  "r.description, r.submitter, r.compute_target, r.snapshot, r.error, r.client_status, " \
  "r.attempt, r.created_at, r.started_at, r.ended_at, " ROOST_EXIT_CODE                  \
  ", r.user_id, e.artifact_location"
#define ROOST_EXPERIMENT_OF_RUN "CROSS JOIN experiments e ON e.id = r.experiment "
#define ROOST_SELECT_RUN ROOST_RUN_COLUMNS " FROM runs r " ROOST_EXPERIMENT_OF_RUN
// The rows of several runs in the order in which their keys are given, as KeysAsJson.
#define ROOST_FROM_RUNS " FROM json_each(?1) wanted CROSS JOIN "

template <class T>
T Known(std::optional<T> parsed) {
  ROOST_CHECK(parsed.has_value());  // only words of spec are ever written
  return *parsed;
}

Run ReadRun(const Statement& row) {
  Run run;
  run.key = RunKey(row.Int(0));
  run.id = RunId(row.Text(1));
  run.number = row.Int(2);
  run.experiment = ExperimentId(row.Int(3));
  run.experiment_name = row.Text(4);
  run.kind = Known(spec::ParseRunKind(row.TextView(5)));
  run.state = Known(spec::ParseRunState(row.TextView(6)));
  run.reason = row.Text(7);
  run.cancel_requested = row.Int(8) != 0;
  run.not_responding = row.Int(9) != 0;
  run.lifecycle = Known(spec::ParseLifecycle(row.TextView(10)));
  run.parent_id = row.Text(11);
  run.display_name = row.Text(12);
  run.description = row.Text(13);
  run.submitter = row.Text(14);
  run.compute_target = row.Text(15);
  run.snapshot = ReadOptionalDigest(row, 16);
  run.error_json = row.Text(17);
  run.client_status = row.Text(18);
  run.attempt = static_cast<int>(row.Int(19));
  run.created_at = row.Int(20);
  run.started_at = row.Int(21);
  run.ended_at = row.Int(22);
  if (!row.IsNull(23)) run.exit_code = static_cast<int>(row.Int(23));
  run.user_id = row.Text(24);
  run.artifact_location = row.Text(25);
  return run;
}

Status LoadRest(Connection& db, WithDefinition definition, Run& run) {
  ROOST_ASSIGN(Statement tags, db.Prepare("SELECT key, value FROM run_tags WHERE run = ?"));
  tags.Bind(1, run.key.value());
  while (true) {
    ROOST_ASSIGN(const bool row, tags.Step());
    if (!row) break;
    run.tags.emplace(tags.Text(0), tags.IsNull(1) ? std::nullopt : std::optional(tags.Text(1)));
  }
  ROOST_ASSIGN(Statement properties,
               db.Prepare("SELECT key, value FROM run_properties WHERE run = ?"));
  properties.Bind(1, run.key.value());
  while (true) {
    ROOST_ASSIGN(const bool row, properties.Step());
    if (!row) break;
    run.properties.emplace(properties.Text(0), properties.Text(1));
  }
  if (definition == WithDefinition::kNo) return {};
  ROOST_ASSIGN(Statement text, db.Prepare("SELECT definition FROM run_definitions WHERE run = ?"));
  ROOST_ASSIGN(const bool row, text.Bind(1, run.key.value()).Step());
  if (row) run.definition_json = text.Text(0);
  return {};
}

}  // namespace

Error NoSuchRun(const RunId& id) {
  return {ErrorCode::kNotFound, "There is no run with the id '" + id.value() + "'.", {}};
}

Error NoSuchRun(RunKey key) {
  return {ErrorCode::kNotFound,
          "The run with the key " + std::to_string(key.value()) + " is not there any more.",
          {}};
}

Result<Run> LoadRun(Connection& db, RunKey key, WithDefinition definition) {
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_RUN "WHERE r.key = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, key.value()).Step());
  if (!row) return Fail(NoSuchRun(key));
  Run run = ReadRun(query);
  ROOST_TRY(LoadRest(db, definition, run));
  return run;
}

Result<Run> LoadRun(Connection& db, const RunId& id, WithDefinition definition) {
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_RUN "WHERE r.id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, id.value()).Step());
  if (!row) return Fail(NoSuchRun(id));
  Run run = ReadRun(query);
  ROOST_TRY(LoadRest(db, definition, run));
  return run;
}

Result<std::vector<Run>> LoadRuns(Connection& db, const std::vector<RunKey>& keys,
                                  WithDefinition definition) {
  const std::string wanted = KeysAsJson(keys);
  std::vector<Run> runs;
  runs.reserve(keys.size());
  std::unordered_map<std::int64_t, Run*> by_key;
  ROOST_ASSIGN(Statement rows,
               db.Prepare(ROOST_RUN_COLUMNS ROOST_FROM_RUNS
                          "runs r ON r.key = wanted.value " ROOST_EXPERIMENT_OF_RUN));
  rows.Bind(1, wanted);
  while (true) {
    ROOST_ASSIGN(const bool row, rows.Step());
    if (!row) break;
    runs.push_back(ReadRun(rows));
    by_key[runs.back().key.value()] = &runs.back();
  }
  const auto each = [&](const char* sql, const auto& take) -> Status {
    ROOST_ASSIGN(Statement query, db.Prepare(sql));
    query.Bind(1, wanted);
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return {};
      const auto found = by_key.find(query.Int(0));
      if (found != by_key.end()) take(*found->second, query);
    }
  };
  ROOST_TRY(each(
      "SELECT t.run, t.key, t.value" ROOST_FROM_RUNS "run_tags t ON t.run = wanted.value",
      [](Run& run, const Statement& row) {
        run.tags.emplace(row.Text(1), row.IsNull(2) ? std::nullopt : std::optional(row.Text(2)));
      }));
  ROOST_TRY(each(
      "SELECT p.run, p.key, p.value" ROOST_FROM_RUNS "run_properties p ON p.run = wanted.value",
      [](Run& run, const Statement& row) { run.properties.emplace(row.Text(1), row.Text(2)); }));
  if (definition == WithDefinition::kNo) return runs;
  ROOST_TRY(each("SELECT d.run, d.definition" ROOST_FROM_RUNS
                 "run_definitions d ON d.run = wanted.value",
                 [](Run& run, const Statement& row) { run.definition_json = row.Text(1); }));
  return runs;
}

Result<std::string> RequireNotDeleted(Connection& db, RunKey key) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT id, lifecycle FROM runs WHERE key = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, key.value()).Step());
  if (!row) return Fail(NoSuchRun(key));
  if (query.TextView(1) == "deleted") {
    return Fail(ErrorCode::kConflict, "The run '" + query.Text(0) +
                                          "' is deleted and cannot be changed; restore it first.");
  }
  return query.Text(0);
}

Status RequireSnapshot(Connection& db, const Digest& snapshot) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT 1 FROM snapshots WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.BindBlob(1, BytesOf(snapshot)).Step());
  if (row) return {};
  return Invalid("snapshot",
                 "There is no snapshot " + snapshot.ToText() + " any more; send the folder again.");
}

}  // namespace roost::store
