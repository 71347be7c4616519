#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace roost::trainer {

// Batch norm in training with what follows it, in as few passes over memory as can be: one for the
// statistics and one for the result, two in the backward pass. torch takes six and eight. For
// images stored N x H x W x C: of float32 on the CPU; of float32, float16 or bfloat16 on a GPU,
// where weight, bias and statistics are float32 all the same. Gradients are those of the plain
// operations (He et al.'s closed form); results do not depend on the number of threads.

// Tensors and settings of a norm.
struct NormParameters {
  at::Tensor weight, bias;               // C
  at::Tensor running_mean, running_var;  // C; moved by a training step, the variance unbiased
  double momentum = 0.1;
  double epsilon = 1e-5;
};

// True where the functions below can stand for torch's: type, device and layout fit.
bool CanFuseNorm(const std::vector<at::Tensor>& features, const NormParameters& norm);

// Mean and biased variance of each channel, in float64, on a GPU in float32. They belong to the
// images alone: what normalises the same feature maps again, as DenseNet does, need not measure
// them again.
struct ChannelMoments {
  at::Tensor mean, variance;
};
ChannelMoments MomentsOf(const at::Tensor& x);
ChannelMoments Joined(const std::vector<ChannelMoments>& moments);  // of cat(features, 1)

// Moves the running statistics by one step. `count` is N x H x W.
void MoveStatistics(const NormParameters& norm, const ChannelMoments& moments, std::int64_t count);
// MomentsOf(x) and the step that they make, which on a GPU costs nothing beside them.
ChannelMoments MeasureAndMove(const at::Tensor& x, const NormParameters& norm);

// norm(cat(features)), + residual where it is defined, then ReLU if asked for; recorded for the
// backward pass, which keeps the features and, with a residual, the result. Requires: CanFuseNorm;
// a residual is of the shape of a single feature, and is converted to its type. The result has the
// features' type.
at::Tensor FusedNorm(const std::vector<at::Tensor>& features, const ChannelMoments& moments,
                     const NormParameters& norm, const at::Tensor& residual, bool relu);

// The same without recording, and its backward pass, for those who record on their own.
at::Tensor FusedNormForward(at::TensorList features, const ChannelMoments& moments,
                            const NormParameters& norm, const at::Tensor& residual, bool relu);
struct NormGradients {
  std::vector<at::Tensor> features;
  at::Tensor weight, bias, residual;
};
// `y` is the result where there was a residual, else undefined.
NormGradients FusedNormBackward(const at::Tensor& gradient, at::TensorList features,
                                const ChannelMoments& moments, const NormParameters& norm,
                                const at::Tensor& y, bool relu);

}  // namespace roost::trainer
