#pragma once

namespace roost::store {

// Logged models, the data and the models that runs took in and gave out, and uploads in parts.
inline constexpr const char* kLoggedModelSchema = R"sql(
CREATE TABLE logged_models(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,                -- "m-" and 32 hex digits
  experiment INTEGER NOT NULL REFERENCES experiments(id),
  name TEXT NOT NULL,
  status TEXT NOT NULL,                   -- PENDING, READY, UPLOAD_FAILED
  status_message TEXT NOT NULL,
  model_type TEXT NOT NULL,
  source_run_id TEXT NOT NULL,            -- '': it comes from no run
  lifecycle TEXT NOT NULL DEFAULT 'active',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX logged_models_by_experiment ON logged_models(experiment, created_at, key);
CREATE INDEX logged_models_by_run ON logged_models(source_run_id, key) WHERE source_run_id <> '';
CREATE INDEX logged_models_deleted ON logged_models(key) WHERE lifecycle = 'deleted';

CREATE TABLE logged_model_tags(
  model INTEGER NOT NULL REFERENCES logged_models(key) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(model, key)
) WITHOUT ROWID;

CREATE TABLE logged_model_params(
  model INTEGER NOT NULL REFERENCES logged_models(key) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(model, key)
) WITHOUT ROWID;

-- The points of runs that speak of a model; a point is here once.
CREATE TABLE logged_model_metrics(
  model INTEGER NOT NULL REFERENCES logged_models(key) ON DELETE CASCADE,
  name TEXT NOT NULL,
  time INTEGER NOT NULL,
  step INTEGER NOT NULL,
  run INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  dataset_name TEXT NOT NULL,             -- '': of no dataset
  dataset_digest TEXT NOT NULL,
  is_nan INTEGER NOT NULL,
  value REAL NOT NULL,                    -- 0 when it is NaN
  PRIMARY KEY(model, name, time, step, run, dataset_name, dataset_digest, is_nan, value)
) WITHOUT ROWID;
CREATE INDEX logged_model_metrics_by_run ON logged_model_metrics(run);

CREATE TABLE logged_model_files(
  model INTEGER NOT NULL REFERENCES logged_models(key) ON DELETE CASCADE,
  path TEXT NOT NULL,
  digest BLOB NOT NULL,
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY(model, path)
) WITHOUT ROWID;

-- What runs took in, as their clients describe it; the same name and digest is one dataset of the
-- experiment. (Datasets that the server keeps are in `datasets`.)
CREATE TABLE input_datasets(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  source_type TEXT NOT NULL,
  source TEXT NOT NULL,
  schema TEXT,                            -- NULL: not given
  profile TEXT,                           -- NULL: not given
  UNIQUE(experiment, name, digest)
);
CREATE INDEX input_datasets_by_name ON input_datasets(name);
CREATE INDEX input_datasets_by_digest ON input_datasets(digest);

CREATE TABLE run_inputs(
  run INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  dataset INTEGER NOT NULL REFERENCES input_datasets(key) ON DELETE CASCADE,
  PRIMARY KEY(run, dataset)
) WITHOUT ROWID;
CREATE INDEX run_inputs_by_dataset ON run_inputs(dataset, run);

-- The key mlflow.data.context has what the run used the data for ("training").
CREATE TABLE run_input_tags(
  run INTEGER NOT NULL,
  dataset INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(run, dataset, key),
  FOREIGN KEY(run, dataset) REFERENCES run_inputs(run, dataset) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX run_input_tags_by_value ON run_input_tags(key, value, run);

-- Logged models that a run used or made.
CREATE TABLE run_models(
  run INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  is_output INTEGER NOT NULL,
  model_id TEXT NOT NULL,                 -- as the client gave it
  step INTEGER NOT NULL,
  PRIMARY KEY(run, is_output, model_id)
) WITHOUT ROWID;

-- A file that is sent in parts, until it is put together.
CREATE TABLE file_uploads(
  id TEXT PRIMARY KEY,                    -- secret: who knows it may send parts
  path TEXT NOT NULL,                     -- where the file will be
  used_at INTEGER NOT NULL                -- when it began or its newest part came
) WITHOUT ROWID;

CREATE TABLE file_upload_parts(
  upload TEXT NOT NULL REFERENCES file_uploads(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  digest BLOB NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY(upload, number)
) WITHOUT ROWID;

-- The files that clients keep with the server beside those of runs and models. Somebody may have
-- given a folder this name; it stays what it is.
INSERT OR IGNORE INTO datastores(name, folder, is_default, read_only, created_at)
  VALUES('workspaceartifactstore', '', 0, 0, CAST(strftime('%s', 'now') AS INTEGER) * 1000000);
)sql";

}  // namespace roost::store
