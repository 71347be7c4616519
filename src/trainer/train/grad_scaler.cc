#include "trainer/train/grad_scaler.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <limits>

namespace roost::trainer {
namespace {

constexpr double kGrowth = 2;
constexpr double kBackoff = 0.5;
constexpr std::int64_t kGrowthInterval = 2000;
// PyTorch keeps the scale as a float and does not let it grow to infinity.
constexpr double kLargestScale = std::numeric_limits<float>::max();
// Below one, gradients are not enlarged any more; this is some 30 halvings further.
constexpr double kLeastScale = 1e-9;

}  // namespace

at::Tensor GradScaler::Scaled(const at::Tensor& loss) const {
  return enabled_ ? loss.mul(state_.scale) : loss;
}

bool GradScaler::Unscale(const std::vector<at::Tensor>& gradients) const {
  if (!enabled_ || gradients.empty()) return true;
  const at::NoGradGuard no_grad;
  const at::TensorOptions options = gradients.front().options().dtype(at::kFloat);
  at::Tensor infinite = at::zeros({1}, options);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, infinite,
                                                 at::full({1}, 1 / state_.scale, options));
  return infinite.item().toDouble() == 0;
}

Status GradScaler::Update(bool finite) {
  if (!enabled_) return {};
  if (!finite) {
    state_.scale *= kBackoff;
    state_.good_steps = 0;
    if (state_.scale >= kLeastScale) return {};
    return Fail(ErrorCode::kInvalidArgument,
                "The gradients are no finite numbers in 16 bits (fp16), however small the loss is "
                "made. Take the precision bf16 or fp32, or a lower learning rate.");
  }
  if (++state_.good_steps == kGrowthInterval) {
    if (state_.scale * kGrowth <= kLargestScale) state_.scale *= kGrowth;
    state_.good_steps = 0;
  }
  return {};
}

}  // namespace roost::trainer
