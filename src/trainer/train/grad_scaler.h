#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace roost::trainer {

// Scales the loss, so that small gradients do not vanish in 16-bit floats, as torch.amp.GradScaler
// with its constants: the scale starts at 2^16, doubles after 2000 steps in a row with finite
// gradients, and is halved after a step without, which is to be left out. A step:
//   Scaled(loss).backward()                    of each batch that the step is made of
//   finite = Unscale(gradients); Update(finite)
//   the step itself, and what bounds its norm, only if `finite`
// Switched off, it changes nothing and finds all gradients finite.
class GradScaler {
 public:
  struct State {
    double scale = 65536;
    std::int64_t good_steps = 0;  // since the scale changed
  };

  explicit GradScaler(bool enabled) : enabled_(enabled) {}

  at::Tensor Scaled(const at::Tensor& loss) const;
  // Divides the gradients by the scale, in place. False: one of them has a number that is not
  // finite.
  bool Unscale(const std::vector<at::Tensor>& gradients) const;
  // An error when the scale has become so small that it cannot be what makes them infinite.
  Status Update(bool finite);

  const State& state() const { return state_; }
  void Restore(const State& state) { state_ = state; }

 private:
  bool enabled_;
  State state_{};
};

}  // namespace roost::trainer
