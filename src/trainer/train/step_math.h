#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/models/model.h"
#include "trainer/train/options.h"

namespace roost::trainer {

// What a training step computes, written once for steps that are launched operation by operation
// and for those that are recorded whole.

// Mixup's share of each image, and that of its partner, 1 - share: scalars, on the CPU or on the
// device. Undefined: nothing is mixed.
struct MixShares {
  at::Tensor own, others;
};
MixShares SharesOf(double own);  // on the CPU; undefined for 1

// Each image with the one that is as far from the end of the batch (Zhang et al., arXiv:1710.09412;
// batches are shuffled already).
at::Tensor Mixed(const at::Tensor& images, const MixShares& mix);
// The logits in 32 bits, whatever they were computed in.
at::Tensor TrainingLogits(Classifier& model, const at::Tensor& images, Precision precision);
// The mean over the batch, a scalar; of mixed images for both classes.
at::Tensor TrainingLoss(const at::Tensor& logits, const at::Tensor& classes, const MixShares& mix,
                        double label_smoothing);
// How many images' most likely class is another, a scalar of 64-bit integers.
at::Tensor CountWrong(const at::Tensor& logits, const at::Tensor& classes);

}  // namespace roost::trainer
