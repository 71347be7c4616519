#include <array>

#include "store/data_schema.h"
#include "store/database.h"
#include "store/logged_model_schema.h"
#include "store/metric_schema.h"
#include "store/model_schema.h"

namespace roost::store {
namespace {

// "Roos" in ASCII: tells our databases from those of other programs.
constexpr std::int64_t kApplicationId = 0x526f6f73;

// Words and forms: times are microseconds since 1970, NULL when unset; digests are 32 bytes;
// states, kinds and lifecycles are the words of spec. What hangs on a run goes with its row.
constexpr const char* kSchema = R"sql(
CREATE TABLE meta(
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE events(
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice
  time INTEGER NOT NULL,
  kind TEXT NOT NULL,
  run_id TEXT NOT NULL,                   -- '' when it is not about a run
  body TEXT NOT NULL                      -- JSON
);
CREATE INDEX events_by_run ON events(run_id, id) WHERE run_id <> '';

CREATE TABLE experiments(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  lifecycle TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  last_run_number INTEGER NOT NULL DEFAULT 0,
  moving_runs INTEGER NOT NULL DEFAULT 0  -- 1: its runs follow its new lifecycle, in steps
);

CREATE TABLE experiment_tags(
  experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(experiment, key)
) WITHOUT ROWID;

CREATE TABLE runs(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  number INTEGER NOT NULL,                -- 1, 2, 3... within the experiment
  experiment INTEGER NOT NULL REFERENCES experiments(id),
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  not_responding INTEGER NOT NULL DEFAULT 0,
  lifecycle TEXT NOT NULL DEFAULT 'active',
  -- What the run was before its experiment was deleted, so that restoring gives it back.
  lifecycle_before TEXT,
  lifecycle_changed_at INTEGER NOT NULL,
  parent_id TEXT,
  display_name TEXT NOT NULL,
  description TEXT NOT NULL,
  submitter TEXT NOT NULL,
  compute_target TEXT NOT NULL,
  snapshot BLOB,
  error TEXT,                             -- JSON
  client_status TEXT NOT NULL DEFAULT '',
  attempt INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  idempotency_key TEXT,
  request_digest TEXT
);
CREATE UNIQUE INDEX runs_by_idempotency ON runs(idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_experiment ON runs(experiment, key);
CREATE INDEX runs_by_parent ON runs(parent_id, key) WHERE parent_id IS NOT NULL;
CREATE INDEX runs_by_snapshot ON runs(snapshot) WHERE snapshot IS NOT NULL;
CREATE INDEX runs_deleted ON runs(lifecycle_changed_at) WHERE lifecycle = 'deleted';
CREATE INDEX runs_set_aside ON runs(lifecycle, key) WHERE lifecycle <> 'active';
CREATE INDEX runs_by_state ON runs(state, key);
CREATE INDEX runs_by_display_name ON runs(display_name, key);
CREATE INDEX runs_by_created_at ON runs(created_at, key);
CREATE INDEX runs_by_started_at ON runs(started_at, key);
CREATE INDEX runs_by_ended_at ON runs(ended_at, key);

-- Apart from the row, because lists never show it and would read past it.
CREATE TABLE run_definitions(
  run INTEGER PRIMARY KEY REFERENCES runs(key) ON DELETE CASCADE,
  definition TEXT NOT NULL                -- JSON
);

CREATE TABLE run_tags(
  run INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT,                             -- NULL: a tag without a value
  PRIMARY KEY(run, key)
) WITHOUT ROWID;
CREATE INDEX run_tags_by_value ON run_tags(key, value, run);

CREATE TABLE run_properties(
  run INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(run, key)
) WITHOUT ROWID;
CREATE INDEX run_properties_by_value ON run_properties(key, value, run);

CREATE TABLE run_params(
  run INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(run, key)
) WITHOUT ROWID;
CREATE INDEX run_params_by_value ON run_params(key, value, run);

CREATE TABLE launches(
  id TEXT PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  target TEXT NOT NULL,
  token_digest TEXT NOT NULL,
  exit_record TEXT,                       -- JSON
  created_at INTEGER NOT NULL,
  ended_at INTEGER,                       -- NULL: still going, as far as is known
  UNIQUE(run, attempt)
) WITHOUT ROWID;

CREATE TABLE artifacts(
  run INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  path TEXT NOT NULL,
  digest BLOB NOT NULL,
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY(run, path)
) WITHOUT ROWID;

CREATE TABLE snapshots(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL UNIQUE,                -- digest of the manifest
  file_count INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL                -- last time that a client named it
);

CREATE TABLE snapshot_files(
  snapshot INTEGER NOT NULL REFERENCES snapshots(key) ON DELETE CASCADE,
  path TEXT NOT NULL,
  digest BLOB NOT NULL,
  size INTEGER NOT NULL,
  executable INTEGER NOT NULL,
  PRIMARY KEY(snapshot, path)
) WITHOUT ROWID;

-- Stays when all its versions are deleted, so that no number is used twice.
CREATE TABLE models(
  name TEXT PRIMARY KEY,
  last_version INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE model_versions(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL REFERENCES models(name),
  version INTEGER NOT NULL,
  description TEXT NOT NULL,
  tags TEXT NOT NULL,                     -- JSON
  properties TEXT NOT NULL,               -- JSON
  framework TEXT NOT NULL,
  framework_version TEXT NOT NULL,
  source TEXT NOT NULL,
  run_id TEXT NOT NULL,                   -- '' when it comes from no run
  experiment_name TEXT NOT NULL,
  snapshot BLOB,
  submitter TEXT NOT NULL,
  tree BLOB NOT NULL,                     -- digest of the file list
  bytes INTEGER NOT NULL,
  file_count INTEGER NOT NULL,
  idempotency_key TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE(name, version)
);
CREATE UNIQUE INDEX model_versions_by_idempotency ON model_versions(idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX model_versions_by_run ON model_versions(run_id, key) WHERE run_id <> '';
CREATE INDEX model_versions_by_snapshot ON model_versions(snapshot) WHERE snapshot IS NOT NULL;

CREATE TABLE model_files(
  model_version INTEGER NOT NULL REFERENCES model_versions(key) ON DELETE CASCADE,
  path TEXT NOT NULL,
  digest BLOB NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY(model_version, path)
) WITHOUT ROWID;

CREATE TABLE tokens(
  digest BLOB PRIMARY KEY,                -- of the secret
  name TEXT NOT NULL,
  run INTEGER REFERENCES runs(key) ON DELETE CASCADE,   -- NULL: a user's token
  attempt INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX tokens_of_users ON tokens(name) WHERE run IS NULL;
CREATE INDEX tokens_of_runs ON tokens(run) WHERE run IS NOT NULL;
)sql";

// Experiment 0 is there from the start; a store's epoch tells its streams from those of its copies.
constexpr const char* kFirstRows = R"sql(
INSERT INTO experiments(id, name, description, lifecycle, created_at, updated_at)
  SELECT 0, 'Default', '', 'active', now, now
  FROM (SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000000 AS now);
INSERT INTO meta(name, value) VALUES('epoch', lower(hex(randomblob(8))));
)sql";

// What each later version adds to the one before it. A new database goes the same way, so there is
// one history of the schema; a step that was released is never changed.
struct Step {
  int to;
  const char* sql;
};

// Environments by name. A version's definition never changes; equal ones share a digest.
constexpr const char* kEnvironments = R"sql(
CREATE TABLE environment_versions(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  digest BLOB NOT NULL,                   -- of the canonical definition, without name and version
  definition TEXT NOT NULL,               -- JSON
  created_at INTEGER NOT NULL,
  UNIQUE(name, version),
  UNIQUE(name, digest)
);
)sql";

// Clusters and their nodes. What a size promises is copied into the row, so that it outlives edits
// of the table of sizes.
constexpr const char* kComputeTargets = R"sql(
CREATE TABLE compute_targets(
  name TEXT PRIMARY KEY,
  vm_size TEXT NOT NULL,
  cpus INTEGER NOT NULL,
  gpus INTEGER NOT NULL,
  memory_mb INTEGER NOT NULL,
  vm_priority TEXT NOT NULL,
  min_nodes INTEGER NOT NULL,
  max_nodes INTEGER NOT NULL,
  idle_seconds INTEGER NOT NULL,
  description TEXT NOT NULL,
  tags TEXT NOT NULL,                     -- JSON
  deleting INTEGER NOT NULL DEFAULT 0,    -- 1: goes when its last run is over
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  state_since INTEGER NOT NULL,
  resized_at INTEGER NOT NULL             -- nodes came or went
) WITHOUT ROWID;

CREATE TABLE compute_nodes(
  target TEXT NOT NULL REFERENCES compute_targets(name) ON DELETE CASCADE,
  id TEXT NOT NULL,
  run_id TEXT NOT NULL,                   -- '' when it is idle
  since INTEGER NOT NULL,                 -- in that use
  PRIMARY KEY(target, id)
) WITHOUT ROWID;
)sql";

// What MLflow's clients say of experiments and runs.
constexpr const char* kMlflowColumns = R"sql(
ALTER TABLE experiments ADD COLUMN artifact_location TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
)sql";

// When a run started, or was made as long as it has not: the order in which MLflow's clients list
// the runs of an experiment, and of several.
constexpr const char* kRunStartTimes = R"sql(
CREATE INDEX runs_by_start_time ON runs(ifnull(started_at, created_at), key);
CREATE INDEX runs_by_experiment_and_start_time
  ON runs(experiment, ifnull(started_at, created_at), key);
)sql";

constexpr std::array kSteps = {Step{2, kEnvironments},       Step{3, kComputeTargets},
                               Step{4, kDataSchema},         Step{5, kMlflowColumns},
                               Step{6, kLoggedModelSchema},  Step{7, kRunStartTimes},
                               Step{8, kModelRegistrySchema}};
static_assert(kSteps.back().to == kSchemaVersion);

Result<std::int64_t> ReadNumber(Connection& connection, std::string_view sql) {
  ROOST_ASSIGN(Statement query, connection.PrepareOnce(sql));
  ROOST_TRY(query.Step());
  return query.Int(0);
}

std::string FileOf(Connection& connection) {
  auto query = connection.PrepareOnce("SELECT file FROM pragma_database_list WHERE name = 'main'");
  if (!query || !query->Step()) return "the store";
  return query->Text(0);
}

Status CreateFirst(Connection& connection) {
  ROOST_TRY(connection.Execute(kSchema));
  ROOST_TRY(connection.Execute(kMetricSchema));
  ROOST_TRY(connection.Execute(kFirstRows));
  return connection.Execute("PRAGMA application_id = " + std::to_string(kApplicationId));
}

Status MigrateInTransaction(Connection& connection) {
  ROOST_TRY(CheckIdentity(connection));
  ROOST_ASSIGN(std::int64_t version, ReadNumber(connection, "PRAGMA user_version"));
  if (version == kSchemaVersion) return {};
  if (version == 0) {
    ROOST_TRY(CreateFirst(connection));
    version = 1;
  }
  for (const Step& step : kSteps) {
    if (step.to > version) ROOST_TRY(connection.Execute(step.sql));
  }
  return connection.Execute("PRAGMA user_version = " + std::to_string(kSchemaVersion));
}

}  // namespace

