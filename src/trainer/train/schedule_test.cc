#include "trainer/train/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;

// What the component itself was seen to use for L = 0.001 and two epochs.
TEST(ScheduleTest, PolynomialDecayIsTheComponents) {
  const auto rate = [](std::int64_t epoch) {
    return LearningRateOf(ScheduleKind::kPolynomial, 0.001, epoch, 2, 0);
  };
  EXPECT_DOUBLE_EQ(rate(0), 0.001);
  EXPECT_NEAR(rate(1), 0.000250075, 1e-12);
}

TEST(ScheduleTest, WarmUpRisesToTheTargetAndThenDecays) {
  const auto rate = [](std::int64_t epoch) {
    return LearningRateOf(ScheduleKind::kPolynomial, 0.1, epoch, 6, 2);
  };
  EXPECT_DOUBLE_EQ(rate(0), 1e-4);
  EXPECT_DOUBLE_EQ(rate(1), 1e-4 + (0.1 - 1e-4) / 2);
  EXPECT_DOUBLE_EQ(rate(2), 0.1);
  EXPECT_NEAR(rate(4), 1e-7 + (0.1 - 1e-7) * 0.25, 1e-15);
}

TEST(ScheduleTest, CosineGoesFromTheTargetToTheEnd) {
  const auto rate = [](std::int64_t epoch) {
    return LearningRateOf(ScheduleKind::kCosine, 0.1, epoch, 4, 0);
  };
  EXPECT_DOUBLE_EQ(rate(0), 0.1);
  EXPECT_NEAR(rate(2), (0.1 + 1e-7) / 2, 1e-12);
  EXPECT_LT(rate(3), rate(2));
}

TEST(ScheduleTest, WarmUpMayTakeAllEpochs) {
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    const double rate = LearningRateOf(ScheduleKind::kPolynomial, 0.1, epoch, 3, 3);
    EXPECT_TRUE(std::isfinite(rate));
    EXPECT_LT(rate, 0.1);
  }
}

std::vector<std::int64_t> Sides(std::int64_t start, std::int64_t full, double share,
                                std::int64_t epochs) {
  std::vector<std::int64_t> sides;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    sides.push_back(ProgressiveSide(start, full, share, epoch, epochs));
  }
  return sides;
}

TEST(ProgressiveSideTest, GrowsEvenlyInStepsOf32ToTheFullSide) {
  EXPECT_THAT(Sides(128, 224, 0.8, 10),
              ElementsAre(128, 128, 160, 160, 192, 192, 192, 224, 224, 224));
  EXPECT_THAT(Sides(96, 224, 1, 4), ElementsAre(96, 128, 160, 192));
  EXPECT_THAT(Sides(128, 224, 0.5, 1), ElementsAre(128));
  EXPECT_THAT(Sides(128, 224, 0, 2), ElementsAre(224, 224));
}

TEST(ProgressiveSideTest, TheFullSideIsReachedExactlyAndNeverExceeded) {
  EXPECT_THAT(Sides(32, 40, 0.5, 4), ElementsAre(32, 32, 40, 40));
  EXPECT_THAT(Sides(100, 104, 0.75, 4), ElementsAre(96, 96, 96, 104));
  EXPECT_THAT(Sides(50, 50, 1, 3), ElementsAre(50, 50, 50));
}

TEST(EarlyStopTest, ComparesWithTheEpochBefore) {
  EarlyStop stop(2);
  EXPECT_FALSE(stop.Add(1.0));
  EXPECT_FALSE(stop.Add(2.0));  // one
  EXPECT_FALSE(stop.Add(1.5));  // smaller than the one before, though not than the best: anew
  EXPECT_FALSE(stop.Add(1.5));  // not smaller: one
  EXPECT_TRUE(stop.Add(1.6));
}

TEST(EarlyStopTest, GoesOnFromItsState) {
  EarlyStop first(2);
  first.Add(1.0);
  first.Add(1.0);
  EarlyStop second(2);
  second.Restore(first.state());
  EXPECT_TRUE(second.Add(std::numeric_limits<double>::quiet_NaN()));
}

}  // namespace
}  // namespace roost::trainer
