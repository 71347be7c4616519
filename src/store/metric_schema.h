#pragma once

namespace roost::store {

// The tables of metrics; executed by the first migration. `run` is always the run's integer key.
//
// Points of one (run, name) have seq 1, 2, 3... without gaps, in the order of arrival. Seqs up to
// (count - tail) lie in metric_chunks, the rest in metric_tail: never in both. docs/on_disk.md
// has the formats of the two blobs of a chunk.
//
// Numbers: SQLite keeps infinities as they are and turns NaN into NULL, so NULL in a column that
// holds the value of a point that exists means NaN.
//
// metric_summary has one row for each name that a run has logged. It is written once per group
// commit, so inside a write of the same group it may be behind; after the commit it is exact.
//   type       spec::MetricType as a number (0: scalar); one name keeps to one type
//   count      how many points or entries
//   tail       how many of the points are rows in metric_tail; 0 for entries
//   last_kind  0: `last` is a number (also +-Infinity), 1: it is NaN, 2: the name has entries, so
//              there is no number
//   last       value of the point with the greatest (step, time, value); NULL unless last_kind = 0
//   last_step, last_time, last_seq   of that point; NULL when last_kind = 2
//   min, max   without NaN, with infinities; NULL when there is no such value
//
// To order runs by a metric's last value, in either direction: first the rows with
// `name_id = ? AND last_kind = 0 ORDER BY last, run` (or both DESC; infinities sort by themselves),
// then those with last_kind = 1 by run, then runs without such a row. Each is a walk of the index
// metric_summary_by_last. A comparison with a number is `last_kind = 0 AND last > ?`.
constexpr const char* kMetricSchema = R"sql(
CREATE TABLE metric_names(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE metric_summary(
  run INTEGER NOT NULL,
  name_id INTEGER NOT NULL,
  type INTEGER NOT NULL,
  count INTEGER NOT NULL,
  tail INTEGER NOT NULL,
  last_kind INTEGER NOT NULL,
  last REAL,
  last_step INTEGER,
  last_time INTEGER,
  last_seq INTEGER,
  min REAL,
  max REAL,
  PRIMARY KEY(run, name_id)
) WITHOUT ROWID;
CREATE INDEX metric_summary_by_last ON metric_summary(name_id, last_kind, last, run);
CREATE INDEX metric_summary_full_tail ON metric_summary(tail) WHERE tail >= 4096;

CREATE TABLE metric_tail(
  run INTEGER NOT NULL,
  name_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  step INTEGER NOT NULL,
  time INTEGER NOT NULL,
  value REAL,
  PRIMARY KEY(run, name_id, seq)
) WITHOUT ROWID;

CREATE TABLE metric_chunks(
  run INTEGER NOT NULL,
  name_id INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  count INTEGER NOT NULL,
  min_step INTEGER NOT NULL,
  max_step INTEGER NOT NULL,
  pyramid BLOB NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY(run, name_id, first_seq)
);

CREATE TABLE metric_entries(
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,       -- 1, 2, 3... within the run, over all names
  name_id INTEGER NOT NULL,
  type INTEGER NOT NULL,
  step INTEGER,               -- NULL: none was given
  time INTEGER NOT NULL,
  value TEXT NOT NULL,        -- JSON
  description TEXT NOT NULL,
  PRIMARY KEY(run, seq)
);
CREATE INDEX metric_entries_by_name ON metric_entries(run, name_id, seq);

CREATE TABLE metric_batches(
  run INTEGER NOT NULL,
  writer TEXT NOT NULL,
  number INTEGER NOT NULL,    -- the last one taken in
  PRIMARY KEY(run, writer)
) WITHOUT ROWID;
)sql";

}  // namespace roost::store
