#include "store/runs.h"

#include "store/rows.h"
#include "store/run_rows.h"

namespace roost::store {
namespace {

Result<std::vector<RunKey>> ReadKeys(Statement& query) {
  std::vector<RunKey> keys;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return keys;
    keys.emplace_back(query.Int(0));
  }
}

// The run that this key made before; none when it is new.
Result<std::optional<RunKey>> FindByIdempotencyKey(Connection& db, const NewRun& run) {
  if (run.idempotency_key.empty()) return std::nullopt;
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT key, request_digest, id FROM runs WHERE idempotency_key = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, run.idempotency_key).Step());
  if (!row) return std::nullopt;
  if (query.TextView(1) != run.request_digest) {
    return Fail(ErrorCode::kConflict, "The idempotency key '" + run.idempotency_key +
                                          "' has already made the run '" + query.Text(2) +
                                          "' from another request. Use a new key.");
  }
  return RunKey(query.Int(0));
}

Status RequireRunToBeNew(Connection& db, const RunId& id) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT 1 FROM runs WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, id.value()).Step());
  if (!row) return {};
  return Fail(ErrorCode::kConflict, "A run with the id '" + id.value() + "' exists already.");
}

Status RequireParent(Connection& db, const std::string& parent_id) {
  if (parent_id.empty()) return {};
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT lifecycle FROM runs WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, parent_id).Step());
  if (!row) return Fail(NoSuchRun(RunId(parent_id)));
  if (query.TextView(0) != "deleted") return {};
  return Fail(ErrorCode::kConflict,
              "The parent run '" + parent_id + "' is deleted and cannot get children.");
}

// The run's number in its experiment.
Result<std::int64_t> NextNumber(WriteContext& context, ExperimentId experiment) {
  ROOST_ASSIGN(Statement next, context.db.Prepare("UPDATE experiments SET last_run_number = "
                                                  "last_run_number + 1, updated_at = "
                                                  "max(updated_at, ?2) WHERE id = ?1 "
                                                  "RETURNING last_run_number, lifecycle, name"));
  ROOST_ASSIGN(const bool row, next.Bind(1, experiment.value()).Bind(2, context.now).Step());
  if (!row) {
    return Fail(ErrorCode::kNotFound,
                "There is no experiment with the id " + std::to_string(experiment.value()) + ".");
  }
  if (next.TextView(1) == "deleted") {
    return Fail(ErrorCode::kConflict, "The experiment '" + next.Text(2) +
                                          "' is deleted. Restore it, or choose another name.");
  }
  return next.Int(0);
}

