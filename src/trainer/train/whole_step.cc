#include "trainer/train/whole_step.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "trainer/train/image_tensors.h"
#include "trainer/train/step_math.h"

namespace roost::trainer {

WholeStep::WholeStep(const Parts& parts, const at::Device& device, std::int64_t height,
                     std::int64_t width)
    : parts_(parts) {
  const at::TensorOptions here(device);
  const std::int64_t count = parts_.options.batch_size;
  batch_ = {.bytes = at::empty({count, height, width, 3}, here.dtype(at::kByte)),
            .classes = at::empty({count}, here.dtype(at::kLong))};
  // The fused optimizers of a GPU read the rate as a float; that of the CPU keeps all its digits.
  const at::TensorOptions number = here.dtype(device.is_cpu() ? at::kDouble : at::kFloat);
  learning_rate_ = at::zeros({}, number);
  mix_share_ = at::zeros({}, number);
  mix_others_ = at::zeros({}, number);
  loss_scale_ = at::zeros({}, here.dtype(at::kFloat));
  inverse_scale_ = at::zeros({1}, here.dtype(at::kFloat));
  outcome_ = at::zeros({3}, here.dtype(at::kDouble));
  step_ = CapturedStep::Make(device, [this] { Work(); });
}

bool WholeStep::Fits(std::int64_t height, std::int64_t width) const {
  return batch_.bytes.size(1) == height && batch_.bytes.size(2) == width;
}

void WholeStep::Start(const DeviceBatch& batch, const Settings& settings) {
  const at::NoGradGuard no_history;
  batch_.bytes.copy_(batch.bytes);
  batch_.classes.copy_(batch.classes);
  learning_rate_.fill_(settings.learning_rate);
  mix_share_.fill_(settings.mix_share);
  mix_others_.fill_(1 - settings.mix_share);
  loss_scale_.fill_(settings.loss_scale);
  inverse_scale_.fill_(1 / settings.loss_scale);
  const at::AutoGradMode history(true);
  step_->Run();
}

WholeStep::Outcome WholeStep::Finish() {
  const at::Tensor outcome = outcome_.to(at::kCPU);
  const double* const values = outcome.const_data_ptr<double>();
  return {.loss = values[0], .wrong = values[1], .finite = values[2] == 0};
}

void WholeStep::Work() {
  const TrainOptions& options = parts_.options;
  const bool scales = options.precision == Precision::kFp16;
  const MixShares mix =
      options.mixup > 0 ? MixShares{.own = mix_share_, .others = mix_others_} : MixShares{};
  const at::Tensor images = Mixed(Normalized(batch_.bytes, options.channels_last), mix);
  const at::Tensor logits = TrainingLogits(parts_.model, images, options.precision);
  const at::Tensor loss = TrainingLoss(logits, batch_.classes, mix, options.label_smoothing);
  (scales ? loss.mul(loss_scale_) : loss).backward();

  const at::NoGradGuard no_history;
  at::Tensor infinite;  // 1 where the step is to be left out
  if (scales) {
    infinite = at::zeros({1}, loss_scale_.options());
    at::_amp_foreach_non_finite_check_and_unscale_(parts_.optimizer.Gradients(), infinite,
                                                   inverse_scale_);
  }
  if (options.clip_norm > 0) parts_.optimizer.ClipNorm(options.clip_norm);
  parts_.optimizer.Step(learning_rate_, infinite);
  parts_.optimizer.ZeroGradients();
  if (parts_.average != nullptr) parts_.average->Add(parts_.model.State(), infinite);
  const at::Tensor none = at::zeros({}, outcome_.options());
  outcome_.copy_(
      at::stack({loss.detach().to(at::kDouble), CountWrong(logits, batch_.classes).to(at::kDouble),
                 scales ? infinite.squeeze().to(at::kDouble) : none}));
}

}  // namespace roost::trainer
