#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/models/fused_norm.h"
#include "trainer/models/graph.h"

namespace roost::trainer {

// The operations that the networks are made of. All convolutions and norms of all networks run
// through these functions, so a faster kernel has one place to go.

// Without bias; a norm follows each.
torch::nn::Conv2d MakeConv(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel,
                           std::int64_t stride = 1, std::int64_t padding = 0,
                           std::int64_t groups = 1);
// Whether convolutions of all networks that are recorded for a backward pass take Winograd's method
// where it fits and pays, see winograd_conv.h; for tests also where it is slower. Off at first;
// call it before training begins.
enum class Winograd { kNever, kWhereItPays, kWhereverItFits };
void UseWinograd(Winograd use);
at::Tensor Convolve(torch::nn::Conv2d& conv, const at::Tensor& x);
at::Tensor Norm(torch::nn::BatchNorm2d& norm, const at::Tensor& x);
at::Tensor NormRelu(torch::nn::BatchNorm2d& norm, const at::Tensor& x);
// relu(norm(x) + residual)
at::Tensor NormAddRelu(torch::nn::BatchNorm2d& norm, const at::Tensor& x,
                       const at::Tensor& residual);

// Feature maps side by side, as channels of one image: DenseNet's layers normalise them again and
// again. Their moments are measured once, and they are put together only where that is needed.
class FeatureMaps {
 public:
  explicit FeatureMaps(at::Tensor first) { Append(std::move(first)); }
  void Append(at::Tensor x) { maps_.push_back(std::move(x)); }
  const std::vector<at::Tensor>& maps() const { return maps_; }
  at::Tensor Joined() const;
  const ChannelMoments& moments();

 private:
  std::vector<at::Tensor> maps_;
  std::vector<ChannelMoments> measured_;
  ChannelMoments joined_;
};
at::Tensor NormRelu(torch::nn::BatchNorm2d& norm, FeatureMaps& features);

// True where a norm in training takes the fused way, see fused_norm.h.
bool FusesNorm(const torch::nn::BatchNorm2d& norm, const std::vector<at::Tensor>& features);
NormParameters ParametersOf(const torch::nn::BatchNorm2d& norm);

// The same operations appended to a graph.
int DescribeConv(GraphBuilder& graph, int input, std::string name, const torch::nn::Conv2d& conv);
int DescribeNorm(GraphBuilder& graph, int input, std::string name,
                 const torch::nn::BatchNorm2d& norm);
int DescribeLinear(GraphBuilder& graph, int input, std::string name,
                   const torch::nn::Linear& linear);

}  // namespace roost::trainer
