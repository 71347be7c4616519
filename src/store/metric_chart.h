#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "store/metric_chunk.h"
#include "store/metrics.h"

namespace roost::store {

class Connection;

// Thins a series out for a chart while its points go by in order. Consecutive points form buckets
// of one width; of each the extremes are kept (see Extremes), and of all the first and the last
// point. A block of which only the extremes are known counts as a whole.
class ChartBuilder {
 public:
  // Requires: buckets >= 2.
  ChartBuilder(std::int64_t total, std::size_t buckets);

  std::int64_t width() const { return width_; }  // points a bucket; 1: all are kept
  void Add(const StoredPoint& point);
  void Add(const Extremes& block);
  Chart Finish();

 private:
  void CloseBucket();
  void Keep(const StoredPoint& point);

  const std::int64_t width_;
  Extremes bucket_;
  std::optional<StoredPoint> last_;  // of the points that were given themselves
  Chart chart_;
};

struct StepRange {
  std::optional<std::int64_t> from;
  std::optional<std::int64_t> to;
  bool Contains(std::int64_t step) const {
    return (!from || step >= *from) && (!to || step <= *to);
  }
};

// Reads as little as the chart needs: whole chunks from their pyramids when the buckets are wide
// enough, the others, those at the ends and those that the range cuts, point by point.
Result<Chart> ReadChart(Connection& db, std::int64_t run, std::int64_t name_id, std::size_t buckets,
                        StepRange range);

}  // namespace roost::store
