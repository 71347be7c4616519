#include "trainer/models/fused_norm_cpu.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>

#include "trainer/kernels/norm.h"

namespace roost::trainer::cpu_norm {
namespace {

constexpr at::MemoryFormat kLayout = at::MemoryFormat::ChannelsLast;
constexpr std::int64_t kFloatsOfTask = 65536;

std::int64_t PixelsOf(const at::Tensor& x) { return x.size(0) * x.size(2) * x.size(3); }

std::int64_t ChannelsOf(at::TensorList features) {
  std::int64_t channels = 0;
  for (const at::Tensor& feature : features) channels += feature.size(1);
  return channels;
}

ConstRows RowsAt(const at::Tensor& x, std::int64_t row, std::int64_t channel = 0) {
  const std::int64_t stride = x.size(1);
  return {x.const_data_ptr<float>() + row * stride + channel, static_cast<std::size_t>(stride)};
}

Rows MutableRowsAt(const at::Tensor& x, std::int64_t row, std::int64_t channel = 0) {
  const std::int64_t stride = x.size(1);
  return {x.mutable_data_ptr<float>() + row * stride + channel, static_cast<std::size_t>(stride)};
}

RowCounts Counts(std::int64_t first, std::int64_t last, const at::Tensor& x) {
  return {static_cast<std::size_t>(last - first), static_cast<std::size_t>(x.size(1))};
}

// Sums over pixels, shared out in parts that depend on the size alone and added in their order: the
// same bits whatever the number of threads. add(first, last, sums) fills `count` sums.
template <class Add>
std::vector<double> SumOverPixels(std::int64_t pixels, std::int64_t channels, std::size_t count,
                                  const Add& add) {
  const std::int64_t parts = std::clamp<std::int64_t>(pixels * channels / kFloatsOfTask, 1,
                                                      std::min<std::int64_t>(pixels, 64));
  std::vector<double> sums(static_cast<std::size_t>(parts) * count, 0.0);
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      add(pixels * part / parts, pixels * (part + 1) / parts,
          sums.data() + static_cast<std::size_t>(part) * count);
    }
  });
  for (std::size_t part = 1; part < static_cast<std::size_t>(parts); ++part) {
    for (std::size_t i = 0; i < count; ++i) sums[i] += sums[part * count + i];
  }
  sums.resize(count);
  return sums;
}

template <class Work>
void OverPixels(std::int64_t pixels, std::int64_t channels, const Work& work) {
  at::parallel_for(0, pixels, std::max<std::int64_t>(1, kFloatsOfTask / channels), work);
}

// Per channel, what the kernels multiply and add.
struct Lines {
  explicit Lines(std::size_t channels) : mean(channels), scale(channels), shift(channels) {}
  std::vector<float> mean, scale, shift;
  NormLine From(std::size_t channel, bool relu) const {
    return {.scale = scale.data() + channel, .shift = shift.data() + channel, .relu = relu};
  }
};

double InverseDeviation(const ChannelMoments& moments, const NormParameters& norm, std::size_t c) {
  return 1 / std::sqrt(moments.variance.const_data_ptr<double>()[c] + norm.epsilon);
}

Lines LinesOf(const ChannelMoments& moments, const NormParameters& norm) {
  const auto channels = static_cast<std::size_t>(moments.mean.numel());
  Lines lines(channels);
  const double* const mean = moments.mean.const_data_ptr<double>();
  const float* const weight = norm.weight.const_data_ptr<float>();
  const float* const bias = norm.bias.const_data_ptr<float>();
  for (std::size_t c = 0; c < channels; ++c) {
    const double scale = InverseDeviation(moments, norm, c) * static_cast<double>(weight[c]);
    lines.mean[c] = static_cast<float>(mean[c]);
    lines.scale[c] = static_cast<float>(scale);
    lines.shift[c] = static_cast<float>(static_cast<double>(bias[c]) - mean[c] * scale);
  }
  return lines;
}

}  // namespace

ChannelMoments MomentsOf(const at::Tensor& x) {
  const std::int64_t pixels = PixelsOf(x);
  const auto channels = static_cast<std::size_t>(x.size(1));
  // A few pixels from all over give an origin near the mean.
  constexpr std::int64_t kSamples = 16;
  std::vector<float> origin(channels, 0.0F);
  for (std::int64_t sample = 0; sample < kSamples; ++sample) {
    const float* const row = RowsAt(x, pixels * sample / kSamples).data;
    for (std::size_t c = 0; c < channels; ++c) origin[c] += row[c] / kSamples;
  }
  const std::vector<double> sums = SumOverPixels(
      pixels, x.size(1), 2 * channels, [&](std::int64_t first, std::int64_t last, double* to) {
        AddMoments(Counts(first, last, x), RowsAt(x, first), origin.data(), to, to + channels);
      });
  ChannelMoments moments{.mean = at::empty({x.size(1)}, at::kDouble),
                         .variance = at::empty({x.size(1)}, at::kDouble)};
  const auto count = static_cast<double>(pixels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double offset = sums[c] / count;
    moments.mean.mutable_data_ptr<double>()[c] = static_cast<double>(origin[c]) + offset;
    const double variance = sums[channels + c] / count - offset * offset;
    // Not max(): what is no number stays.
    moments.variance.mutable_data_ptr<double>()[c] = variance < 0 ? 0 : variance;
  }
  return moments;
}

