#include "trainer/train/replicas.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <sstream>

namespace roost::trainer {
namespace {

using Settings = std::map<std::string, std::string>;

// Names and values hold no line breaks that matter: equal settings give equal texts.
std::string ToText(const Settings& settings) {
  std::string text;
  for (const auto& [name, value] : settings) text += name + "\t" + value + "\n";
  return text;
}

Settings FromText(const std::string& text) {
  Settings settings;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    if (tab != std::string::npos) settings[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return settings;
}

at::Tensor Doubles(const std::vector<double>& values) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kDouble);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<double>());
  return tensor;
}

std::vector<at::Tensor> TensorsOf(const ModelState& state) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : state) tensors.push_back(tensor);
  return tensors;
}

// Calls `visit` with each number of a training's position. 53 bits do for the counts.
template <class Visit>
void VisitPosition(Checkpoint& at, bool& has_optimizer, const Visit& visit) {
  visit(has_optimizer);
  visit(at.epoch);
  visit(at.next_batch);
  visit(at.sums.batches);
  visit(at.sums.images);
  visit(at.sums.unreadable);
  visit(at.sums.loss);
  visit(at.sums.wrong);
  visit(at.sums.seconds);
  visit(at.sums.wait_seconds);
  visit(at.sums.skipped_steps);
  visit(at.early_stop.has_last);
  visit(at.early_stop.last);
  visit(at.early_stop.count);
  visit(at.loss_scale.scale);
  visit(at.loss_scale.good_steps);
  visit(at.ended);
  visit(at.outcome.best_epoch);
  visit(at.outcome.best_top1);
}

}  // namespace

Replicas::Replicas(Classifier& model, ProcessGroup* group) : model_(model), group_(group) {
  if (group_ == nullptr) return;
  for (const auto& [name, tensor] : model.State()) {
    if (!tensor.requires_grad()) buffers_.push_back(tensor);
  }
  gradients_.emplace(model.Parameters(), *group_);
}

Status Replicas::CheckSame(const Settings& settings) {
  if (group_ == nullptr) return {};
  const std::string own = ToText(settings);
  ROOST_ASSIGN(const std::string first, group_->TextOfFirst("settings", own));
  if (first == own) return {};
  return Fail(ErrorCode::kConflict,
              "The processes of this training were started with different settings: " +
                  DifferencesOf(FromText(first), "is", settings,
                                "in rank " + std::to_string(rank()) + " it is") +
                  ". Start all with the same options and data.");
}

Status Replicas::ShareStart(Checkpoint* at, Optimizer& optimizer, const MovingAverage* average) {
  if (group_ == nullptr) return {};
  bool has_optimizer = !optimizer.State().empty();
  std::vector<double> numbers;
  VisitPosition(*at, has_optimizer,
                [&](auto& value) { numbers.push_back(static_cast<double>(value)); });
  const at::Tensor shared = Doubles(numbers);
  std::vector<at::Tensor> tensors = TensorsOf(model_.State());
  tensors.push_back(shared);
  if (average != nullptr) {
    for (const auto& [name, tensor] : average->state()) tensors.push_back(tensor);
  }
  ROOST_TRY(group_->Broadcast(tensors));
  const double* next = shared.const_data_ptr<double>();
  VisitPosition(*at, has_optimizer, [&](auto& value) {
    value = static_cast<std::remove_reference_t<decltype(value)>>(*next++);
  });
  if (!has_optimizer) return {};
  optimizer.PrepareState();
  return group_->Broadcast(TensorsOf(optimizer.State()));
}

Status Replicas::ShareBuffers() {
  return group_ == nullptr ? Status() : group_->Broadcast(buffers_);
}

void Replicas::StartSums(const BatchSums& sums) {
  sums_ = Doubles({sums.images, sums.loss, sums.wrong, sums.unreadable, sums.interrupts});
  if (group_ != nullptr) pending_sums_ = group_->StartSum(sums_);
}

Result<BatchSums> Replicas::FinishSums() {
  if (group_ != nullptr) ROOST_TRY(group_->Wait(std::move(pending_sums_)));
  const double* const sum = sums_.const_data_ptr<double>();
  return BatchSums{.images = sum[0],
                   .loss = sum[1],
                   .wrong = sum[2],
                   .unreadable = sum[3],
                   .interrupts = sum[4]};
}

Status Replicas::Add(EvaluationSums* sums) {
  if (group_ == nullptr) return {};
  const at::Tensor tensor =
      Doubles({sums->images, sums->loss, sums->right, sums->near, sums->interrupts});
  ROOST_TRY(group_->Sum(tensor));
  const double* const sum = tensor.const_data_ptr<double>();
  sums->images = sum[0];
  sums->loss = sum[1];
  sums->right = sum[2];
  sums->near = sum[3];
  sums->interrupts = sum[4];
  return {};
}

void Replicas::ArmGradients() {
  if (gradients_) gradients_->Arm();
}

Status Replicas::AverageGradients() { return gradients_ ? gradients_->Wait() : Status(); }

}  // namespace roost::trainer
