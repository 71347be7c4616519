#include "trainer/kernels/norm.h"

#include <algorithm>
#include <array>

#include "trainer/kernels/simd.h"

namespace roost::trainer {
namespace {

using simd::kWidth;
using simd::Load;
using simd::Relu;
using simd::Store;

// Rows that are summed in float before the sums go on in double.
constexpr std::size_t kFloatRows = 32;
// Vectors of channels whose sums stay in registers.
constexpr std::size_t kVectors = 4;

template <class V, std::size_t count>
ROOST_INLINE void Flush(const std::array<V, count>& sums, double* to) {
  std::array<float, count * kWidth<V>> values;
  std::memcpy(values.data(), sums.data(), sizeof(sums));
  for (std::size_t i = 0; i < values.size(); ++i) to[i] += static_cast<double>(values[i]);
}

template <class V, std::size_t count>
ROOST_INLINE void MomentsOfChannels(std::size_t rows, const float* x, std::size_t stride,
                                    const float* origin, double* sums, double* squares) {
  std::array<V, count> first, sum{}, square{};
  for (std::size_t v = 0; v < count; ++v) first[v] = Load<V>(origin + v * kWidth<V>);
  for (std::size_t r = 0; r < rows; ++r, x += stride) {
    for (std::size_t v = 0; v < count; ++v) {
      const V value = Load<V>(x + v * kWidth<V>) - first[v];
      sum[v] += value;
      square[v] += value * value;
    }
  }
  Flush(sum, sums);
  Flush(square, squares);
}

// The widest pieces first, then single vectors, then single channels.
template <class V>
ROOST_INLINE void MomentsBody(const RowCounts& size, const ConstRows& x, const float* origin,
                              double* sums, double* squares) {
  for (std::size_t row = 0; row < size.rows; row += kFloatRows) {
    const std::size_t rows = std::min(kFloatRows, size.rows - row);
    const float* const from = x.data + row * x.stride;
    std::size_t c = 0;
    for (; c + kVectors * kWidth<V> <= size.channels; c += kVectors * kWidth<V>) {
      MomentsOfChannels<V, kVectors>(rows, from + c, x.stride, origin + c, sums + c, squares + c);
    }
    for (; c + kWidth<V> <= size.channels; c += kWidth<V>) {
      MomentsOfChannels<V, 1>(rows, from + c, x.stride, origin + c, sums + c, squares + c);
    }
    for (; c < size.channels; ++c) {
      MomentsOfChannels<float, 1>(rows, from + c, x.stride, origin + c, sums + c, squares + c);
    }
  }
}

template <class V, bool relu, bool add>
ROOST_INLINE void NormOne(const float* x, const float* residual, const NormLine& line,
                          std::size_t c, float* y) {
  V value = Load<V>(x + c) * Load<V>(line.scale + c) + Load<V>(line.shift + c);
  if constexpr (add) value += Load<V>(residual + c);
  Store<V>(y + c, relu ? Relu(value) : value);
}

template <class V, bool relu, bool add>
ROOST_INLINE void NormRows(const RowCounts& size, const ConstRows& x, const ConstRows& residual,
                           const NormLine& line, const Rows& y) {
  for (std::size_t r = 0; r < size.rows; ++r) {
    const float* const from = x.data + r * x.stride;
    const float* const added = add ? residual.data + r * residual.stride : nullptr;
    float* const to = y.data + r * y.stride;
    std::size_t c = 0;
    for (; c + kWidth<V> <= size.channels; c += kWidth<V>) {
      NormOne<V, relu, add>(from, added, line, c, to);
    }
    for (; c < size.channels; ++c) NormOne<float, relu, add>(from, added, line, c, to);
  }
}

template <class V>
ROOST_INLINE void NormBody(const RowCounts& size, const ConstRows& x, const ConstRows& residual,
                           const NormLine& line, const Rows& y) {
  if (residual.data != nullptr) {
    return line.relu ? NormRows<V, true, true>(size, x, residual, line, y)
                     : NormRows<V, false, true>(size, x, residual, line, y);
  }
  return line.relu ? NormRows<V, true, false>(size, x, residual, line, y)
                   : NormRows<V, false, false>(size, x, residual, line, y);
}

enum class Mask { kNone, kFromInput, kFromOutput };

Mask KindOf(const ReluMask& mask) {
  if (!mask.line.relu) return Mask::kNone;
  return mask.y.data != nullptr ? Mask::kFromOutput : Mask::kFromInput;
}

// As in NormOne, so that both see the same zeros.
template <class V, Mask kind>
ROOST_INLINE V Behind(const V& gradient, const V& x, const float* scale, const float* shift,
                      const float* y) {
  if constexpr (kind == Mask::kNone) return gradient;
  V output;
  if constexpr (kind == Mask::kFromInput) {
    output = x * Load<V>(scale) + Load<V>(shift);
  } else {
    output = Load<V>(y);
  }
  return output <= 0 ? V{} : gradient;
}

template <class V, std::size_t count, Mask kind, bool write>
ROOST_INLINE void GradientsOfChannels(std::size_t rows, std::size_t row, std::size_t c,
                                      const ConstRows& gradient, const ConstRows& x,
                                      const ReluMask& mask, const float* mean, double* sums,
                                      double* products, const Rows& behind) {
  std::array<V, count> middle, sum{}, product{};
  for (std::size_t v = 0; v < count; ++v) middle[v] = Load<V>(mean + c + v * kWidth<V>);
  for (std::size_t r = row; r < row + rows; ++r) {
    for (std::size_t v = 0; v < count; ++v) {
      const std::size_t at = c + v * kWidth<V>;
      const V value = Load<V>(x.data + r * x.stride + at);
      const V g = Behind<V, kind>(
          Load<V>(gradient.data + r * gradient.stride + at), value, mask.line.scale + at,
          mask.line.shift + at,
          kind == Mask::kFromOutput ? mask.y.data + r * mask.y.stride + at : nullptr);
      if constexpr (write) Store<V>(behind.data + r * behind.stride + at, g);
      sum[v] += g;
      product[v] += g * (value - middle[v]);
    }
  }
  Flush(sum, sums + c);
  Flush(product, products + c);
}

template <class V, Mask kind, bool write>
ROOST_INLINE void GradientsOfRows(const RowCounts& size, const ConstRows& gradient,
                                  const ConstRows& x, const ReluMask& mask, const float* mean,
                                  double* sums, double* products, const Rows& behind) {
  for (std::size_t row = 0; row < size.rows; row += kFloatRows) {
    const std::size_t rows = std::min(kFloatRows, size.rows - row);
    std::size_t c = 0;
    for (; c + kVectors * kWidth<V> <= size.channels; c += kVectors * kWidth<V>) {
      GradientsOfChannels<V, kVectors, kind, write>(rows, row, c, gradient, x, mask, mean, sums,
                                                    products, behind);
    }
    for (; c + kWidth<V> <= size.channels; c += kWidth<V>) {
      GradientsOfChannels<V, 1, kind, write>(rows, row, c, gradient, x, mask, mean, sums, products,
                                             behind);
    }
    for (; c < size.channels; ++c) {
      GradientsOfChannels<float, 1, kind, write>(rows, row, c, gradient, x, mask, mean, sums,
                                                 products, behind);
    }
  }
}

template <class V>
ROOST_INLINE void GradientsBody(const RowCounts& size, const ConstRows& gradient,
                                const ConstRows& x, const ReluMask& mask, const float* mean,
                                double* sums, double* products, const Rows& behind) {
  const bool write = behind.data != nullptr;
#define ROOST_WITH(KIND)                                                                        \
  return write ? GradientsOfRows<V, KIND, true>(size, gradient, x, mask, mean, sums, products,  \
                                                behind)                                         \
               : GradientsOfRows<V, KIND, false>(size, gradient, x, mask, mean, sums, products, \
                                                 behind)
  switch (KindOf(mask)) {
    case Mask::kNone:
      ROOST_WITH(Mask::kNone);
    case Mask::kFromInput:
      ROOST_WITH(Mask::kFromInput);
    case Mask::kFromOutput:
      ROOST_WITH(Mask::kFromOutput);
  }
#undef ROOST_WITH
}

template <class V, Mask kind>
ROOST_INLINE void GradientOne(const float* gradient, const float* x, const float* y,
                              const ReluMask& mask, const GradientLine& line, std::size_t c,
                              float* to) {
  const V value = Load<V>(x + c);
  const V g = Behind<V, kind>(Load<V>(gradient + c), value, mask.line.scale + c,
                              mask.line.shift + c, kind == Mask::kFromOutput ? y + c : nullptr);
  Store<V>(to + c,
           g * Load<V>(line.a + c) +
               ((value - Load<V>(line.mean + c)) * Load<V>(line.b + c) + Load<V>(line.c + c)));
}

template <class V, Mask kind>
ROOST_INLINE void GradientRows(const RowCounts& size, const ConstRows& gradient, const ConstRows& x,
                               const ReluMask& mask, const GradientLine& line, const Rows& to) {
  for (std::size_t r = 0; r < size.rows; ++r) {
    const float* const g = gradient.data + r * gradient.stride;
    const float* const from = x.data + r * x.stride;
    const float* const y = kind == Mask::kFromOutput ? mask.y.data + r * mask.y.stride : nullptr;
    float* const out = to.data + r * to.stride;
    std::size_t c = 0;
    for (; c + kWidth<V> <= size.channels; c += kWidth<V>) {
      GradientOne<V, kind>(g, from, y, mask, line, c, out);
    }
    for (; c < size.channels; ++c) GradientOne<float, kind>(g, from, y, mask, line, c, out);
  }
}

template <class V>
ROOST_INLINE void GradientBody(const RowCounts& size, const ConstRows& gradient, const ConstRows& x,
                               const ReluMask& mask, const GradientLine& line, const Rows& to) {
  switch (KindOf(mask)) {
    case Mask::kNone:
      return GradientRows<V, Mask::kNone>(size, gradient, x, mask, line, to);
    case Mask::kFromInput:
      return GradientRows<V, Mask::kFromInput>(size, gradient, x, mask, line, to);
    case Mask::kFromOutput:
      return GradientRows<V, Mask::kFromOutput>(size, gradient, x, mask, line, to);
  }
}

}  // namespace

ROOST_FOR_EACH_PROCESSOR(AddMoments, MomentsBody,
                         (const RowCounts& size, const ConstRows& x, const float* origin,
                          double* sums, double* squares),
                         (size, x, origin, sums, squares))

ROOST_FOR_EACH_PROCESSOR(ApplyNorm, NormBody,
                         (const RowCounts& size, const ConstRows& x, const ConstRows& residual,
                          const NormLine& line, const Rows& y),
                         (size, x, residual, line, y))

ROOST_FOR_EACH_PROCESSOR(AddGradients, GradientsBody,
                         (const RowCounts& size, const ConstRows& gradient, const ConstRows& x,
                          const ReluMask& mask, const float* mean, double* sums, double* products,
                          const Rows& behind),
                         (size, gradient, x, mask, mean, sums, products, behind))

ROOST_FOR_EACH_PROCESSOR(ApplyGradient, GradientBody,
                         (const RowCounts& size, const ConstRows& gradient, const ConstRows& x,
                          const ReluMask& mask, const GradientLine& line, const Rows& to),
                         (size, gradient, x, mask, line, to))

}  // namespace roost::trainer