void MoveStatistics(const NormParameters& norm, const ChannelMoments& moments, std::int64_t count) {
  const at::Tensor running_mean = norm.running_mean;
  const at::Tensor running_var = norm.running_var;
  float* const mean = running_mean.mutable_data_ptr<float>();
  float* const variance = running_var.mutable_data_ptr<float>();
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  const auto move = [&](float& value, double towards) {
    value = static_cast<float>((1 - norm.momentum) * static_cast<double>(value) +
                               norm.momentum * towards);
  };
  for (std::int64_t c = 0; c < moments.mean.numel(); ++c) {
    move(mean[c], moments.mean.const_data_ptr<double>()[c]);
    move(variance[c], moments.variance.const_data_ptr<double>()[c] * unbiased);
  }
}

at::Tensor Forward(at::TensorList features, const ChannelMoments& moments,
                   const NormParameters& norm, const at::Tensor& residual, bool relu) {
  const at::Tensor& shape = features.front();
  const std::int64_t channels = ChannelsOf(features);
  const at::Tensor y = at::empty({shape.size(0), channels, shape.size(2), shape.size(3)},
                                 shape.options().memory_format(kLayout));
  const at::Tensor added = residual.defined() ? residual.contiguous(kLayout) : residual;
  const Lines lines = LinesOf(moments, norm);
  OverPixels(PixelsOf(shape), channels, [&](std::int64_t first, std::int64_t last) {
    std::int64_t c = 0;
    for (const at::Tensor& x : features) {
      ApplyNorm(Counts(first, last, x), RowsAt(x, first),
                added.defined() ? RowsAt(added, first) : ConstRows(),
                lines.From(static_cast<std::size_t>(c), relu), MutableRowsAt(y, first, c));
      c += x.size(1);
    }
  });
  return y;
}

NormGradients Backward(const at::Tensor& output_gradient, at::TensorList features,
                       const ChannelMoments& moments, const NormParameters& norm,
                       const at::Tensor& y, bool relu) {
  const at::Tensor gradient = output_gradient.contiguous(kLayout);
  const std::int64_t pixels = PixelsOf(gradient);
  const std::int64_t channels = gradient.size(1);
  const auto count = static_cast<std::size_t>(channels);
  const Lines lines = LinesOf(moments, norm);
  NormGradients found;
  if (y.defined()) found.residual = at::empty_like(gradient);

  // With a residual the gradient behind the ReLU is its gradient, too, and read from there later.
  const auto mask = [&](std::int64_t row, std::int64_t c) {
    return ReluMask{.line = lines.From(static_cast<std::size_t>(c), relu),
                    .y = y.defined() ? RowsAt(y, row, c) : ConstRows()};
  };
  const std::vector<double> sums = SumOverPixels(
      pixels, channels, 2 * count, [&](std::int64_t first, std::int64_t last, double* to) {
        std::int64_t c = 0;
        for (const at::Tensor& x : features) {
          AddGradients(Counts(first, last, x), RowsAt(gradient, first, c), RowsAt(x, first),
                       mask(first, c), lines.mean.data() + c, to + c, to + channels + c,
                       y.defined() ? MutableRowsAt(found.residual, first, c) : Rows());
          c += x.size(1);
        }
      });

  found.weight = at::empty_like(norm.weight);
  found.bias = at::empty_like(norm.bias);
  std::vector<float> b(count);
  std::vector<float> c_line(count);
  for (std::size_t c = 0; c < count; ++c) {
    const double inverse = InverseDeviation(moments, norm, c);
    found.bias.mutable_data_ptr<float>()[c] = static_cast<float>(sums[c]);
    found.weight.mutable_data_ptr<float>()[c] = static_cast<float>(sums[count + c] * inverse);
    const double scale = inverse * static_cast<double>(norm.weight.const_data_ptr<float>()[c]) /
                         static_cast<double>(pixels);
    b[c] = static_cast<float>(-scale * inverse * inverse * sums[count + c]);
    c_line[c] = static_cast<float>(-scale * sums[c]);
  }
  const at::Tensor& behind = y.defined() ? found.residual : gradient;
  for (const at::Tensor& x : features) found.features.push_back(at::empty_like(x));
  OverPixels(pixels, channels, [&](std::int64_t first, std::int64_t last) {
    std::int64_t c = 0;
    for (std::size_t i = 0; i < features.size(); ++i) {
      const at::Tensor& x = features[i];
      ApplyGradient(Counts(first, last, x), RowsAt(behind, first, c), RowsAt(x, first),
                    y.defined() ? ReluMask{.line = {.relu = false}} : mask(first, c),
                    {.mean = lines.mean.data() + c,
                     .a = lines.scale.data() + c,
                     .b = b.data() + c,
                     .c = c_line.data() + c},
                    MutableRowsAt(found.features[i], first));
      c += x.size(1);
    }
  });
  return found;
}

}  // namespace roost::trainer::cpu_norm
