#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "trainer/models/model_state.h"
#include "trainer/train/options.h"

namespace roost::trainer {

// torch.optim.SGD (Nesterov) or torch.optim.AdamW with their formulas, one fused call a step.
// Parameters without a gradient are left alone. Throws c10::Error as torch's operations do.
class Optimizer {
 public:
  using Parameters = std::vector<std::pair<std::string, at::Tensor>>;
  Optimizer(Parameters parameters, const TrainOptions& options);

  void ZeroGradients();
  // The tensors themselves, of the parameters that have one.
  std::vector<at::Tensor> Gradients() const;
  // Scales the gradients down so that their common norm is at most `limit`, as
  // torch.nn.utils.clip_grad_norm_ does.
  void ClipNorm(double limit);
  void Step(double learning_rate);
  // The same without waiting for a GPU: the rate is a scalar there. Where `infinite` is defined and
  // 1 (one float) nothing is changed.
  void Step(const at::Tensor& learning_rate, const at::Tensor& infinite);

  // Momentum and the like, by "momentum.<parameter>", "exp_avg.<parameter>" and so on: the tensors
  // themselves. Empty before the first step of SGD.
  ModelState State() const;
  // Makes what State gives, as zeros, where the first step has not yet made it.
  void PrepareState();
  // Takes all of it; names what is missing or of another shape.
  Status LoadState(const ModelState& state, std::string_view source);

 private:
  // A number or a tensor.
  template <class Rate>
  void StepBy(const Rate& learning_rate, const at::Tensor& infinite);

  Parameters parameters_;
  const OptimizerKind kind_;
  const double momentum_;
  const double weight_decay_;
  std::vector<at::Tensor> first_{};   // momentum, exp_avg; of all parameters once there are any
  std::vector<at::Tensor> second_{};  // exp_avg_sq
  std::vector<at::Tensor> steps_{};   // AdamW counts, one a parameter
};

// An exponential moving average of weights and buffers: average = decay average + (1 - decay) new.
class MovingAverage {
 public:
  MovingAverage(const ModelState& state, double decay);  // starts as a copy
  // Where `infinite` is defined and 1 (one float) the averages are left alone.
  void Add(const ModelState& state, const at::Tensor& infinite = {});
  const ModelState& state() const { return average_; }

 private:
  const double decay_;
  ModelState average_;
};

}  // namespace roost::trainer
