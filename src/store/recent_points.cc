#include "store/recent_points.h"

#include <algorithm>
#include <cmath>

namespace roost::store {
namespace {

// 4 KiB of memory a series.
constexpr std::size_t kRemembered = 128;
// Points of one and the same step and time, which are kept together.
constexpr std::size_t kMostTies = 4096;

}  // namespace

bool IsSamePoint(const StoredPoint& a, const StoredPoint& b) {
  const bool same_value = a.value == b.value || (std::isnan(a.value) && std::isnan(b.value));
  return a.step == b.step && a.time == b.time && same_value;
}

RecentPoints::RecentPoints(const std::optional<StoredPoint>& last) {
  if (last) unknown_up_to_ = greatest_ = PlaceOf(*last);
}

RecentPoints::Answer RecentPoints::Find(const StoredPoint& point) const {
  const Place place = PlaceOf(point);
  if (!greatest_ || place > *greatest_) return Answer::kNew;  // nearly always
  if (unknown_up_to_ && place <= *unknown_up_to_) return Answer::kUnknown;
  const bool there = std::any_of(points_.rbegin(), points_.rend(), [&](const StoredPoint& other) {
    return IsSamePoint(point, other);
  });
  return there ? Answer::kThere : Answer::kNew;
}

void RecentPoints::Add(const StoredPoint& point) {
  const Place place = PlaceOf(point);
  if (unknown_up_to_ && place <= *unknown_up_to_) return;
  if (!greatest_ || place > *greatest_) greatest_ = place;
  points_.push_back(point);
  if (points_.size() >= kRemembered) Forget();
}

// All but those at the greatest place, where the next points are likely to come.
void RecentPoints::Forget() {
  std::optional<Place> forgotten;
  std::erase_if(points_, [&](const StoredPoint& point) {
    const Place place = PlaceOf(point);
    if (place == *greatest_) return false;
    if (!forgotten || place > *forgotten) forgotten = place;
    return true;
  });
  if (points_.size() > kMostTies) {
    points_.clear();
    forgotten = greatest_;
  }
  if (forgotten) unknown_up_to_ = forgotten;
}

}  // namespace roost::store