Status CheckIdentity(Connection& connection) {
  ROOST_ASSIGN(const std::int64_t version, ReadNumber(connection, "PRAGMA user_version"));
  ROOST_ASSIGN(const std::int64_t application, ReadNumber(connection, "PRAGMA application_id"));
  ROOST_ASSIGN(const std::int64_t tables,
               ReadNumber(connection, "SELECT count(*) FROM sqlite_schema"));
  const bool is_new = application == 0 && version == 0 && tables == 0;
  if (!is_new && application != kApplicationId) {
    return Fail(ErrorCode::kConflict, "The database " + FileOf(connection) +
                                          " belongs to another program. Choose another data "
                                          "folder.");
  }
  if (version > kSchemaVersion) {
    return Fail(ErrorCode::kConflict,
                "The database " + FileOf(connection) + " has schema version " +
                    std::to_string(version) + ", written by a newer Roost; this program knows " +
                    "version " + std::to_string(kSchemaVersion) +
                    ". Install the newer program, or restore a backup made with this one.");
  }
  return {};
}

Status Migrate(Connection& connection) {
  ROOST_TRY(connection.Execute("BEGIN IMMEDIATE"));
  Status migrated = MigrateInTransaction(connection);
  if (migrated) migrated = connection.Execute("COMMIT");
  if (!migrated) (void)connection.Execute("ROLLBACK");
  return migrated;
}

}  // namespace roost::store
