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
  return at::batch_norm(features.size() == 1 ? features[0] : at::cat(features, 1), w.norm_weight,
                        w.norm_bias, w.running_mean, w.running_var, w.training, w.momentum,
                        w.epsilon, at::globalContext().userEnabledCuDNN())
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
    data["momentum"] = weights.momentum;
    data["epsilon"] = weights.epsilon;
    if (!weights.training) {
      data["running_mean"] = weights.running_mean;
      data["running_var"] = weights.running_var;
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
    variable_list inputs;  // as `saved`, but the start of a history of their own
    variable_list wanted;
    for (std::size_t i = 0; i < saved.size(); ++i) {
      const bool wants = saved[i].requires_grad();
      inputs.push_back(saved[i].detach().set_requires_grad(wants && i != kConvWeight));
      if (inputs.back().requires_grad()) wanted.push_back(inputs.back());
    }
    const bool wants_features = !wanted.empty();
    const at::Tensor normed = Recompute(context, inputs);

    // Autocast may have computed the convolution in a type of its own.
    const at::Tensor& gradient = output_gradients.at(0);
    const at::ScalarType type = gradient.scalar_type();
    const at::Tensor& weight = inputs[kConvWeight];
    const std::int64_t padding = context->saved_data["padding"].toInt();
    const bool wants_weight = saved[kConvWeight].requires_grad();
    const auto [normed_gradient, weight_gradient, no_bias] = at::convolution_backward(
        gradient, normed.detach().to(type), weight.to(type), at::OptionalIntArrayRef(), {1, 1},
        {padding, padding}, {1, 1}, /*transposed=*/false, {0, 0}, /*groups=*/1,
        {wants_features, wants_weight, false});
    variable_list found;
    if (wants_features) {
      found = torch::autograd::grad({normed}, wanted, {normed_gradient.to(normed.scalar_type())});
    }

    variable_list gradients(1);  // for `weights`, which is no tensor
    std::size_t next = 0;
    for (std::size_t i = 0; i < saved.size(); ++i) {
      if (i == kConvWeight) {
        gradients.push_back(wants_weight ? weight_gradient.to(weight.scalar_type()) : at::Tensor());
      } else {
        gradients.push_back(inputs[i].requires_grad() ? found[next++] : at::Tensor());
      }
    }
    return gradients;
  }

 private:
  static at::Tensor Recompute(AutogradContext* context, const variable_list& inputs) {
    auto& data = context->saved_data;
    NormConvWeights weights;  // training: without running statistics, so none change again
    weights.norm_weight = inputs[kNormWeight];
    weights.norm_bias = inputs[kNormBias];
    weights.training = data["training"].toBool();
    weights.momentum = data["momentum"].toDouble();
    weights.epsilon = data["epsilon"].toDouble();
    if (!weights.training) {
      weights.running_mean = data["running_mean"].toTensor();
      weights.running_var = data["running_var"].toTensor();
    }
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
  return Recomputed::apply(weights, weights.norm_weight, weights.norm_bias, weights.conv_weight,
                           at::TensorList(features));
}

}  // namespace roost::trainer
