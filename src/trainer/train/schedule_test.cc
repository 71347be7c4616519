#include "trainer/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace roost::trainer {
namespace {

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
