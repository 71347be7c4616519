#include "store/metric_chart.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "store/database.h"
#include "store/metric_rows.h"

namespace roost::store {

namespace {

// A level of the pyramid is used from two of its pieces a bucket on; finer buckets would show where
// the pieces end.
constexpr std::int64_t kPiecesPerBucket = 2;

// Of the buckets' points two are the series' ends, and a bucket has two extremes.
std::int64_t BucketWidth(std::int64_t total, std::size_t buckets) {
  const auto wanted = static_cast<std::int64_t>(buckets);
  if (total <= wanted) return 1;
  const std::int64_t count = std::max((wanted - 2) / 2, std::int64_t{1});
  return (total + count - 1) / count;
}

// One row of metric_chunks without its blobs.
struct ChunkRow {
  std::int64_t rowid = 0;
  std::int64_t first_seq = 0;
  std::int64_t count = 0;
  bool cut = false;         // the range takes some of its points only
  std::int64_t wanted = 0;  // so many
};

// Reads one series, chunk by chunk, within a range of steps.
class SeriesReader {
 public:
  SeriesReader(Connection& db, std::int64_t run, std::int64_t name_id, StepRange range)
      : db_(db), run_(run), name_id_(name_id), range_(range) {}

  // Chunks with points in the range.
  Result<std::vector<ChunkRow>> Chunks() const {
    ROOST_ASSIGN(auto statement, db_.Prepare("SELECT rowid, first_seq, count, min_step, max_step "
                                             "FROM metric_chunks WHERE run = ?1 AND name_id = ?2 "
                                             "ORDER BY first_seq"));
    statement.Bind(1, run_).Bind(2, name_id_);
    std::vector<ChunkRow> chunks;
    while (true) {
      ROOST_ASSIGN(const bool row, statement.Step());
      if (!row) return chunks;
      const std::int64_t lowest = statement.Int(3);
      const std::int64_t highest = statement.Int(4);
      if ((range_.from && highest < *range_.from) || (range_.to && lowest > *range_.to)) continue;
      const bool cut = !range_.Contains(lowest) || !range_.Contains(highest);
      chunks.push_back(
          {statement.Int(0), statement.Int(1), statement.Int(2), cut, cut ? 0 : statement.Int(2)});
    }
  }

  using Visit = std::function<void(const StoredPoint&)>;
  Status VisitPoints(const ChunkRow& chunk, const Visit& visit) {
    points_.clear();
    ROOST_ASSIGN(auto statement, db_.Prepare("SELECT data FROM metric_chunks WHERE rowid = ?1"));
    statement.Bind(1, chunk.rowid);
    ROOST_TRY(statement.Step());
    ROOST_TRY(DecodePoints(statement.Blob(0), chunk.first_seq,
                           static_cast<std::size_t>(chunk.count), &points_));
    for (const StoredPoint& point : points_) {
      if (range_.Contains(point.step)) visit(point);
    }
    return {};
  }

  Status VisitTail(const Visit& visit) const {
    ROOST_ASSIGN(auto statement, db_.Prepare("SELECT seq, step, time, value FROM metric_tail "
                                             "WHERE run = ?1 AND name_id = ?2 ORDER BY seq"));
    statement.Bind(1, run_).Bind(2, name_id_);
    while (true) {
      ROOST_ASSIGN(const bool row, statement.Step());
      if (!row) return {};
      const StoredPoint point = PointOfRow(statement);
      if (range_.Contains(point.step)) visit(point);
    }
  }

  Result<Pyramid> ReadPyramid(const ChunkRow& chunk) const {
    ROOST_ASSIGN(auto statement, db_.Prepare("SELECT pyramid FROM metric_chunks WHERE rowid = ?1"));
    statement.Bind(1, chunk.rowid);
    ROOST_TRY(statement.Step());
    return DecodePyramid(statement.Blob(0), chunk.first_seq);
  }

 private:
  Connection& db_;
  const std::int64_t run_;
  const std::int64_t name_id_;
  const StepRange range_;
  std::vector<StoredPoint> points_;
};

}  // namespace

ChartBuilder::ChartBuilder(std::int64_t total, std::size_t buckets)
    : width_(BucketWidth(total, buckets)) {
  chart_.total = total;
}

void ChartBuilder::Add(const StoredPoint& point) {
  last_ = point;
  if (width_ == 1) {
    Keep(point);
    return;
  }
  if (chart_.points.empty()) Keep(point);
  bucket_.Add(point);
  if (bucket_.count >= width_) CloseBucket();
}

void ChartBuilder::Add(const Extremes& block) {
  bucket_.Add(block);
  if (bucket_.count >= width_) CloseBucket();
}

Chart ChartBuilder::Finish() {
  CloseBucket();
  if (last_) Keep(*last_);
  return std::move(chart_);
}

void ChartBuilder::CloseBucket() {
  std::vector<StoredPoint> kept;
  for (const auto& point : {bucket_.low, bucket_.high, bucket_.odd}) {
    if (point) kept.push_back(*point);
  }
  std::sort(kept.begin(), kept.end(),
            [](const StoredPoint& a, const StoredPoint& b) { return a.seq < b.seq; });
  for (const StoredPoint& point : kept) Keep(point);
  bucket_ = {};
}

void ChartBuilder::Keep(const StoredPoint& point) {
  if (chart_.points.empty() || chart_.points.back().seq < point.seq) {
    chart_.points.push_back(point);
  }
}

Result<Chart> ReadChart(Connection& db, std::int64_t run, std::int64_t name_id, std::size_t buckets,
                        StepRange range) {
  SeriesReader series(db, run, name_id, range);
  ROOST_ASSIGN(std::vector<ChunkRow> chunks, series.Chunks());

  // The width of the buckets depends on the number of points, so that is counted first.
  std::int64_t total = 0;
  for (ChunkRow& chunk : chunks) {
    if (chunk.cut) {
      ROOST_TRY(series.VisitPoints(chunk, [&](const StoredPoint&) { ++chunk.wanted; }));
    }
    total += chunk.wanted;
  }
  ROOST_TRY(series.VisitTail([&](const StoredPoint&) { ++total; }));
  std::erase_if(chunks, [](const ChunkRow& chunk) { return chunk.wanted == 0; });

  ChartBuilder chart(total, buckets);
  const auto add = [&](const StoredPoint& point) { chart.Add(point); };
  const auto block = static_cast<std::int64_t>(kBlockPoints);
  const bool blocks_will_do = chart.width() >= kPiecesPerBucket * block;
  for (const ChunkRow& chunk : chunks) {
    // The first and the last point of a chart are wanted themselves.
    const bool at_an_end = &chunk == &chunks.front() || &chunk == &chunks.back();
    if (chunk.cut || at_an_end || !blocks_will_do) {
      ROOST_TRY(series.VisitPoints(chunk, add));
      continue;
    }
    ROOST_ASSIGN(const Pyramid pyramid, series.ReadPyramid(chunk));
    if (chart.width() >= kPiecesPerBucket * chunk.count) {
      chart.Add(pyramid.whole);
    } else {
      for (const Extremes& extremes : pyramid.blocks) chart.Add(extremes);
    }
  }
  ROOST_TRY(series.VisitTail(add));
  return chart.Finish();
}

}  // namespace roost::store
