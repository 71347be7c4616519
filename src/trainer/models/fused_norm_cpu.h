#pragma once

#include "trainer/models/fused_norm.h"

// The parts of fused_norm.h for float32 on the CPU, over kernels/norm.
namespace roost::trainer::cpu_norm {

ChannelMoments MomentsOf(const at::Tensor& x);
void MoveStatistics(const NormParameters& norm, const ChannelMoments& moments, std::int64_t count);
at::Tensor Forward(at::TensorList features, const ChannelMoments& moments,
                   const NormParameters& norm, const at::Tensor& residual, bool relu);
NormGradients Backward(const at::Tensor& gradient, at::TensorList features,
                       const ChannelMoments& moments, const NormParameters& norm,
                       const at::Tensor& y, bool relu);

}  // namespace roost::trainer::cpu_norm
