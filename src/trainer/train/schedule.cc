#include "trainer/train/schedule.h"

#include <cmath>
#include <numbers>

namespace roost::trainer {
namespace {

constexpr double kWarmUpStart = 1e-4;
constexpr double kEnd = 1e-7;

}  // namespace

double LearningRateOf(ScheduleKind kind, double target, std::int64_t epoch, std::int64_t epochs,
                      std::int64_t warmup) {
  if (epoch < warmup) {
    return kWarmUpStart +
           (target - kWarmUpStart) * static_cast<double>(epoch) / static_cast<double>(warmup);
  }
  const double done = static_cast<double>(epoch - warmup) /
                      static_cast<double>(std::max<std::int64_t>(epochs - warmup, 1));
  if (kind == ScheduleKind::kCosine) {
    return kEnd + (target - kEnd) * (1 + std::cos(std::numbers::pi * done)) / 2;
  }
  return kEnd + (target - kEnd) * (1 - done) * (1 - done);
}

bool EarlyStop::Add(double validation_loss) {
  if (state_.has_last) state_.count = validation_loss < state_.last ? 0 : state_.count + 1;
  state_.has_last = true;
  state_.last = validation_loss;
  return state_.count >= patience_;
}

}  // namespace roost::trainer
