#include "store/metric_rows.h"

#include <algorithm>
#include <cmath>

#include "store/metric_chunk.h"

namespace roost::store {

namespace {

// What metric_summary.last_kind says; see metric_schema.h.
enum class LastKind : int { kNumber = 0, kNan = 1, kNone = 2 };

void BindValue(Statement& statement, int index, double value) {
  if (std::isnan(value)) {
    statement.BindNull(index);
  } else {
    statement.Bind(index, value);
  }
}

void BindOptional(Statement& statement, int index, std::optional<double> value) {
  if (value) {
    statement.Bind(index, *value);
  } else {
    statement.BindNull(index);
  }
}

Status InsertChunk(Connection& db, SeriesKey series, std::span<const StoredPoint> points) {
  const auto [lowest, highest] = std::minmax_element(
      points.begin(), points.end(),
      [](const StoredPoint& a, const StoredPoint& b) { return a.step < b.step; });
  const std::string pyramid = EncodePyramid(points);
  const std::string data = EncodePoints(points);
  ROOST_ASSIGN(auto statement,
               db.Prepare("INSERT INTO metric_chunks(run, name_id, first_seq, count, min_step, "
                          "max_step, pyramid, data) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
  statement.Bind(1, series.run).Bind(2, series.name_id).Bind(3, points[0].seq);
  statement.Bind(4, static_cast<std::int64_t>(points.size()));
  statement.Bind(5, lowest->step).Bind(6, highest->step);
  return statement.BindBlob(7, pyramid).BindBlob(8, data).Run();
}

}  // namespace

StoredPoint PointOfRow(const Statement& row) {
  return {row.Int(0), row.Int(1), row.Int(2), row.IsNull(3) ? std::nan("") : row.Real(3)};
}

Status InsertTail(Connection& db, SeriesKey series, std::span<const StoredPoint> points) {
  ROOST_ASSIGN(auto statement,
               db.Prepare("INSERT INTO metric_tail(run, name_id, seq, step, time, value) "
                          "VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
  for (const StoredPoint& point : points) {
    statement.Bind(1, series.run).Bind(2, series.name_id).Bind(3, point.seq);
    statement.Bind(4, point.step).Bind(5, point.time);
    BindValue(statement, 6, point.value);
    ROOST_TRY(statement.Run());
  }
  return {};
}

Result<std::vector<StoredPoint>> ReadTail(Connection& db, SeriesKey series, std::int64_t limit) {
  ROOST_ASSIGN(auto statement, db.Prepare("SELECT seq, step, time, value FROM metric_tail "
                                          "WHERE run = ?1 AND name_id = ?2 ORDER BY seq LIMIT ?3"));
  statement.Bind(1, series.run).Bind(2, series.name_id).Bind(3, limit);
  std::vector<StoredPoint> points;
  while (true) {
    ROOST_ASSIGN(const bool row, statement.Step());
    if (!row) return points;
    points.push_back(PointOfRow(statement));
  }
}

Result<bool> HasPoint(Connection& db, SeriesKey series, const StoredPoint& point) {
  ROOST_ASSIGN(auto tail,
               db.Prepare("SELECT seq, step, time, value FROM metric_tail WHERE run = ?1 AND "
                          "name_id = ?2 AND step = ?3 AND time = ?4"));
  tail.Bind(1, series.run).Bind(2, series.name_id).Bind(3, point.step).Bind(4, point.time);
  while (true) {
    ROOST_ASSIGN(const bool row, tail.Step());
    if (!row) break;
    if (IsSamePoint(PointOfRow(tail), point)) return true;
  }
  ROOST_ASSIGN(auto chunks,
               db.Prepare("SELECT first_seq, count, data FROM metric_chunks WHERE run = ?1 AND "
                          "name_id = ?2 AND min_step <= ?3 AND max_step >= ?3"));
  chunks.Bind(1, series.run).Bind(2, series.name_id).Bind(3, point.step);
  std::vector<StoredPoint> points;
  while (true) {
    ROOST_ASSIGN(const bool row, chunks.Step());
    if (!row) return false;
    points.clear();
    ROOST_TRY(DecodePoints(chunks.Blob(2), chunks.Int(0), static_cast<std::size_t>(chunks.Int(1)),
                           &points));
    for (const StoredPoint& other : points) {
      if (IsSamePoint(other, point)) return true;
    }
  }
}

Status DeleteTail(Connection& db, SeriesKey series, std::int64_t up_to_seq) {
  ROOST_ASSIGN(auto statement,
               db.Prepare("DELETE FROM metric_tail WHERE run = ?1 AND name_id = ?2 AND seq <= ?3"));
  return statement.Bind(1, series.run).Bind(2, series.name_id).Bind(3, up_to_seq).Run();
}

Status InsertChunks(Connection& db, SeriesKey series, std::span<const StoredPoint> points) {
  const std::size_t chunks = (points.size() + kChunkPoints - 1) / kChunkPoints;
  for (std::size_t i = 0; i < chunks; ++i) {
    const std::size_t begin = points.size() * i / chunks;
    const std::size_t end = points.size() * (i + 1) / chunks;
    ROOST_TRY(InsertChunk(db, series, points.subspan(begin, end - begin)));
  }
  return {};
}

Status WriteSummary(Connection& db, SeriesKey series, const SeriesState& state) {
  ROOST_ASSIGN(auto statement,
               db.Prepare("INSERT INTO metric_summary(run, name_id, type, count, tail, last_kind, "
                          "last, last_step, last_time, last_seq, min, max) "
                          "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "
                          "ON CONFLICT(run, name_id) DO UPDATE SET count = excluded.count, "
                          "tail = excluded.tail, last_kind = excluded.last_kind, "
                          "last = excluded.last, last_step = excluded.last_step, "
                          "last_time = excluded.last_time, last_seq = excluded.last_seq, "
                          "min = excluded.min, max = excluded.max"));
  statement.Bind(1, series.run).Bind(2, series.name_id).Bind(3, static_cast<int>(state.type));
  statement.Bind(4, state.count).Bind(5, state.tail);
  if (state.last) {
    const bool number = !std::isnan(state.last->value);
    statement.Bind(6, static_cast<int>(number ? LastKind::kNumber : LastKind::kNan));
    BindValue(statement, 7, state.last->value);
    statement.Bind(8, state.last->step).Bind(9, state.last->time).Bind(10, state.last->seq);
  } else {
    statement.Bind(6, static_cast<int>(LastKind::kNone));
    for (int column = 7; column <= 10; ++column) statement.BindNull(column);
  }
  BindOptional(statement, 11, state.min);
  BindOptional(statement, 12, state.max);
  return statement.Run();
}

Status WriteBatch(Connection& db, std::int64_t run, const std::string& writer,
                  std::int64_t number) {
  ROOST_ASSIGN(auto statement,
               db.Prepare("INSERT INTO metric_batches(run, writer, number) VALUES(?1, ?2, ?3) "
                          "ON CONFLICT(run, writer) DO UPDATE SET number = excluded.number"));
  return statement.Bind(1, run).Bind(2, writer).Bind(3, number).Run();
}

Result<std::int64_t> CountEntries(Connection& db, std::int64_t run) {
  ROOST_ASSIGN(auto statement, db.Prepare("SELECT max(seq) FROM metric_entries WHERE run = ?1"));
  statement.Bind(1, run);
  ROOST_TRY(statement.Step());
  return statement.IsNull(0) ? 0 : statement.Int(0);
}

Result<std::optional<SeriesState>> ReadSummary(Connection& db, SeriesKey series) {
  ROOST_ASSIGN(auto statement, db.Prepare("SELECT type, count, tail, last_kind, last, last_step, "
                                          "last_time, last_seq, min, max FROM metric_summary "
                                          "WHERE run = ?1 AND name_id = ?2"));
  statement.Bind(1, series.run).Bind(2, series.name_id);
  ROOST_ASSIGN(const bool found, statement.Step());
  if (!found) return std::nullopt;
  SeriesState state;
  state.type = static_cast<spec::MetricType>(statement.Int(0));
  state.count = statement.Int(1);
  state.tail = statement.Int(2);
  const auto last_kind = static_cast<LastKind>(statement.Int(3));
  if (last_kind != LastKind::kNone) {
    const double value = last_kind == LastKind::kNan ? std::nan("") : statement.Real(4);
    state.last = {statement.Int(7), statement.Int(5), statement.Int(6), value};
  }
  if (!statement.IsNull(8)) state.min = statement.Real(8);
  if (!statement.IsNull(9)) state.max = statement.Real(9);
  return state;
}

Result<std::int64_t> ReadBatch(Connection& db, std::int64_t run, const std::string& writer) {
  ROOST_ASSIGN(auto statement,
               db.Prepare("SELECT number FROM metric_batches WHERE run = ?1 AND writer = ?2"));
  statement.Bind(1, run).Bind(2, writer);
  ROOST_ASSIGN(const bool found, statement.Step());
  return found ? statement.Int(0) : 0;
}

}  // namespace roost::store
