#include "trainer/distributed/gradient_buckets.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace roost::trainer {
namespace {

// Bytes at whose multiples gradients begin, so that a GPU's optimizer loads several numbers at once
// whatever the sizes of other parameters.
constexpr std::int64_t kAlignment = 64;

}  // namespace

struct GradientBuckets::Slot {
  at::Tensor parameter{};
  at::Tensor place{};  // in its bucket, laid out as the parameter
  std::size_t bucket = 0;
  bool full = false;
};

struct GradientBuckets::Bucket {
  at::Tensor values{};
  std::size_t slots = 0;
  std::size_t full = 0;
  std::unique_ptr<ProcessGroup::Pending> sum{};
};

// Runs when a gradient is complete. Owned by the parameter.
class GradientBuckets::Hook : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientBuckets& buckets, std::size_t parameter)
      : buckets_(buckets), parameter_(parameter) {}
  void operator()(const at::Tensor&) override {
    if (!buckets_.armed_) return;
    buckets_.Fill(parameter_);
    buckets_.StartFullOnes();
  }

 private:
  GradientBuckets& buckets_;
  const std::size_t parameter_;
};

GradientBuckets::GradientBuckets(const Parameters& parameters, ProcessGroup& group,
                                 const Sizes& sizes)
    : group_(group), slots_(parameters.size()) {
  const at::NoGradGuard no_history;
  std::vector<std::int64_t> counts;  // of each bucket, in elements
  std::vector<std::int64_t> starts(parameters.size());
  for (std::size_t i = parameters.size(); i-- > 0;) {
    const at::Tensor& parameter = parameters[i].second;
    Slot& slot = slots_[i];
    slot.parameter = parameter;
    const std::int64_t limit = counts.size() < 2 ? sizes.first_bytes : sizes.bytes;
    const bool same_type =
        !buckets_.empty() && buckets_.back().values.scalar_type() == parameter.scalar_type();
    // As DistributedDataParallel: a bucket is closed when it has reached its size.
    if (counts.empty() || !same_type || counts.back() * parameter.element_size() >= limit) {
      counts.push_back(0);
      buckets_.emplace_back();
      buckets_.back().values = at::empty({0}, parameter.options().requires_grad(false));
    }
    slot.bucket = buckets_.size() - 1;
    const std::int64_t unit = kAlignment / parameter.element_size();
    starts[i] = (counts.back() + unit - 1) / unit * unit;
    counts.back() = starts[i] + parameter.numel();
    ++buckets_.back().slots;
  }
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    buckets_[i].values = at::zeros({counts[i]}, buckets_[i].values.options());
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    slot.place = buckets_[slot.bucket].values.as_strided(slot.parameter.sizes(),
                                                         slot.parameter.strides(), starts[i]);
    torch::autograd::impl::set_post_acc_grad_hooks(slot.parameter,
                                                   std::make_unique<Hook>(*this, i));
  }
}

GradientBuckets::GradientBuckets(const Parameters& parameters, ProcessGroup& group)
    : GradientBuckets(parameters, group, Sizes()) {}

GradientBuckets::~GradientBuckets() {
  for (const Slot& slot : slots_) {
    torch::autograd::impl::set_post_acc_grad_hooks(slot.parameter, nullptr);
  }
}

std::size_t GradientBuckets::bucket_count() const { return buckets_.size(); }

void GradientBuckets::Arm() {
  next_ = 0;
  armed_ = true;
  for (Slot& slot : slots_) slot.full = false;
  for (Bucket& bucket : buckets_) bucket.full = 0;
}

void GradientBuckets::Fill(std::size_t parameter) {
  Slot& slot = slots_[parameter];
  if (slot.full) return;
  const at::NoGradGuard no_history;
  const at::Tensor& gradient = slot.parameter.grad();
  if (gradient.defined()) {
    // A scalar of the processor is an argument of the GPU's operation.
    at::mul_out(slot.place, gradient,
                at::scalar_tensor(1.0 / group_.size(), gradient.options().device(at::kCPU)));
  } else {
    slot.place.zero_();
  }
  // At once, which frees the gradient's own memory.
  slot.parameter.mutable_grad() = slot.place;
  slot.full = true;
  ++buckets_[slot.bucket].full;
}

void GradientBuckets::StartFullOnes() {
  for (; next_ < buckets_.size() && buckets_[next_].full == buckets_[next_].slots; ++next_) {
    buckets_[next_].sum = group_.StartSum(buckets_[next_].values);
  }
}

Status GradientBuckets::Wait() {
  for (std::size_t i = 0; i < slots_.size(); ++i) Fill(i);
  StartFullOnes();
  armed_ = false;
  for (Bucket& bucket : buckets_) ROOST_TRY(group_.Wait(std::move(bucket.sum)));
  return {};
}

}  // namespace roost::trainer
