#include "trainer/train/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sub.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <optional>

namespace roost::trainer {
namespace {

// torch.optim.AdamW's defaults.
constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kEpsilon = 1e-8;

}  // namespace

Optimizer::Optimizer(Parameters parameters, const TrainOptions& options)
    : parameters_(std::move(parameters)),
      kind_(options.optimizer),
      momentum_(options.momentum),
      weight_decay_(options.weight_decay) {}

void Optimizer::ZeroGradients() {
  for (auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
}

std::vector<at::Tensor> Optimizer::Gradients() const {
  std::vector<at::Tensor> gradients;
  for (const auto& [name, parameter] : parameters_) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  return gradients;
}

void Optimizer::ClipNorm(double limit) {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> gradients = Gradients();
  if (gradients.empty()) return;
  const at::Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2)), 2);
  at::_foreach_mul_(gradients, norm.add(1e-6).reciprocal().mul(limit).clamp_max(1));
}

// Zeros do for SGD too: the first step's momentum is 0 * momentum + gradient.
void Optimizer::PrepareState() {
  const at::NoGradGuard no_grad;
  if (!first_.empty()) return;
  for (const auto& [name, parameter] : parameters_) {
    first_.push_back(at::zeros_like(parameter));
    if (kind_ != OptimizerKind::kAdamW) continue;
    second_.push_back(at::zeros_like(parameter));
    steps_.push_back(at::zeros({}, parameter.options().dtype(at::kFloat)));
  }
}

void Optimizer::Step(double learning_rate) { StepBy(learning_rate, {}); }

void Optimizer::Step(const at::Tensor& learning_rate, const at::Tensor& infinite) {
  StepBy(learning_rate, infinite);
}

template <class Rate>
void Optimizer::StepBy(const Rate& learning_rate, const at::Tensor& infinite) {
  const at::NoGradGuard no_grad;
  const auto left_out = infinite.defined() ? std::optional(infinite) : std::nullopt;
  PrepareState();
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> gradients;
  std::vector<at::Tensor> first;
  std::vector<at::Tensor> second;
  std::vector<at::Tensor> steps;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& parameter = parameters_[i].second;
    if (!parameter.grad().defined()) continue;
    parameters.push_back(parameter);
    gradients.push_back(parameter.grad());
    first.push_back(first_[i]);
    if (kind_ != OptimizerKind::kAdamW) continue;
    second.push_back(second_[i]);
    steps.push_back(steps_[i]);
  }
  if (parameters.empty()) return;
  if (kind_ == OptimizerKind::kAdamW) {
    at::_foreach_add_(steps, 1);
    at::_fused_adamw_(parameters, gradients, first, second, {}, steps, learning_rate, kBeta1,
                      kBeta2, weight_decay_, kEpsilon, /*amsgrad=*/false, /*maximize=*/false,
                      /*grad_scale=*/{}, left_out);
    if (left_out) at::_foreach_sub_(steps, std::vector(steps.size(), infinite.squeeze()));
    return;
  }
  // Without momentum the operation takes no buffers.
  if (momentum_ == 0) first.clear();
  at::_fused_sgd_(parameters, gradients, first, weight_decay_, momentum_, learning_rate,
                  /*dampening=*/0, /*nesterov=*/momentum_ > 0, /*maximize=*/false,
                  /*is_first_step=*/false, /*grad_scale=*/{}, left_out);
}

ModelState Optimizer::State() const {
  ModelState state;
  for (std::size_t i = 0; i < first_.size(); ++i) {
    const std::string& name = parameters_[i].first;
    if (kind_ == OptimizerKind::kSgd) {
      state.emplace_back("momentum." + name, first_[i]);
      continue;
    }
    state.emplace_back("exp_avg." + name, first_[i]);
    state.emplace_back("exp_avg_sq." + name, second_[i]);
    state.emplace_back("step." + name, steps_[i]);
  }
  return state;
}

Status Optimizer::LoadState(const ModelState& state, std::string_view source) {
  if (state.empty()) return {};
  const at::NoGradGuard no_grad;
  PrepareState();
  return CopyState(state, State(), source, "the optimizer");
}

MovingAverage::MovingAverage(const ModelState& state, double decay) : decay_(decay) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state) average_.emplace_back(name, tensor.detach().clone());
}

void MovingAverage::Add(const ModelState& state, const at::Tensor& infinite) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> averages;
  std::vector<at::Tensor> news;
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (!state[i].second.is_floating_point()) {
      at::Tensor& count = average_[i].second;
      count.copy_(infinite.defined() ? at::where(infinite.squeeze().eq(1), count, state[i].second)
                                     : state[i].second);
      continue;
    }
    averages.push_back(average_[i].second);
    news.push_back(state[i].second.detach());
  }
  if (!infinite.defined()) {
    at::_foreach_lerp_(averages, news, 1 - decay_);
    return;
  }
  const at::Tensor share = infinite.squeeze().mul(-1).add(1).mul(1 - decay_);
  at::_foreach_lerp_(averages, news, std::vector(averages.size(), share));
}

}  // namespace roost::trainer
