#pragma once

namespace roost::store {

// Datastores, datasets, and what runs read and wrote of them.
inline constexpr const char* kDataSchema = R"sql(
CREATE TABLE datastores(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  folder TEXT NOT NULL,                   -- '': its files are rows that name blobs
  is_default INTEGER NOT NULL,
  read_only INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);

CREATE TABLE datastore_files(
  datastore INTEGER NOT NULL REFERENCES datastores(key) ON DELETE CASCADE,
  path TEXT NOT NULL,
  digest BLOB NOT NULL,
  size INTEGER NOT NULL,
  modified_at INTEGER NOT NULL,
  PRIMARY KEY(datastore, path)
) WITHOUT ROWID;

-- Lists of files that datasets share when they are equal.
CREATE TABLE file_trees(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL UNIQUE,                -- digest of the list
  file_count INTEGER NOT NULL,
  bytes INTEGER NOT NULL
);

CREATE TABLE file_tree_files(
  tree INTEGER NOT NULL REFERENCES file_trees(key) ON DELETE CASCADE,
  path TEXT NOT NULL,
  digest BLOB NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY(tree, path)
) WITHOUT ROWID;

-- Stays when all its versions are deleted, so that no number is used twice.
CREATE TABLE dataset_names(
  name TEXT PRIMARY KEY,
  last_version INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE datasets(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT REFERENCES dataset_names(name),   -- NULL: not registered
  version INTEGER,
  fingerprint BLOB NOT NULL,              -- of paths and tree: equal ones are the same data
  description TEXT NOT NULL,
  tags TEXT NOT NULL,                     -- JSON
  paths TEXT NOT NULL,                    -- JSON
  tree BLOB,                              -- NULL: read from folders when it is asked for
  file_count INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  single_file INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL,               -- last time that a client named it
  UNIQUE(name, version)
);
CREATE INDEX datasets_by_fingerprint ON datasets(fingerprint);
CREATE INDEX datasets_by_tree ON datasets(tree) WHERE tree IS NOT NULL;

CREATE TABLE run_data(
  run INTEGER NOT NULL REFERENCES runs(key) ON DELETE CASCADE,
  is_output INTEGER NOT NULL,
  name TEXT NOT NULL,
  dataset TEXT NOT NULL,                  -- id; '': none
  dataset_name TEXT NOT NULL,             -- as it was then; '': not registered
  version INTEGER,
  mode TEXT NOT NULL,
  mechanism TEXT NOT NULL,                -- how it came there; '': not yet
  path_on_compute TEXT NOT NULL,
  datastore TEXT NOT NULL,
  path TEXT NOT NULL,
  tree TEXT NOT NULL,                     -- folder below mounts/ that the run sees; '': none
  PRIMARY KEY(run, is_output, name)
) WITHOUT ROWID;
CREATE INDEX run_data_by_dataset ON run_data(dataset) WHERE dataset <> '';

INSERT INTO datastores(name, folder, is_default, read_only, created_at)
  SELECT column1, '', column2, 0, CAST(strftime('%s', 'now') AS INTEGER) * 1000000
  FROM (VALUES('workspaceblobstore', 1), ('workspacefilestore', 0));
)sql";

}  // namespace roost::store
