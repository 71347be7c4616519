#include "trainer/models/fused_norm_device.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>

#include "trainer/cuda/norm_plan.h"
#include "trainer/cuda/norm_program.h"

namespace roost::trainer::device_norm {
namespace {

namespace kernels = norm_kernels;

constexpr at::MemoryFormat kLayout = at::MemoryFormat::ChannelsLast;

std::int64_t PixelsOf(const at::Tensor& x) { return x.size(0) * x.size(2) * x.size(3); }

at::Tensor Floats(const at::Tensor& like, at::IntArrayRef sizes) {
  return at::empty(sizes,
                   like.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous));
}

// Of the element type and layout that the kernels take for all.
at::Tensor Rows(const at::Tensor& x, at::ScalarType type) {
  return x.defined() ? x.to(type).contiguous(kLayout) : x;
}

const void* Address(const at::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }
void* MutableAddress(const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr() : nullptr; }

// Launches of one norm's kernels: how they divide the work, and the tensors that all of them read.
class Launches {
 public:
  // `images`: the other tensors whose rows are read and written beside the features.
  Launches(KernelLauncher& gpu, at::TensorList features, const std::vector<at::Tensor>& images)
      : gpu_(gpu), features_(features) {
    std::vector<std::int64_t> channels;
    for (const at::Tensor& x : features) channels.push_back(x.size(1));
    const at::ScalarType type = features.front().scalar_type();
    const int vector = VectorOf(type, channels, images);
    program_ = &NormProgram(type, vector);
    plan_ = PlanNorm(PixelsOf(features.front()), channels, vector, gpu.Multiprocessors());
    std::size_t next = 0;
    for (kernels::FeatureMaps& maps : plan_.launches) {
      for (int i = 0; i < maps.count; ++i) maps.of[i].x = features[next++].const_data_ptr();
    }
  }

  int partials() const { return plan_.partials; }
  std::int64_t channels() const { return plan_.launches.front().channels; }
  at::Tensor EmptyPartials() const {
    return Floats(features_.front(), {plan_.partials, 2, channels()});
  }
  void GradientsTo(const std::vector<at::Tensor>& gradients) {
    std::size_t next = 0;
    for (kernels::FeatureMaps& maps : plan_.launches) {
      for (int i = 0; i < maps.count; ++i) {
        maps.of[i].gradient = gradients[next++].mutable_data_ptr();
      }
    }
  }

  template <class Arguments>
  void OverPixels(NormKernel kernel, Arguments arguments) const {
    for (std::size_t i = 0; i < plan_.launches.size(); ++i) {
      arguments.maps = plan_.launches[i];
      gpu_.Launch(*program_, kernel, plan_.sizes[i], &arguments);
    }
  }
  template <class Arguments>
  void Finish(NormKernel kernel, const Arguments& arguments) const {
    gpu_.Launch(*program_, kernel, FinishSize(channels()), &arguments);
  }

 private:
  // 16 bytes at a time where every row of every tensor begins at a multiple of them.
  int VectorOf(at::ScalarType type, const std::vector<std::int64_t>& channels,
               const std::vector<at::Tensor>& images) const {
    const int vector = NormVector(type);
    const auto aligned = [](const at::Tensor& x) {
      return reinterpret_cast<std::uintptr_t>(Address(x)) % 16 == 0;
    };
    const bool fits = std::all_of(features_.begin(), features_.end(), aligned) &&
                      std::all_of(images.begin(), images.end(), aligned) &&
                      std::all_of(channels.begin(), channels.end(),
                                  [&](std::int64_t count) { return count % vector == 0; });
    return fits ? vector : 1;
  }

  KernelLauncher& gpu_;
  const at::TensorList features_;
  const KernelSource* program_;
  NormPlan plan_;
};

kernels::RunningStatistics Running(const NormParameters& norm, std::int64_t count) {
  return {.mean = norm.running_mean.mutable_data_ptr<float>(),
          .variance = norm.running_var.mutable_data_ptr<float>(),
          .momentum = norm.momentum,
          .unbiased = static_cast<double>(count) / static_cast<double>(count - 1)};
}

kernels::NormLine Line(const ChannelMoments& moments, const NormParameters& norm, bool relu) {
  return {.mean = moments.mean.const_data_ptr<float>(),
          .variance = moments.variance.const_data_ptr<float>(),
          .weight = norm.weight.const_data_ptr<float>(),
          .bias = norm.bias.const_data_ptr<float>(),
          .epsilon = static_cast<float>(norm.epsilon),
          .relu = relu ? 1 : 0};
}

}  // namespace

