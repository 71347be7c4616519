#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spec/metrics.h"
#include "store/database.h"
#include "store/metrics.h"
#include "store/recent_points.h"

namespace roost::store {

// The rows of metric_schema.h, written and read one by one. Each function runs in its caller's
// transaction.

struct SeriesKey {
  std::int64_t run = 0;
  std::int64_t name_id = 0;
  bool operator==(const SeriesKey&) const = default;
};

// A row of metric_summary as it is to be after the writes of this group.
struct SeriesState {
  explicit SeriesState(spec::MetricType of = spec::MetricType::kScalar) : type(of) {}

  spec::MetricType type;
  std::int64_t count = 0;
  std::int64_t tail = 0;
  std::optional<StoredPoint> last;  // set for scalars
  std::optional<double> min;
  std::optional<double> max;
  bool dirty = false;  // changed in this group
  // Of a series that is logged without duplicates; not kept in the row.
  std::optional<RecentPoints> recent;
};

// The point of a row whose first columns are seq, step, time and value of metric_tail.
StoredPoint PointOfRow(const Statement& row);

Status InsertTail(Connection& db, SeriesKey series, std::span<const StoredPoint> points);
// The first `limit` rows of a tail, in order.
Result<std::vector<StoredPoint>> ReadTail(Connection& db, SeriesKey series, std::int64_t limit);
// Whether tail or chunks have such a point. Reads all of the tail and the chunks of that step.
Result<bool> HasPoint(Connection& db, SeriesKey series, const StoredPoint& point);
Status DeleteTail(Connection& db, SeriesKey series, std::int64_t up_to_seq);
// As few chunks as possible, of about the same size.
Status InsertChunks(Connection& db, SeriesKey series, std::span<const StoredPoint> points);

Result<std::optional<SeriesState>> ReadSummary(Connection& db, SeriesKey series);
Status WriteSummary(Connection& db, SeriesKey series, const SeriesState& state);

Result<std::int64_t> ReadBatch(Connection& db, std::int64_t run, const std::string& writer);
Status WriteBatch(Connection& db, std::int64_t run, const std::string& writer, std::int64_t number);
// Entries of all names.
Result<std::int64_t> CountEntries(Connection& db, std::int64_t run);

}  // namespace roost::store
