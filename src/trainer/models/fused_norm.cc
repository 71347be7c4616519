#include "trainer/models/fused_norm.h"

#include <ATen/autocast_mode.h>
#include <ATen/ops/cat.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "trainer/cuda/run_time_kernels.h"
#include "trainer/models/fused_norm_cpu.h"
#include "trainer/models/fused_norm_device.h"

namespace roost::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Saved: norm weight, norm bias, mean, variance, y (or undefined), then the features.
struct Fused : torch::autograd::Function<Fused> {
  enum Saved : std::size_t { kWeight, kBias, kMean, kVariance, kY, kFeatures };

  static at::Tensor forward(AutogradContext* context, const NormParameters& norm,
                            const ChannelMoments& moments, bool relu, const at::Tensor& weight,
                            const at::Tensor& bias, const std::optional<at::Tensor>& residual,
                            at::TensorList features) {
    at::Tensor y = FusedNormForward(features, moments, norm, residual.value_or(at::Tensor()), relu);
    variable_list saved = {weight, bias, moments.mean, moments.variance,
                           residual && relu ? y : at::Tensor()};
    saved.insert(saved.end(), features.begin(), features.end());
    context->save_for_backward(saved);
    context->saved_data["relu"] = relu;
    context->saved_data["residual"] = residual.has_value();
    context->saved_data["epsilon"] = norm.epsilon;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const variable_list saved = context->get_saved_variables();
    NormParameters norm;
    norm.weight = saved[kWeight];
    norm.bias = saved[kBias];
    norm.epsilon = context->saved_data["epsilon"].toDouble();
    const bool relu = context->saved_data["relu"].toBool();
    const at::Tensor& gradient = output_gradients.at(0);
    NormGradients found = FusedNormBackward(gradient, at::TensorList(saved).slice(kFeatures),
                                            {.mean = saved[kMean], .variance = saved[kVariance]},
                                            norm, saved[kY], relu);
    if (context->saved_data["residual"].toBool() && !relu) found.residual = gradient;
    variable_list gradients(3);  // for norm, moments and relu, which are no tensors
    gradients.insert(gradients.end(), {found.weight, found.bias, found.residual});
    gradients.insert(gradients.end(), found.features.begin(), found.features.end());
    return gradients;
  }
};

bool FitsLayout(const at::Tensor& x) {
  return x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
         x.numel() / std::max<std::int64_t>(x.size(1), 1) > 1;
}

bool TakesCpu(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat &&
         !at::autocast::is_autocast_enabled(at::kCPU);
}

// Autocast or not: what comes is normalised in the type in which it comes, as torch does.
bool TakesGpu(const at::Tensor& x) {
  return x.is_cuda() && GpuKernels() != nullptr &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kHalf ||
          x.scalar_type() == at::kBFloat16);
}

}  // namespace

bool CanFuseNorm(const std::vector<at::Tensor>& features, const NormParameters& norm) {
  const at::Tensor& first = features.front();
  const auto fits = [&](const at::Tensor& x) {
    return x.defined() && x.device() == first.device() && x.scalar_type() == at::kFloat;
  };
  return fits(norm.weight) && fits(norm.bias) && fits(norm.running_mean) &&
         (TakesCpu(first) || TakesGpu(first)) &&
         std::all_of(features.begin(), features.end(), [&](const at::Tensor& x) {
           return FitsLayout(x) && x.device() == first.device() &&
                  x.scalar_type() == first.scalar_type();
         });
}

ChannelMoments MomentsOf(const at::Tensor& x) {
  return x.is_cuda() ? device_norm::MomentsOf(*GpuKernels(), x, nullptr) : cpu_norm::MomentsOf(x);
}

ChannelMoments MeasureAndMove(const at::Tensor& x, const NormParameters& norm) {
  if (x.is_cuda()) return device_norm::MomentsOf(*GpuKernels(), x, &norm);
  const ChannelMoments moments = cpu_norm::MomentsOf(x);
  MoveStatistics(norm, moments, x.numel() / x.size(1));
  return moments;
}

ChannelMoments Joined(const std::vector<ChannelMoments>& moments) {
  if (moments.size() == 1) return moments.front();
  std::vector<at::Tensor> means;
  std::vector<at::Tensor> variances;
  for (const ChannelMoments& part : moments) {
    means.push_back(part.mean);
    variances.push_back(part.variance);
  }
  return {.mean = at::cat(means), .variance = at::cat(variances)};
}

void MoveStatistics(const NormParameters& norm, const ChannelMoments& moments, std::int64_t count) {
  if (moments.mean.is_cuda()) {
    device_norm::MoveStatistics(*GpuKernels(), norm, moments, count);
  } else {
    cpu_norm::MoveStatistics(norm, moments, count);
  }
}

at::Tensor FusedNormForward(at::TensorList features, const ChannelMoments& moments,
                            const NormParameters& norm, const at::Tensor& residual, bool relu) {
  return features.front().is_cuda()
             ? device_norm::Forward(*GpuKernels(), features, moments, norm, residual, relu)
             : cpu_norm::Forward(features, moments, norm, residual, relu);
}

NormGradients FusedNormBackward(const at::Tensor& gradient, at::TensorList features,
                                const ChannelMoments& moments, const NormParameters& norm,
                                const at::Tensor& y, bool relu) {
  return features.front().is_cuda()
             ? device_norm::Backward(*GpuKernels(), gradient, features, moments, norm, y, relu)
             : cpu_norm::Backward(gradient, features, moments, norm, y, relu);
}

at::Tensor FusedNorm(const std::vector<at::Tensor>& features, const ChannelMoments& moments,
                     const NormParameters& norm, const at::Tensor& residual, bool relu) {
  return Fused::apply(
      norm, moments, relu, norm.weight, norm.bias,
      residual.defined() ? std::optional(residual.to(features[0].scalar_type())) : std::nullopt,
      at::TensorList(features));
}

}  // namespace roost::trainer
