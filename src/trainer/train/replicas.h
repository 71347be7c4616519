#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "trainer/distributed/gradient_buckets.h"
#include "trainer/distributed/process_group.h"
#include "trainer/models/model.h"
#include "trainer/train/checkpoint.h"
#include "trainer/train/evaluation.h"
#include "trainer/train/optimizer.h"

namespace roost::trainer {

// What the processes add up for each batch.
struct BatchSums {
  double images = 0;
  double loss = 0;   // times images
  double wrong = 0;  // images
  double unreadable = 0;
  double interrupts = 0;  // processes that were told to end
};

// The networks of a group's processes, which stay equal: rank 0's weights and buffers at the start,
// its buffers (running statistics of batch norms) before each step as DistributedDataParallel with
// broadcast_buffers has them, averaged gradients. Without a group there is one, and nothing to do.
class Replicas {
 public:
  // Requires: `model` has its final memory layout. `group` may be null.
  Replicas(Classifier& model, ProcessGroup* group);

  int rank() const { return group_ == nullptr ? 0 : group_->rank(); }
  int size() const { return group_ == nullptr ? 1 : group_->size(); }
  bool first() const { return rank() == 0; }

  // Every process was started with the same settings; the error names those that differ.
  Status CheckSame(const std::map<std::string, std::string>& settings);
  // Where rank 0's training stands, to all: the position, weights, optimizer, average. The reports
  // of past epochs and the best weights stay with rank 0.
  Status ShareStart(Checkpoint* at, Optimizer& optimizer, const MovingAverage* average);
  Status ShareBuffers();

  // Adds up a batch's sums while the backward pass runs.
  void StartSums(const BatchSums& sums);
  Result<BatchSums> FinishSums();
  Status Add(EvaluationSums* sums);

  // Around the backward pass that ends a step.
  void ArmGradients();
  Status AverageGradients();

 private:
  Classifier& model_;
  ProcessGroup* const group_;
  std::vector<at::Tensor> buffers_;
  std::optional<GradientBuckets> gradients_;
  at::Tensor sums_;
  std::unique_ptr<ProcessGroup::Pending> pending_sums_;
};

}  // namespace roost::trainer
