#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace roost::trainer {

// What a dense layer does before its 3 x 3 convolution.
struct BottleneckWeights {
  at::Tensor norm_weight, norm_bias;     // C
  at::Tensor running_mean, running_var;  // C; updated in training
  at::Tensor conv_weight;                // out x C x 1 x 1
  bool training = true;                  // batch statistics, else the running ones
  double momentum = 0.1;
  double epsilon = 1e-5;
};

// conv(relu(norm(cat(features)))) that keeps none of its intermediate tensors for the backward
// pass: that pass computes them again (Pleiss et al., arXiv:1707.06990). `features` live on anyway
// as the outputs of earlier layers. The running statistics change once, in the forward pass;
// gradients are those of the plain operations. Cannot be differentiated twice.
at::Tensor EfficientBottleneck(const std::vector<at::Tensor>& features,
                               const BottleneckWeights& weights);

}  // namespace roost::trainer
