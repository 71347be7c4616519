#include "trainer/models/efficient_bottleneck.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace roost::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The backward pass runs outside autocast, but computes again what ran inside it.
class AutocastScope {
 public:
  AutocastScope(at::DeviceType device, bool enabled, at::ScalarType dtype)
      : device_(device),
        enabled_before_(at::autocast::is_autocast_enabled(device)),
        dtype_before_(at::autocast::get_autocast_dtype(device)) {
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, dtype);
    at::autocast::increment_nesting();
  }
  ~AutocastScope() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, enabled_before_);
    at::autocast::set_autocast_dtype(device_, dtype_before_);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_before_;
  at::ScalarType dtype_before_;
};

at::Tensor Compute(at::ArrayRef<at::Tensor> features, const BottleneckWeights& w) {
  const at::Tensor normed = at::batch_norm(at::cat(features, 1), w.norm_weight, w.norm_bias,
                                           w.running_mean, w.running_var, w.training, w.momentum,
                                           w.epsilon, at::globalContext().userEnabledCuDNN());
  return at::conv2d(normed.relu_(), w.conv_weight);
}

// Saved: norm weight, norm bias, conv weight, then the features.
struct Recomputed : torch::autograd::Function<Recomputed> {
  static constexpr std::size_t kWeights = 3;

  static at::Tensor forward(AutogradContext* context, const BottleneckWeights& weights,
                            const at::Tensor& norm_weight, const at::Tensor& norm_bias,
                            const at::Tensor& conv_weight, at::TensorList features) {
    variable_list saved = {norm_weight, norm_bias, conv_weight};
    saved.insert(saved.end(), features.begin(), features.end());
    context->save_for_backward(saved);
    context->saved_data["training"] = weights.training;
    context->saved_data["momentum"] = weights.momentum;
    context->saved_data["epsilon"] = weights.epsilon;
    if (!weights.training) {
      context->saved_data["running_mean"] = weights.running_mean;
      context->saved_data["running_var"] = weights.running_var;
    }
    const at::DeviceType device = features.front().device().type();
    context->saved_data["autocast"] = at::autocast::is_autocast_enabled(device);
    context->saved_data["dtype"] =
        static_cast<std::int64_t>(at::autocast::get_autocast_dtype(device));
    return Compute(features, weights);
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const variable_list saved = context->get_saved_variables();
    variable_list inputs;  // as `saved`, but the start of a history of their own
    variable_list wanted;
    for (const at::Tensor& tensor : saved) {
      inputs.push_back(tensor.detach().set_requires_grad(tensor.requires_grad()));
      if (tensor.requires_grad()) wanted.push_back(inputs.back());
    }
    const variable_list found = Differentiate(context, inputs, wanted, output_gradients.at(0));

    variable_list gradients(1);  // for `weights`, which is no tensor
    std::size_t next = 0;
    for (const at::Tensor& tensor : saved) {
      gradients.push_back(tensor.requires_grad() ? found[next++] : at::Tensor());
    }
    return gradients;
  }

 private:
  static variable_list Differentiate(AutogradContext* context, const variable_list& inputs,
                                     const variable_list& wanted, const at::Tensor& gradient) {
    auto& data = context->saved_data;
    BottleneckWeights weights;  // training: without running statistics, so none change again
    weights.norm_weight = inputs[0];
    weights.norm_bias = inputs[1];
    weights.conv_weight = inputs[2];
    weights.training = data["training"].toBool();
    weights.momentum = data["momentum"].toDouble();
    weights.epsilon = data["epsilon"].toDouble();
    if (!weights.training) {
      weights.running_mean = data["running_mean"].toTensor();
      weights.running_var = data["running_var"].toTensor();
    }
    at::Tensor output;
    {
      const at::AutoGradMode record(true);
      const AutocastScope autocast(gradient.device().type(), data["autocast"].toBool(),
                                   static_cast<at::ScalarType>(data["dtype"].toInt()));
      output = Compute(at::ArrayRef<at::Tensor>(inputs).slice(kWeights), weights);
    }
    return torch::autograd::grad({output}, wanted, {gradient});
  }
};

}  // namespace

at::Tensor EfficientBottleneck(const std::vector<at::Tensor>& features,
                               const BottleneckWeights& weights) {
  return Recomputed::apply(weights, weights.norm_weight, weights.norm_bias, weights.conv_weight,
                           at::TensorList(features));
}

}  // namespace roost::trainer
