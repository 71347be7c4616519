#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "trainer/distributed/process_group.h"

namespace roost::trainer {

// Averages the gradients of a network over a group while the backward pass still computes others.
//
// Gradients are gathered in flat buckets in the reverse order of the parameters, which is about
// the order in which they become ready: a first small one, so that the sum starts early, then
// larger ones, with the sizes of PyTorch's DistributedDataParallel. As there each gradient is
// divided by the number of processes, then summed. A bucket is summed as soon as it and all before
// it are full: the same order in every process, whatever the order of its gradients.
//
// Used by one thread, which also runs the backward pass (torch's engine may run hooks on its own).
// On a GPU all of a backward pass runs on one stream: the sum of a bucket follows the gradient that
// filled it.
class GradientBuckets {
 public:
  using Parameters = std::vector<std::pair<std::string, at::Tensor>>;
  struct Sizes {
    std::int64_t first_bytes = 1 << 20;
    std::int64_t bytes = 25 << 20;
  };

  // Parameters must be dense, and stay the same tensors of the same layout. `group` must outlive
  // this.
  GradientBuckets(const Parameters& parameters, ProcessGroup& group, const Sizes& sizes);
  GradientBuckets(const Parameters& parameters, ProcessGroup& group);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;

  // The gradients that the next backward pass ends with are averaged; those of passes before it are
  // in them.
  void Arm();
  // Waits for the averages, which are the parameters' gradients from then on. A parameter without a
  // gradient, or a process that had nothing to compute, adds zeros.
  Status Wait();

  std::size_t bucket_count() const;

 private:
  struct Slot;
  struct Bucket;
  class Hook;

  void Fill(std::size_t parameter);
  void StartFullOnes();

  ProcessGroup& group_;
  std::vector<Slot> slots_;  // one a parameter, in their order
  std::vector<Bucket> buckets_;
  std::size_t next_ = 0;  // bucket to start
  bool armed_ = false;
};

}  // namespace roost::trainer
