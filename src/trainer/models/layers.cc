#include "trainer/models/layers.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <atomic>
#include <utility>

#include "trainer/models/winograd_conv.h"

namespace roost::trainer {
namespace {

std::atomic<Winograd> use_winograd = Winograd::kNever;

bool HasWinogradForm(const torch::nn::Conv2d& conv) {
  const auto& options = conv->options;
  return options.stride()->at(0) == 1 && options.groups() == 1 &&
         options.kernel_size()->at(0) == 3 &&
         std::get<torch::ExpandingArray<2>>(options.padding())->at(0) == 1;
}

}  // namespace

torch::nn::Conv2d MakeConv(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel,
                           std::int64_t stride, std::int64_t padding, std::int64_t groups) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in_channels, out_channels, kernel)
                               .stride(stride)
                               .padding(padding)
                               .groups(groups)
                               .bias(false));
}

void UseWinograd(Winograd use) { use_winograd = use; }

at::Tensor Convolve(torch::nn::Conv2d& conv, const at::Tensor& x) {
  const Winograd use = use_winograd;
  if (use != Winograd::kNever && at::GradMode::is_enabled() && HasWinogradForm(conv) &&
      CanUseWinograd(x, conv->weight) && (use == Winograd::kWhereverItFits || WinogradPays(x))) {
    return WinogradConv2d(x, conv->weight);
  }
  return conv->forward(x);
}

bool FusesNorm(const torch::nn::BatchNorm2d& norm, const std::vector<at::Tensor>& features) {
  return norm->is_training() && norm->options.momentum().has_value() &&
         CanFuseNorm(features, ParametersOf(norm));
}

NormParameters ParametersOf(const torch::nn::BatchNorm2d& norm) {
  return {.weight = norm->weight,
          .bias = norm->bias,
          .running_mean = norm->running_mean,
          .running_var = norm->running_var,
          .momentum = norm->options.momentum().value_or(0),
          .epsilon = norm->options.eps()};
}

namespace {

at::Tensor Fused(torch::nn::BatchNorm2d& norm, const at::Tensor& x, const at::Tensor& residual,
                 bool relu) {
  const NormParameters parameters = ParametersOf(norm);
  norm->num_batches_tracked += 1;
  return FusedNorm({x}, MeasureAndMove(x, parameters), parameters, residual, relu);
}

}  // namespace

at::Tensor Norm(torch::nn::BatchNorm2d& norm, const at::Tensor& x) {
  if (FusesNorm(norm, {x})) return Fused(norm, x, {}, /*relu=*/false);
  return norm->forward(x);
}

// A norm's backward pass needs its input, not its output, so what follows it works in place.
at::Tensor NormRelu(torch::nn::BatchNorm2d& norm, const at::Tensor& x) {
  if (FusesNorm(norm, {x})) return Fused(norm, x, {}, /*relu=*/true);
  return norm->forward(x).relu_();
}

at::Tensor NormAddRelu(torch::nn::BatchNorm2d& norm, const at::Tensor& x,
                       const at::Tensor& residual) {
  if (FusesNorm(norm, {x}) && residual.sizes() == x.sizes()) {
    return Fused(norm, x, residual, /*relu=*/true);
  }
  return norm->forward(x).add_(residual).relu_();
}

at::Tensor FeatureMaps::Joined() const { return maps_.size() == 1 ? maps_[0] : at::cat(maps_, 1); }

const ChannelMoments& FeatureMaps::moments() {
  if (measured_.size() < maps_.size()) {
    while (measured_.size() < maps_.size()) measured_.push_back(MomentsOf(maps_[measured_.size()]));
    joined_ = roost::trainer::Joined(measured_);
  }
  return joined_;
}

at::Tensor NormRelu(torch::nn::BatchNorm2d& norm, FeatureMaps& features) {
  if (FusesNorm(norm, features.maps())) {
    const NormParameters parameters = ParametersOf(norm);
    const at::Tensor& first = features.maps().front();
    norm->num_batches_tracked += 1;
    MoveStatistics(parameters, features.moments(), first.numel() / first.size(1));
    return FusedNorm(features.maps(), features.moments(), parameters, {}, /*relu=*/true);
  }
  return NormRelu(norm, features.Joined());
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
