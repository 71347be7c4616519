#include "trainer/models/layers.h"

#include <utility>

namespace roost::trainer {

torch::nn::Conv2d MakeConv(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel,
                           std::int64_t stride, std::int64_t padding, std::int64_t groups) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in_channels, out_channels, kernel)
                               .stride(stride)
                               .padding(padding)
                               .groups(groups)
                               .bias(false));
}

at::Tensor Convolve(torch::nn::Conv2d& conv, const at::Tensor& x) { return conv->forward(x); }

at::Tensor Norm(torch::nn::BatchNorm2d& norm, const at::Tensor& x) { return norm->forward(x); }

// A norm's backward pass needs its input, not its output, so what follows it works in place.
at::Tensor NormRelu(torch::nn::BatchNorm2d& norm, const at::Tensor& x) {
  return norm->forward(x).relu_();
}

at::Tensor NormAddRelu(torch::nn::BatchNorm2d& norm, const at::Tensor& x,
                       const at::Tensor& residual) {
  return norm->forward(x).add_(residual).relu_();
}

int DescribeConv(GraphBuilder& graph, int input, std::string name, const torch::nn::Conv2d& conv) {
  const auto& options = conv->options;
  const std::int64_t padding =
      std::get<torch::ExpandingArray<2>>(options.padding())->at(0);  // always given as a number
  return graph.Conv(input, std::move(name), options.out_channels(), options.kernel_size()->at(0),
                    options.stride()->at(0), padding, options.groups(), options.bias());
}

int DescribeNorm(GraphBuilder& graph, int input, std::string name,
                 const torch::nn::BatchNorm2d& norm) {
  return graph.BatchNorm(input, std::move(name), norm->options.eps());
}

int DescribeLinear(GraphBuilder& graph, int input, std::string name,
                   const torch::nn::Linear& linear) {
  return graph.Linear(input, std::move(name), linear->options.out_features(),
                      linear->options.bias());
}

}  // namespace roost::trainer
