#pragma once

#include "trainer/cuda/run_time_kernels.h"
#include "trainer/models/fused_norm.h"

// The parts of fused_norm.h on a GPU, over cuda/norm_kernels.cuh: features, residual and gradients
// are float32, float16 or bfloat16, all else is float32. Nothing here waits for the GPU, so a graph
// can capture it. `gpu` launches the kernels; in tests it runs them on the CPU.
namespace roost::trainer::device_norm {

// With `moved` its running statistics take the same step, in the same launch.
ChannelMoments MomentsOf(KernelLauncher& gpu, const at::Tensor& x, const NormParameters* moved);
void MoveStatistics(KernelLauncher& gpu, const NormParameters& norm, const ChannelMoments& moments,
                    std::int64_t count);
at::Tensor Forward(KernelLauncher& gpu, at::TensorList features, const ChannelMoments& moments,
                   const NormParameters& norm, const at::Tensor& residual, bool relu);
NormGradients Backward(KernelLauncher& gpu, const at::Tensor& gradient, at::TensorList features,
                       const ChannelMoments& moments, const NormParameters& norm,
                       const at::Tensor& y, bool relu);

}  // namespace roost::trainer::device_norm