Result<RunKey> InsertRow(WriteContext& context, const NewRun& run, std::int64_t number) {
  ROOST_ASSIGN(
      Statement insert,
      context.db.Prepare(
          "INSERT INTO runs(id, number, experiment, kind, state, reason, lifecycle_changed_at, "
          "parent_id, display_name, description, submitter, compute_target, snapshot, created_at, "
          "started_at, ended_at, idempotency_key, request_digest, user_id) "
          "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.Bind(1, run.id.value()).Bind(2, number).Bind(3, run.experiment.value());
  insert.Bind(4, spec::ToString(run.kind)).Bind(5, spec::ToString(run.state));
  insert.Bind(6, run.reason).Bind(7, context.now);
  BindOptionalText(insert, 8, run.parent_id);
  insert.Bind(9, run.display_name).Bind(10, run.description);
  insert.Bind(11, run.submitter).Bind(12, run.compute_target);
  BindOptionalDigest(insert, 13, run.snapshot);
  insert.Bind(14, context.now);
  const bool has_run = run.state == spec::RunState::kRunning || spec::IsFinal(run.state);
  const Micros started_at = run.started_at == 0 && has_run ? context.now : run.started_at;
  BindTime(insert, 15, started_at);
  BindTime(insert, 16, spec::IsFinal(run.state) ? std::max(context.now, started_at) : 0);
  BindOptionalText(insert, 17, run.idempotency_key);
  BindOptionalText(insert, 18, run.request_digest);
  insert.Bind(19, run.user_id);
  ROOST_TRY(insert.Run());
  return RunKey(context.db.LastInsertId());
}

Status InsertRest(Connection& db, RunKey key, const NewRun& run) {
  if (!run.definition_json.empty()) {
    ROOST_ASSIGN(Statement insert,
                 db.Prepare("INSERT INTO run_definitions(run, definition) VALUES(?, ?)"));
    ROOST_TRY(insert.Bind(1, key.value()).Bind(2, run.definition_json).Run());
  }
  ROOST_ASSIGN(Statement tag, db.Prepare("INSERT INTO run_tags(run, key, value) VALUES(?, ?, ?)"));
  for (const auto& [name, value] : run.tags) {
    tag.Bind(1, key.value()).Bind(2, name);
    value ? tag.Bind(3, *value) : tag.BindNull(3);
    ROOST_TRY(tag.Run());
  }
  ROOST_ASSIGN(Statement property,
               db.Prepare("INSERT INTO run_properties(run, key, value) VALUES(?, ?, ?)"));
  for (const auto& [name, value] : run.properties) {
    ROOST_TRY(property.Bind(1, key.value()).Bind(2, name).Bind(3, value).Run());
  }
  return {};
}

// The states that are not final, as a list of SQL texts.
const std::string& ActiveStates() {
  static const std::string list = [] {
    std::string texts;
    for (const spec::RunState state : spec::AllRunStates()) {
      if (spec::IsFinal(state)) continue;
      texts += (texts.empty() ? "'" : ", '") + std::string(spec::ToString(state)) + "'";
    }
    return texts;
  }();
  return list;
}

}  // namespace

Result<Runs::Created> Runs::Create(const NewRun& run) {
  return database_.Write<Created>(Lane::kState, [&](WriteContext& context) -> Result<Created> {
    ROOST_ASSIGN(const std::optional<RunKey> earlier, FindByIdempotencyKey(context.db, run));
    if (earlier) {
      ROOST_ASSIGN(Run known, LoadRun(context.db, *earlier, WithDefinition::kYes));
      return Created{std::move(known), false};
    }
    ROOST_TRY(RequireRunToBeNew(context.db, run.id));
    ROOST_TRY(RequireParent(context.db, run.parent_id));
    if (run.snapshot) ROOST_TRY(RequireSnapshot(context.db, *run.snapshot));
    ROOST_ASSIGN(const std::int64_t number, NextNumber(context, run.experiment));
    ROOST_ASSIGN(const RunKey key, InsertRow(context, run, number));
    ROOST_TRY(InsertRest(context.db, key, run));
    const std::string& id = run.id.value();
    ROOST_TRY(context.AddEvent("run_created", id, JsonOf({{"run_id", id}})));
    ROOST_ASSIGN(Run made, LoadRun(context.db, key, WithDefinition::kYes));
    return Created{std::move(made), true};
  });
}

Result<Run> Runs::Get(const RunId& id) const {
  return database_.Read<Run>([&](Connection& db) { return LoadRun(db, id, WithDefinition::kYes); });
}

Result<Run> Runs::Get(RunKey key) const {
  return database_.Read<Run>(
      [&](Connection& db) { return LoadRun(db, key, WithDefinition::kYes); });
}

Result<std::vector<Run>> Runs::Active() const {
  using Found = std::vector<Run>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare("SELECT key FROM runs WHERE kind = 'managed' AND state IN (" +
                            ActiveStates() + ") ORDER BY key"));
    ROOST_ASSIGN(const std::vector<RunKey> keys, ReadKeys(query));
    return LoadRuns(db, keys, WithDefinition::kYes);
  });
}

Result<std::vector<std::map<std::string, std::string>>> Runs::Params(
    const std::vector<RunKey>& runs) const {
  using Found = std::vector<std::map<std::string, std::string>>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    Found found(runs.size());
    // json_each gives each key its place in the list.
    ROOST_ASSIGN(
        Statement query,
        db.Prepare("SELECT wanted.key, p.key, p.value FROM json_each(?1) wanted CROSS JOIN "
                   "run_params p ON p.run = wanted.value"));
    query.Bind(1, KeysAsJson(runs));
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) break;
      found[static_cast<std::size_t>(query.Int(0))].emplace(query.Text(1), query.Text(2));
    }
    return found;
  });
}

Result<std::vector<Run>> Runs::Children(const RunId& parent, bool recursive) const {
  using Found = std::vector<Run>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_TRY(LoadRun(db, parent, WithDefinition::kNo));
    // UNION (not UNION ALL), so that a circle of parents could not go on forever.
    ROOST_ASSIGN(
        Statement query,
        db.Prepare(recursive
                       ? "WITH RECURSIVE family(key, id) AS (SELECT key, id FROM runs WHERE "
                         "parent_id = ?1 UNION SELECT r.key, r.id FROM family f JOIN runs r ON "
                         "r.parent_id = f.id) SELECT r.key FROM family JOIN runs r USING(key) "
                         "WHERE r.lifecycle <> 'deleted' ORDER BY r.key DESC"
                       : "SELECT key FROM runs WHERE parent_id = ?1 AND lifecycle <> 'deleted' "
                         "ORDER BY key DESC"));
    query.Bind(1, parent.value());
    ROOST_ASSIGN(const std::vector<RunKey> keys, ReadKeys(query));
    return LoadRuns(db, keys, WithDefinition::kNo);
  });
}

Result<std::map<spec::RunState, std::int64_t>> Runs::CountActive() const {
  using Counts = std::map<spec::RunState, std::int64_t>;
  return database_.Read<Counts>([&](Connection& db) -> Result<Counts> {
    Counts counts;
    ROOST_ASSIGN(Statement query, db.Prepare("SELECT state, count(*) FROM runs WHERE state IN (" +
                                             ActiveStates() + ") GROUP BY state"));
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return counts;
      if (const auto state = spec::ParseRunState(query.TextView(0))) counts[*state] = query.Int(1);
    }
  });
}

}  // namespace roost::store
