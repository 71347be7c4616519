#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/models/fused_norm.h"

namespace roost::trainer {

// Tensors and settings of a batch norm and the convolution (stride 1, no bias) after it.
struct NormConvWeights {
  NormParameters norm;
  ChannelMoments moments{};  // of the features, where CanFuseNorm; else undefined
  at::Tensor conv_weight;    // out x C x k x k
  std::int64_t padding = 0;
  bool training = true;  // batch statistics, else the running ones
};

// conv(relu(norm(cat(features)))) that keeps none of its intermediate tensors for the backward
// pass: that pass computes them again, which is cheap beside the convolution (Pleiss et al.,
// arXiv:1707.06990). `features` live on anyway as the outputs of earlier layers. The running
// statistics change once, in the forward pass; gradients are those of the plain operations. Cannot
// be differentiated twice.
at::Tensor RecomputedNormReluConv(const std::vector<at::Tensor>& features,
                                  const NormConvWeights& weights);

}  // namespace roost::trainer
