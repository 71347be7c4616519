#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "store/metrics.h"

namespace roost::store {

// The newest points of one series, by (step, time): tells for most points without a look into the
// tables whether they are there already. Clients log in about the order of steps, so what comes is
// nearly always newer than all that is remembered, or among it.
class RecentPoints {
 public:
  // Of a series whose greatest point is `last`; none: it has no points.
  explicit RecentPoints(const std::optional<StoredPoint>& last);

  enum class Answer { kNew, kThere, kUnknown };
  Answer Find(const StoredPoint& point) const;
  void Add(const StoredPoint& point);

 private:
  using Place = std::pair<std::int64_t, std::int64_t>;  // step, time
  static Place PlaceOf(const StoredPoint& point) { return {point.step, point.time}; }
  void Forget();

  std::optional<Place> unknown_up_to_;  // points up to here may be in the tables alone
  std::vector<StoredPoint> points_;     // all that lie beyond
  std::optional<Place> greatest_;
};

// The same step, time and value; NaN is equal to NaN.
bool IsSamePoint(const StoredPoint& a, const StoredPoint& b);

}  // namespace roost::store
