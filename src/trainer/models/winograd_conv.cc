#include "trainer/models/winograd_conv.h"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>

#include "trainer/kernels/winograd.h"

namespace roost::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr at::MemoryFormat kLayout = at::MemoryFormat::ChannelsLast;
constexpr std::int64_t kPoints = kWinogradPoints;
constexpr std::int64_t kChannels = kWinogradChannels;
// Fewer, as 7 x 7 pixels of a small batch have, and turning the weights outweighs the rest.
constexpr std::size_t kFewestTiles = 128;

// The gradient of the weights is a sum over all pixels. With fewer, torch rounds so little that
// this method's own rounding shows.
constexpr std::int64_t kFewestSummed = 10'000;

std::size_t Size(std::int64_t size) { return static_cast<std::size_t>(size); }

WinogradShape ShapeOf(const at::Tensor& x, std::int64_t out) {
  return {Size(x.size(0)), Size(x.size(2)), Size(x.size(3)), Size(x.size(1)), Size(out)};
}

at::Tensor Floats(std::size_t count) {
  return at::empty({static_cast<std::int64_t>(count)}, at::kFloat);
}

// work(block, scratch) for all blocks of tiles.
template <class Work>
void OverBlocks(std::size_t blocks, std::size_t scratch, const Work& work) {
  at::parallel_for(0, static_cast<std::int64_t>(blocks), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     const at::Tensor memory = Floats(scratch);
                     for (std::int64_t block = begin; block < end; ++block) {
                       work(Size(block), memory.mutable_data_ptr<float>());
                     }
                   });
}

// A convolution from taps.in to taps.out channels.
at::Tensor Convolved(const at::Tensor& x, const WinogradTaps& taps, std::int64_t out) {
  const WinogradShape shape = ShapeOf(x, out);
  const at::Tensor points = Floats(kWinogradPoints * shape.in * shape.out);
  at::parallel_for(0, x.size(1), std::max<std::int64_t>(1, 4096 / out),
                   [&](std::int64_t first, std::int64_t last) {
                     WinogradWeights(taps, shape.in, shape.out, Size(first), Size(last),
                                     points.mutable_data_ptr<float>());
                   });
  const at::Tensor y =
      at::empty({x.size(0), out, x.size(2), x.size(3)}, x.options().memory_format(kLayout));
  const std::size_t block = WinogradBlock(shape);
  OverBlocks((shape.Tiles() + block - 1) / block, WinogradScratch(shape),
             [&](std::size_t n, float* scratch) {
               WinogradConvolve(shape, x.const_data_ptr<float>(), points.const_data_ptr<float>(),
                                n * block, std::min(block, shape.Tiles() - n * block), scratch,
                                y.mutable_data_ptr<float>());
             });
  return y;
}

at::Tensor Forward(const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor taps = weight.permute({2, 3, 1, 0}).contiguous();
  const std::int64_t out = weight.size(0);
  const std::int64_t in = weight.size(1);
  return Convolved(
      x,
      {.data = taps.const_data_ptr<float>(), .tap_stride = Size(in * out), .row_stride = Size(out)},
      out);
}

at::Tensor InputGradient(const at::Tensor& gradient, const at::Tensor& weight) {
  const std::int64_t in = weight.size(1);
  return Convolved(gradient,
                   {.data = weight.const_data_ptr<float>(),
                    .tap_stride = Size(in),
                    .row_stride = Size(9 * in),
                    .turned = true},
                   in);
}

at::Tensor PlainWeightGradient(const at::Tensor& x, const at::Tensor& gradient,
                               const at::Tensor& weight) {
  return std::get<1>(at::convolution_backward(gradient, x, weight, at::OptionalIntArrayRef(),
                                              {1, 1}, {1, 1}, {1, 1}, /*transposed=*/false, {0, 0},
                                              /*groups=*/1, {false, true, false}));
}

// Each thread sums a part of the tiles; the parts are added in their order.
at::Tensor WeightGradient(const at::Tensor& x, const at::Tensor& gradient,
                          const at::Tensor& weight) {
  if (x.numel() / x.size(1) < kFewestSummed) return PlainWeightGradient(x, gradient, weight);
  const std::int64_t out = weight.size(0);
  const std::int64_t in = weight.size(1);
  const WinogradShape shape = ShapeOf(x, out);
  const std::size_t block = WinogradGradientBlock(shape);
  const std::size_t blocks = (shape.Tiles() + block - 1) / block;
  const std::size_t parts = std::min(blocks, Size(at::get_num_threads()));
  const at::Tensor sums =
      at::zeros({static_cast<std::int64_t>(parts), kPoints, in, out}, at::kFloat);
  const std::size_t count = Size(kPoints * in * out);
  float* const data = sums.mutable_data_ptr<float>();
  OverBlocks(parts, WinogradGradientScratch(shape), [&](std::size_t part, float* scratch) {
    for (std::size_t n = blocks * part / parts; n < blocks * (part + 1) / parts; ++n) {
      WinogradAddGradient(shape, x.const_data_ptr<float>(), gradient.const_data_ptr<float>(),
                          n * block, std::min(block, shape.Tiles() - n * block), scratch,
                          data + part * count);
    }
  });
  at::parallel_for(0, static_cast<std::int64_t>(count), 1 << 14,
                   [&](std::int64_t first, std::int64_t last) {
                     for (std::size_t part = 1; part < parts; ++part) {
                       const float* const from = data + part * count;
                       for (std::size_t i = Size(first); i < Size(last); ++i) data[i] += from[i];
                     }
                   });
  const at::Tensor found = at::empty_like(weight);
  at::parallel_for(0, out / kChannels, 1, [&](std::int64_t first, std::int64_t last) {
    WinogradGradient(data, Size(in), Size(out), Size(first * kChannels), Size(last * kChannels),
                     found.mutable_data_ptr<float>());
  });
  return found;
}

struct Winograd : torch::autograd::Function<Winograd> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight) {
    context->save_for_backward({x, weight});
    return Forward(x, weight);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = gradients.at(0).contiguous(kLayout);
    return {
        context->needs_input_grad(0) ? InputGradient(gradient, saved[1]) : at::Tensor(),
        context->needs_input_grad(1) ? WeightGradient(saved[0], gradient, saved[1]) : at::Tensor()};
  }
};

}  // namespace

bool CanUseWinograd(const at::Tensor& x, const at::Tensor& weight) {
  const auto fits = [](const at::Tensor& tensor) {
    return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat && tensor.dim() == 4 &&
           tensor.is_contiguous(kLayout) && tensor.size(1) % kChannels == 0;
  };
  return fits(x) && fits(weight) && x.numel() > 0 && x.size(1) == weight.size(1) &&
         weight.size(0) % kChannels == 0 && weight.size(2) == 3 && weight.size(3) == 3 &&
         !at::autocast::is_autocast_enabled(at::kCPU);
}

bool WinogradPays(const at::Tensor& x) {
  return HasFastWinograd() && ShapeOf(x, 0).Tiles() >= kFewestTiles;
}

at::Tensor WinogradConv2d(const at::Tensor& x, const at::Tensor& weight) {
  return Winograd::apply(x, weight);
}

}  // namespace roost::trainer
