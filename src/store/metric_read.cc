#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "store/database.h"
#include "store/metric_chart.h"
#include "store/metric_chunk.h"
#include "store/metric_rows.h"
#include "store/metrics.h"
#include "store/rows.h"

// What Metrics reads; each function is one read transaction, so tail and chunks fit together.
namespace roost::store {

namespace {

// Requires: the columns name, type, count, last_seq, last_step, last_time, last, min, max.
MetricSummary SummaryOfRow(const Statement& row) {
  MetricSummary summary;
  summary.name = row.Text(0);
  summary.type = static_cast<spec::MetricType>(row.Int(1));
  summary.count = row.Int(2);
  if (summary.type == spec::MetricType::kScalar) {
    summary.last = {row.Int(3), row.Int(4), row.Int(5), row.IsNull(6) ? std::nan("") : row.Real(6)};
  }
  if (!row.IsNull(7)) summary.min = row.Real(7);
  if (!row.IsNull(8)) summary.max = row.Real(8);
  return summary;
}

// 0 when no run has ever logged the name.
Result<std::int64_t> FindNameId(Connection& db, const std::string& name) {
  ROOST_ASSIGN(auto statement, db.Prepare("SELECT id FROM metric_names WHERE name = ?1"));
  statement.Bind(1, name);
  ROOST_ASSIGN(const bool found, statement.Step());
  return found ? statement.Int(0) : 0;
}

Result<std::vector<MetricSummary>> ReadSummaries(Connection& db, RunKey run) {
  ROOST_ASSIGN(auto statement,
               db.Prepare("SELECT n.name, s.type, s.count, s.last_seq, s.last_step, s.last_time, "
                          "s.last, s.min, s.max FROM metric_summary s "
                          "JOIN metric_names n ON n.id = s.name_id "
                          "WHERE s.run = ?1 ORDER BY n.name"));
  statement.Bind(1, run.value());
  std::vector<MetricSummary> summaries;
  while (true) {
    ROOST_ASSIGN(const bool row, statement.Step());
    if (!row) return summaries;
    summaries.push_back(SummaryOfRow(statement));
  }
}

Result<std::vector<std::vector<MetricSummary>>> ReadScalars(Connection& db,
                                                            const std::vector<RunKey>& runs) {
  ROOST_ASSIGN(auto statement,
               db.Prepare("SELECT n.name, s.type, s.count, s.last_seq, s.last_step, "
                          "s.last_time, s.last, s.min, s.max, s.run "
                          "FROM json_each(?1) wanted "
                          "JOIN metric_summary s ON s.run = wanted.value "
                          "JOIN metric_names n ON n.id = s.name_id "
                          "WHERE s.last_kind < 2 ORDER BY n.name"));
  const std::string keys = KeysAsJson(runs);
  statement.Bind(1, keys);
  std::unordered_map<std::int64_t, std::vector<MetricSummary>> by_run;
  while (true) {
    ROOST_ASSIGN(const bool row, statement.Step());
    if (!row) break;
    by_run[statement.Int(9)].push_back(SummaryOfRow(statement));
  }
  std::vector<std::vector<MetricSummary>> all;
  all.reserve(runs.size());
  for (const RunKey& run : runs) all.push_back(by_run[run.value()]);
  return all;
}

// Points of chunks; a chunk that holds any seq after `after_seq` begins less than a chunk's length
// before it.
Status ReadFromChunks(Connection& db, std::int64_t run, std::int64_t name_id,
                      std::int64_t after_seq, std::size_t limit, std::vector<StoredPoint>* to) {
  ROOST_ASSIGN(auto statement,
               db.Prepare("SELECT first_seq, count, data FROM metric_chunks WHERE run = ?1 "
                          "AND name_id = ?2 AND first_seq > ?3 AND first_seq + count > ?4 + 1 "
                          "ORDER BY first_seq"));
  statement.Bind(1, run).Bind(2, name_id);
  statement.Bind(3, after_seq - static_cast<std::int64_t>(kChunkPoints)).Bind(4, after_seq);
  std::vector<StoredPoint> points;
  while (to->size() < limit) {
    ROOST_ASSIGN(const bool row, statement.Step());
    if (!row) return {};
    points.clear();
    ROOST_TRY(DecodePoints(statement.Blob(2), statement.Int(0),
                           static_cast<std::size_t>(statement.Int(1)), &points));
    const auto skipped = std::find_if(points.begin(), points.end(), [&](const StoredPoint& point) {
      return point.seq > after_seq;
    });
    const auto there = static_cast<std::size_t>(points.end() - skipped);
    const auto wanted = static_cast<std::ptrdiff_t>(std::min(limit - to->size(), there));
    to->insert(to->end(), skipped, skipped + wanted);
  }
  return {};
}

Status ReadFromTail(Connection& db, std::int64_t run, std::int64_t name_id, std::int64_t after_seq,
                    std::size_t limit, std::vector<StoredPoint>* to) {
  ROOST_ASSIGN(auto statement,
               db.Prepare("SELECT seq, step, time, value FROM metric_tail WHERE run = ?1 "
                          "AND name_id = ?2 AND seq > ?3 ORDER BY seq"));
  statement.Bind(1, run).Bind(2, name_id).Bind(3, after_seq);
  while (to->size() < limit) {
    ROOST_ASSIGN(const bool row, statement.Step());
    if (!row) return {};
    to->push_back(PointOfRow(statement));
  }
  return {};
}

StoredEntry EntryOfRow(const Statement& row) {
  StoredEntry stored;
  stored.seq = row.Int(0);
  stored.entry.name = row.Text(1);
  stored.entry.type = static_cast<spec::MetricType>(row.Int(2));
  if (!row.IsNull(3)) stored.entry.step = row.Int(3);
  stored.entry.time = row.Int(4);
  stored.entry.value = row.Text(5);
  stored.entry.description = row.Text(6);
  return stored;
}

Result<std::vector<StoredEntry>> ReadEntries(Connection& db, RunKey run, const std::string& name,
                                             std::int64_t after_seq, std::size_t limit) {
  std::string sql =
      "SELECT e.seq, n.name, e.type, e.step, e.time, e.value, e.description "
      "FROM metric_entries e JOIN metric_names n ON n.id = e.name_id WHERE e.run = ?1 AND ";
  std::int64_t name_id = 0;
  if (!name.empty()) {
    ROOST_ASSIGN(name_id, FindNameId(db, name));
    sql += "e.name_id = ?3 AND ";
  }
  ROOST_ASSIGN(auto statement, db.Prepare(sql + "e.seq > ?2 ORDER BY e.seq"));
  statement.Bind(1, run.value()).Bind(2, after_seq);
  if (!name.empty()) statement.Bind(3, name_id);
  std::vector<StoredEntry> entries;
  while (entries.size() < limit) {
    ROOST_ASSIGN(const bool row, statement.Step());
    if (!row) break;
    entries.push_back(EntryOfRow(statement));
  }
  return entries;
}

}  // namespace

Result<std::vector<MetricSummary>> Metrics::Summaries(RunKey run) const {
  return database_.Read<std::vector<MetricSummary>>(
      [&](Connection& db) { return ReadSummaries(db, run); });
}

Result<std::vector<std::vector<MetricSummary>>> Metrics::Summaries(
    const std::vector<RunKey>& runs) const {
  return database_.Read<std::vector<std::vector<MetricSummary>>>(
      [&](Connection& db) { return ReadScalars(db, runs); });
}

Result<std::vector<StoredPoint>> Metrics::History(RunKey run, const std::string& name,
                                                  std::int64_t after_seq, std::size_t limit) const {
  using Points = std::vector<StoredPoint>;
  return database_.Read<Points>([&](Connection& db) -> Result<Points> {
    ROOST_ASSIGN(const std::int64_t name_id, FindNameId(db, name));
    Points points;
    ROOST_TRY(ReadFromChunks(db, run.value(), name_id, after_seq, limit, &points));
    ROOST_TRY(ReadFromTail(db, run.value(), name_id, after_seq, limit, &points));
    return points;
  });
}

Result<std::vector<StoredEntry>> Metrics::Entries(RunKey run, const std::string& name,
                                                  std::int64_t after_seq, std::size_t limit) const {
  return database_.Read<std::vector<StoredEntry>>(
      [&](Connection& db) { return ReadEntries(db, run, name, after_seq, limit); });
}

Result<Chart> Metrics::Downsampled(RunKey run, const std::string& name, std::size_t buckets,
                                   std::optional<std::int64_t> from_step,
                                   std::optional<std::int64_t> to_step) const {
  if (buckets < 2) return Invalid("points", "A chart needs at least 2 points.");
  return database_.Read<Chart>([&](Connection& db) -> Result<Chart> {
    ROOST_ASSIGN(const std::int64_t name_id, FindNameId(db, name));
    return ReadChart(db, run.value(), name_id, buckets, {from_step, to_step});
  });
}

Result<std::int64_t> Metrics::LastBatch(RunKey run, const std::string& writer) const {
  return database_.Read<std::int64_t>(
      [&](Connection& db) { return ReadBatch(db, run.value(), writer); });
}

}  // namespace roost::store
