#include "trainer/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace roost::trainer {
namespace {

constexpr double kWarmUpStart = 1e-4;
constexpr double kEnd = 1e-7;
constexpr double kSideStep = 32;

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

std::int64_t ProgressiveSide(std::int64_t start, std::int64_t full, double share,
                             std::int64_t epoch, std::int64_t epochs) {
  const double reached = share * static_cast<double>(epochs);
  if (static_cast<double>(epoch) >= reached) return full;
  const double side = static_cast<double>(start) +
                      static_cast<double>(full - start) * static_cast<double>(epoch) / reached;
  return std::min(full, static_cast<std::int64_t>(std::round(side / kSideStep) * kSideStep));
}

bool EarlyStop::Add(double validation_loss) {
  if (state_.has_last) state_.count = validation_loss < state_.last ? 0 : state_.count + 1;
  state_.has_last = true;
  state_.last = validation_loss;
  return state_.count >= patience_;
}

}  // namespace roost::trainer
