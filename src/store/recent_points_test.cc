#include "store/recent_points.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace roost::store {
namespace {

using enum RecentPoints::Answer;

StoredPoint Point(std::int64_t step, Micros time, double value) {
  return {.seq = 0, .step = step, .time = time, .value = value};
}

TEST(RecentPoints, KnowsAllOfASeriesThatItSawFromItsFirstPoint) {
  RecentPoints recent(std::nullopt);
  recent.Add(Point(5, 1, 1));
  recent.Add(Point(2, 9, 1));  // clients may be late
  EXPECT_EQ(recent.Find(Point(5, 1, 1)), kThere);
  EXPECT_EQ(recent.Find(Point(2, 9, 1)), kThere);
  EXPECT_EQ(recent.Find(Point(5, 1, 2)), kNew);
  EXPECT_EQ(recent.Find(Point(5, 2, 1)), kNew);
  EXPECT_EQ(recent.Find(Point(0, 0, 1)), kNew);
}

TEST(RecentPoints, KnowsNothingUpToThePointThatTheTablesEndWith) {
  RecentPoints recent(Point(5, 3, 1));
  EXPECT_EQ(recent.Find(Point(5, 3, 1)), kUnknown);
  EXPECT_EQ(recent.Find(Point(4, 9, 1)), kUnknown);
  EXPECT_EQ(recent.Find(Point(5, 4, 1)), kNew);
  recent.Add(Point(5, 4, 1));
  EXPECT_EQ(recent.Find(Point(5, 4, 1)), kThere);
}

TEST(RecentPoints, ForgetsTheOldestPlacesAndKeepsTheNewest) {
  RecentPoints recent(std::nullopt);
  for (int step = 0; step < 1000; ++step) recent.Add(Point(step, 1, 1));
  EXPECT_EQ(recent.Find(Point(999, 1, 1)), kThere);
  EXPECT_EQ(recent.Find(Point(1000, 1, 1)), kNew);
  EXPECT_EQ(recent.Find(Point(0, 1, 1)), kUnknown);
}

// Clients that give no steps log many points in one millisecond.
TEST(RecentPoints, KnowsManyPointsOfOnePlace) {
  RecentPoints recent(std::nullopt);
  recent.Add(Point(0, 1, 0));
  for (int value = 0; value < 2000; ++value) recent.Add(Point(0, 2, value));
  EXPECT_EQ(recent.Find(Point(0, 2, 0)), kThere);
  EXPECT_EQ(recent.Find(Point(0, 2, -1)), kNew);
  for (int value = 2000; value < 5000; ++value) recent.Add(Point(0, 2, value));
  EXPECT_EQ(recent.Find(Point(0, 2, 0)), kUnknown);  // too many: the tables know
  EXPECT_EQ(recent.Find(Point(0, 3, 0)), kNew);
}

TEST(RecentPoints, NanIsTheSamePointAsNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  RecentPoints recent(std::nullopt);
  recent.Add(Point(1, 1, nan));
  EXPECT_EQ(recent.Find(Point(1, 1, nan)), kThere);
  EXPECT_EQ(recent.Find(Point(1, 1, 0)), kNew);
}

}  // namespace
}  // namespace roost::store
