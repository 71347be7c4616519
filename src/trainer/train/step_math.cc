#include "trainer/train/step_math.h"

#include <ATen/core/Reduction.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/scalar_tensor.h>

#include "trainer/models/autocast.h"

namespace roost::trainer {

MixShares SharesOf(double own) {
  if (own >= 1) return {};
  return {.own = at::scalar_tensor(own, at::kDouble),
          .others = at::scalar_tensor(1 - own, at::kDouble)};
}

at::Tensor Mixed(const at::Tensor& images, const MixShares& mix) {
  if (!mix.own.defined()) return images;
  return images.mul(mix.own).add(images.flip(0).mul(mix.others));
}

at::Tensor TrainingLogits(Classifier& model, const at::Tensor& images, Precision precision) {
  if (precision == Precision::kFp32) return model.Forward(images);
  const AutocastScope autocast(images.device().type(), true,
                               precision == Precision::kBf16 ? at::kBFloat16 : at::kHalf);
  return model.Forward(images).to(at::kFloat);
}

at::Tensor TrainingLoss(const at::Tensor& logits, const at::Tensor& classes, const MixShares& mix,
                        double label_smoothing) {
  const auto loss = [&](const at::Tensor& wanted) {
    return at::cross_entropy_loss(logits, wanted, {}, at::Reduction::Mean, -100, label_smoothing);
  };
  if (!mix.own.defined()) return loss(classes);
  return loss(classes).mul(mix.own).add(loss(classes.flip(0)).mul(mix.others));
}

at::Tensor CountWrong(const at::Tensor& logits, const at::Tensor& classes) {
  return logits.detach().argmax(1).ne(classes).sum();
}

}  // namespace roost::trainer
