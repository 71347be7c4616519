#include "trainer/models/recomputed.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "trainer/models/autocast.h"

namespace roost::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor Normed(at::ArrayRef<at::Tensor> features, const NormConvWeights& w) {
  if (w.moments.mean.defined()) {
    return FusedNormForward(features, w.moments, w.norm, {}, /*relu=*/true);
  }
  return at::batch_norm(features.size() == 1 ? features[0] : at::cat(features, 1), w.norm.weight,
                        w.norm.bias, w.norm.running_mean, w.norm.running_var, w.training,
                        w.norm.momentum, w.norm.epsilon, at::globalContext().userEnabledCuDNN())
      .relu_();
}

// Saved: norm weight, norm bias, conv weight, then the features.
struct Recomputed : torch::autograd::Function<Recomputed> {
  enum Saved : std::size_t { kNormWeight, kNormBias, kConvWeight, kFeatures };

  static at::Tensor forward(AutogradContext* context, const NormConvWeights& weights,
                            const at::Tensor& norm_weight, const at::Tensor& norm_bias,
                            const at::Tensor& conv_weight, at::TensorList features) {
    variable_list saved = {norm_weight, norm_bias, conv_weight};
    saved.insert(saved.end(), features.begin(), features.end());
    context->save_for_backward(saved);
    auto& data = context->saved_data;
    data["training"] = weights.training;
    data["padding"] = weights.padding;
    data["momentum"] = weights.norm.momentum;
    data["epsilon"] = weights.norm.epsilon;
    if (!weights.training) {
      data["running_mean"] = weights.norm.running_mean;
      data["running_var"] = weights.norm.running_var;
    }
    if (weights.moments.mean.defined()) {
      data["mean"] = weights.moments.mean;
      data["variance"] = weights.moments.variance;
      MoveStatistics(weights.norm, weights.moments,
                     features.front().numel() / features.front().size(1));
    }
    const at::DeviceType device = features.front().device().type();
    data["autocast"] = at::autocast::is_autocast_enabled(device);
    data["dtype"] = static_cast<std::int64_t>(at::autocast::get_autocast_dtype(device));
    return at::conv2d(Normed(features, weights), conv_weight, {}, /*stride=*/1, weights.padding);
  }

  // The convolution's own output is not needed for its gradients, so it alone is not computed
  // again.
  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const variable_list saved = context->get_saved_variables();
    const bool fused = context->saved_data.count("mean") > 0;
    variable_list inputs;  // as `saved`, but the start of a history of their own
    variable_list wanted;
    for (std::size_t i = 0; i < saved.size(); ++i) {
      const bool wants = saved[i].requires_grad() && i != kConvWeight;
      inputs.push_back(saved[i].detach().set_requires_grad(wants && !fused));
      if (wants) wanted.push_back(inputs.back());
    }
    const NormConvWeights weights = WeightsOf(context, inputs);
    const at::Tensor normed = Recompute(context, weights, inputs);

    // Autocast may have computed the convolution in a type of its own.
    const at::Tensor& gradient = output_gradients.at(0);
    const at::ScalarType type = gradient.scalar_type();
    const at::Tensor& weight = inputs[kConvWeight];
    const std::int64_t padding = context->saved_data["padding"].toInt();
    const bool wants_weight = saved[kConvWeight].requires_grad();
    const auto [normed_gradient, weight_gradient, no_bias] = at::convolution_backward(
        gradient, normed.detach().to(type), weight.to(type), at::OptionalIntArrayRef(), {1, 1},
        {padding, padding}, {1, 1}, /*transposed=*/false, {0, 0}, /*groups=*/1,
        {!wanted.empty(), wants_weight, false});

    variable_list gradients(1);  // for `weights`, which is no tensor
    const at::Tensor conv_gradient =
        wants_weight ? weight_gradient.to(weight.scalar_type()) : at::Tensor();
    if (fused && !wanted.empty()) {
      const NormGradients found =
          FusedNormBackward(normed_gradient, at::TensorList(inputs).slice(kFeatures),
                            weights.moments, weights.norm, {}, /*relu=*/true);
      gradients.insert(gradients.end(), {found.weight, found.bias, conv_gradient});
      gradients.insert(gradients.end(), found.features.begin(), found.features.end());
      return gradients;
    }
    variable_list found;
    if (!wanted.empty()) {
      found = torch::autograd::grad({normed}, wanted, {normed_gradient.to(normed.scalar_type())});
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < saved.size(); ++i) {
      if (i == kConvWeight) {
        gradients.push_back(conv_gradient);
      } else {
        gradients.push_back(inputs[i].requires_grad() ? found[next++] : at::Tensor());
      }
    }
    return gradients;
  }

 private:
  // For training without running statistics, so none change again.
  static NormConvWeights WeightsOf(AutogradContext* context, const variable_list& inputs) {
    auto& data = context->saved_data;
    NormConvWeights weights;
    weights.norm.weight = inputs[kNormWeight];
    weights.norm.bias = inputs[kNormBias];
    weights.norm.momentum = data["momentum"].toDouble();
    weights.norm.epsilon = data["epsilon"].toDouble();
    weights.training = data["training"].toBool();
    if (!weights.training) {
      weights.norm.running_mean = data["running_mean"].toTensor();
      weights.norm.running_var = data["running_var"].toTensor();
    }
    if (data.count("mean") > 0) {
      weights.moments = {.mean = data["mean"].toTensor(), .variance = data["variance"].toTensor()};
    }
    return weights;
  }

  static at::Tensor Recompute(AutogradContext* context, const NormConvWeights& weights,
                              const variable_list& inputs) {
    auto& data = context->saved_data;
    const at::AutoGradMode record(true);
    // The backward pass runs outside autocast, but computes again what ran inside it.
    const AutocastScope autocast(inputs[kFeatures].device().type(), data["autocast"].toBool(),
                                 static_cast<at::ScalarType>(data["dtype"].toInt()));
    return Normed(at::ArrayRef<at::Tensor>(inputs).slice(kFeatures), weights);
  }
};

}  // namespace

at::Tensor RecomputedNormReluConv(const std::vector<at::Tensor>& features,
                                  const NormConvWeights& weights) {
  return Recomputed::apply(weights, weights.norm.weight, weights.norm.bias, weights.conv_weight,
                           at::TensorList(features));
}

}  // namespace roost::trainer