ChannelMoments MomentsOf(KernelLauncher& gpu, const at::Tensor& x, const NormParameters* moved) {
  const c10::OptionalDeviceGuard guard(x.device());
  const Launches launches(gpu, x, {});
  const at::Tensor partials = launches.EmptyPartials();
  launches.OverPixels(kSumMoments, kernels::SumMomentsArguments{
                                       .maps = {}, .partial = partials.mutable_data_ptr<float>()});
  ChannelMoments moments{.mean = Floats(x, {x.size(1)}), .variance = Floats(x, {x.size(1)})};
  launches.Finish(kFinishMoments, kernels::FinishMomentsArguments{
                                      .partial = partials.const_data_ptr<float>(),
                                      .partials = launches.partials(),
                                      .channels = static_cast<int>(x.size(1)),
                                      .x = x.const_data_ptr(),
                                      .inverse_pixels = 1 / static_cast<double>(PixelsOf(x)),
                                      .mean = moments.mean.mutable_data_ptr<float>(),
                                      .variance = moments.variance.mutable_data_ptr<float>(),
                                      .running = moved != nullptr ? Running(*moved, PixelsOf(x))
                                                                  : kernels::RunningStatistics{}});
  return moments;
}

void MoveStatistics(KernelLauncher& gpu, const NormParameters& norm, const ChannelMoments& moments,
                    std::int64_t count) {
  const c10::OptionalDeviceGuard guard(moments.mean.device());
  const auto channels = static_cast<int>(moments.mean.numel());
  const kernels::MoveStatisticsArguments arguments{
      .channels = channels,
      .mean = moments.mean.const_data_ptr<float>(),
      .variance = moments.variance.const_data_ptr<float>(),
      .running = Running(norm, count)};
  constexpr int kThreads = kernels::kThreads;
  gpu.Launch(NormProgram(at::kFloat, NormVector(at::kFloat)), kMoveStatistics,
             {.grid_x = static_cast<unsigned>((channels + kThreads - 1) / kThreads),
              .grid_y = 1,
              .threads = kThreads},
             &arguments);
}

at::Tensor Forward(KernelLauncher& gpu, at::TensorList features, const ChannelMoments& moments,
                   const NormParameters& norm, const at::Tensor& residual, bool relu) {
  const at::Tensor& shape = features.front();
  const c10::OptionalDeviceGuard guard(shape.device());
  const at::Tensor added = Rows(residual, shape.scalar_type());
  const at::Tensor y =
      at::empty({shape.size(0), moments.mean.numel(), shape.size(2), shape.size(3)},
                shape.options().memory_format(kLayout));
  const Launches launches(gpu, features, {added, y});
  launches.OverPixels(kApplyNorm, kernels::ApplyNormArguments{.maps = {},
                                                              .line = Line(moments, norm, relu),
                                                              .residual = Address(added),
                                                              .y = y.mutable_data_ptr()});
  return y;
}

NormGradients Backward(KernelLauncher& gpu, const at::Tensor& output_gradient,
                       at::TensorList features, const ChannelMoments& moments,
                       const NormParameters& norm, const at::Tensor& y, bool relu) {
  const c10::OptionalDeviceGuard guard(output_gradient.device());
  const at::ScalarType type = features.front().scalar_type();
  const at::Tensor gradient = Rows(output_gradient, type);
  NormGradients found;
  if (y.defined()) found.residual = at::empty_like(gradient);
  for (const at::Tensor& x : features) found.features.push_back(at::empty_like(x));
  std::vector<at::Tensor> images = found.features;
  images.insert(images.end(), {gradient, y, found.residual});
  Launches launches(gpu, features, images);
  launches.GradientsTo(found.features);

  const at::Tensor partials = launches.EmptyPartials();
  launches.OverPixels(
      kSumGradients, kernels::SumGradientsArguments{.maps = {},
                                                    .line = Line(moments, norm, relu),
                                                    .gradient = gradient.const_data_ptr(),
                                                    .y = Address(y),
                                                    .behind = MutableAddress(found.residual),
                                                    .partial = partials.mutable_data_ptr<float>()});
  found.weight = at::empty_like(norm.weight);
  found.bias = at::empty_like(norm.bias);
  const at::Tensor slope = at::empty_like(norm.weight);
  const at::Tensor offset = at::empty_like(norm.weight);
  launches.Finish(kFinishGradients,
                  kernels::FinishGradientsArguments{
                      .partial = partials.const_data_ptr<float>(),
                      .partials = launches.partials(),
                      .channels = static_cast<int>(launches.channels()),
                      .line = Line(moments, norm, relu),
                      .inverse_pixels = 1 / static_cast<double>(PixelsOf(gradient)),
                      .weight_gradient = found.weight.mutable_data_ptr<float>(),
                      .bias_gradient = found.bias.mutable_data_ptr<float>(),
                      .slope = slope.mutable_data_ptr<float>(),
                      .offset = offset.mutable_data_ptr<float>()});

  // With a residual the gradient behind the ReLU is its gradient, too, and read from there.
  const at::Tensor& behind = y.defined() ? found.residual : gradient;
  launches.OverPixels(kApplyGradient, kernels::ApplyGradientArguments{
                                          .maps = {},
                                          .line = Line(moments, norm, relu && !y.defined()),
                                          .gradient = behind.const_data_ptr(),
                                          .slope = slope.const_data_ptr<float>(),
                                          .offset = offset.const_data_ptr<float>()});
  return found;
}

}  // namespace roost::trainer::device_norm
