#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>
#include <string>

#include "trainer/models/graph.h"

namespace roost::trainer {

// The operations that the networks are made of. All convolutions and norms of all networks run
// through these functions, so a faster kernel has one place to go.

// Without bias; a norm follows each.
torch::nn::Conv2d MakeConv(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel,
                           std::int64_t stride = 1, std::int64_t padding = 0,
                           std::int64_t groups = 1);
at::Tensor Convolve(torch::nn::Conv2d& conv, const at::Tensor& x);
at::Tensor Norm(torch::nn::BatchNorm2d& norm, const at::Tensor& x);
at::Tensor NormRelu(torch::nn::BatchNorm2d& norm, const at::Tensor& x);
// relu(norm(x) + residual)
at::Tensor NormAddRelu(torch::nn::BatchNorm2d& norm, const at::Tensor& x,
                       const at::Tensor& residual);

// The same operations appended to a graph.
int DescribeConv(GraphBuilder& graph, int input, std::string name, const torch::nn::Conv2d& conv);
int DescribeNorm(GraphBuilder& graph, int input, std::string name,
                 const torch::nn::BatchNorm2d& norm);
int DescribeLinear(GraphBuilder& graph, int input, std::string name,
                   const torch::nn::Linear& linear);

}  // namespace roost::trainer
