#pragma once

#include <cstdint>

#include "trainer/train/options.h"

namespace roost::trainer {

// The learning rate of epoch `epoch` (from 0) out of `epochs`, the first `warmup` of which warm up,
// towards the target rate L:
//   warm-up     1e-4 + (L - 1e-4) e / W                      (the component's; W warm-up epochs)
//   polynomial  1e-7 + (L - 1e-7) (1 - (e - W) / (E - W))^2  (the component's)
//   cosine      1e-7 + (L - 1e-7) (1 + cos(pi (e - W) / (E - W))) / 2
// As in the component the rate changes between epochs only. When all epochs warm up, no decay
// follows.
double LearningRateOf(ScheduleKind kind, double target, std::int64_t epoch, std::int64_t epochs,
                      std::int64_t warmup);

// Progressive resolution: the side of the images of epoch `epoch` (from 0), in pixels. It grows
// evenly from `start` in the first epoch to `full` in epoch ceil(share * epochs), and stays there;
// before, it is rounded to the nearest multiple of 32, by which the networks shrink an image:
//   start + (full - start) e / (share E)
// Requires: 32 <= start <= full, 0 <= share <= 1.
std::int64_t ProgressiveSide(std::int64_t start, std::int64_t full, double share,
                             std::int64_t epoch, std::int64_t epochs);

// Ends a training whose validation loss has stopped falling. As the component does, each loss is
// compared with that of the epoch before, not with the best one: not smaller counts, smaller starts
// the count anew. The first epoch never counts; a loss that is no number counts.
class EarlyStop {
 public:
  explicit EarlyStop(std::int64_t patience) : patience_(patience) {}
  // True: stop.
  bool Add(double validation_loss);

  struct State {
    bool has_last = false;
    double last = 0;
    std::int64_t count = 0;
  };
  const State& state() const { return state_; }
  void Restore(const State& state) { state_ = state; }

 private:
  std::int64_t patience_;
  State state_;
};

}  // namespace roost::trainer
