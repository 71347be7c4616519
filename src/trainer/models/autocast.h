#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

namespace roost::trainer {

// Computes in another type while it lives, as Python's torch.autocast: convolutions and matrix
// products in `dtype`, sums that need the range in float. Of this thread alone, and of the forward
// pass alone: the backward pass follows what the forward pass recorded. The casts of weights are
// kept until the outermost scope ends, so no weight may change inside of it.
class AutocastScope {
 public:
  AutocastScope(c10::DeviceType device, bool enabled, c10::ScalarType dtype);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  c10::DeviceType device_;
  bool enabled_before_;
  c10::ScalarType dtype_before_;
};

}  // namespace roost::trainer
