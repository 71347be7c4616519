#pragma once

#include <ATen/core/Tensor.h>

namespace roost::trainer {

// True where WinogradConv2d can stand for a convolution with 3x3 windows, stride 1 and padding 1:
// float32 on the CPU, images stored N x H x W x C, whole registers of channels.
bool CanUseWinograd(const at::Tensor& x, const at::Tensor& weight);
// And where it is faster: the processor has AVX-512, and there are tiles enough for what turning
// the weights costs.
bool WinogradPays(const at::Tensor& x);

// conv2d(x, weight, stride 1, padding 1), its gradients too by Winograd's method, see
// kernels/winograd.h. Rounding errors are at most twice those of torch's own convolutions
// (winograd_conv_test.cc measures both against float64). The same number of threads gives the same
// bits. Requires: CanUseWinograd. Cannot be differentiated twice.
at::Tensor WinogradConv2d(const at::Tensor& x, const at::Tensor& weight);

}  // namespace roost::trainer
