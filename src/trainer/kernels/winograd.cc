#include "trainer/kernels/winograd.h"

#include <algorithm>
#include <array>

#include "trainer/kernels/simd.h"

namespace roost::trainer {
namespace {

using simd::Load;
using simd::Store;
// Where there are no such registers, the compiler takes several.
using Vector = simd::Float16;
typedef double Doubles __attribute__((vector_size(128)));

constexpr std::size_t kTile = 4;   // results of a side
constexpr std::size_t kInput = 6;  // pixels of a side that they are computed from
constexpr std::size_t kWidth = kWinogradChannels;
constexpr std::size_t kPanel = 2 * kWidth;  // output channels that are multiplied together
constexpr std::size_t kRows = 14;           // tiles; with a panel they fill 28 registers
// Products that are summed in a row: shorter chains round less.
constexpr std::size_t kChain = 16;
constexpr std::size_t kGradientRows = 8;  // input channels

static_assert(sizeof(Vector) == kWidth * sizeof(float));

// --- The three transformations of a line, from the polynomials with the roots above.

// B^T d: six pixels to six points.
template <class V>
ROOST_INLINE void ToPoints(const V& d0, const V& d1, const V& d2, const V& d3, const V& d4,
                           const V& d5, V& p0, V& p1, V& p2, V& p3, V& p4, V& p5) {
  constexpr float kSum = 97.0F / 36;  // (2/3)^2 + (3/2)^2
  p0 = (d0 + d4) - kSum * d2;
  p5 = (d1 + d5) - kSum * d3;
  const V even_inner = d4 - 9.0F / 4 * d2;
  const V odd_inner = 2.0F / 3 * d3 - 3.0F / 2 * d1;
  p1 = even_inner + odd_inner;
  p2 = even_inner - odd_inner;
  const V even_outer = d4 - 4.0F / 9 * d2;
  const V odd_outer = 3.0F / 2 * d3 - 2.0F / 3 * d1;
  p3 = even_outer + odd_outer;
  p4 = even_outer - odd_outer;
}

// A^T m: six points to four results.
template <class V>
ROOST_INLINE void FromPoints(const V& m0, const V& m1, const V& m2, const V& m3, const V& m4,
                             const V& m5, V& y0, V& y1, V& y2, V& y3) {
  const V inner = m1 + m2;
  const V inner_odd = m1 - m2;
  const V outer = m3 + m4;
  const V outer_odd = m3 - m4;
  y0 = m0 + (inner + outer);
  y1 = 2.0F / 3 * inner_odd + 3.0F / 2 * outer_odd;
  y2 = 4.0F / 9 * inner + 9.0F / 4 * outer;
  y3 = 8.0F / 27 * inner_odd + (27.0F / 8 * outer_odd + m5);
}

// A y: four gradients of results to six points.
template <class V>
ROOST_INLINE void GradientToPoints(const V& y0, const V& y1, const V& y2, const V& y3, V& p0, V& p1,
                                   V& p2, V& p3, V& p4, V& p5) {
  p0 = y0;
  const V inner = y0 + 4.0F / 9 * y2;
  const V inner_odd = 2.0F / 3 * y1 + 8.0F / 27 * y3;
  p1 = inner + inner_odd;
  p2 = inner - inner_odd;
  const V outer = y0 + 9.0F / 4 * y2;
  const V outer_odd = 3.0F / 2 * y1 + 27.0F / 8 * y3;
  p3 = outer + outer_odd;
  p4 = outer - outer_odd;
  p5 = y3;
}

// G: three weights to six points, in double.
constexpr double kInner = 1.0 / ((8.0 / 9) * (-65.0 / 36));
constexpr double kOuter = 1.0 / ((9.0 / 2) * (65.0 / 36));
template <class D>
ROOST_INLINE void WeightsToPoints(const D& g0, const D& g1, const D& g2, D* p) {
  p[0] = g0;
  const D inner = kInner * (g0 + 4.0 / 9 * g2);
  const D inner_odd = kInner * 2.0 / 3 * g1;
  p[1] = inner + inner_odd;
  p[2] = inner - inner_odd;
  const D outer = kOuter * (g0 + 9.0 / 4 * g2);
  const D outer_odd = kOuter * 3.0 / 2 * g1;
  p[3] = outer + outer_odd;
  p[4] = outer - outer_odd;
  p[5] = g2;
}

// G^T: six points to three weights.
template <class D>
ROOST_INLINE void PointsToWeights(const D* p, D& g0, D& g1, D& g2) {
  const D inner = kInner * (p[1] + p[2]);
  const D outer = kOuter * (p[3] + p[4]);
  g0 = p[0] + inner + outer;
  g1 = kInner * 2.0 / 3 * (p[1] - p[2]) + kOuter * 3.0 / 2 * (p[3] - p[4]);
  g2 = p[5] + 4.0 / 9 * inner + 9.0 / 4 * outer;
}

ROOST_INLINE Doubles LoadDoubles(const float* from) {
  return __builtin_convertvector(Load<Vector>(from), Doubles);
}

// --- Weights

// Panels of output channels lie one after the other, each with all its input channels.
ROOST_INLINE std::size_t PanelOffset(std::size_t in, std::size_t o) {
  return o / kPanel * kPanel * in;
}
ROOST_INLINE std::size_t PanelWidth(std::size_t out, std::size_t o) {
  return std::min(kPanel, out - o / kPanel * kPanel);
}

template <class V>
ROOST_INLINE void WeightsBody(const WinogradTaps& taps, std::size_t in, std::size_t out,
                              std::size_t first, std::size_t last, float* points) {
  for (std::size_t i = first; i < last; ++i) {
    for (std::size_t o = 0; o < out; o += kWidth) {
      std::array<std::array<Doubles, kInput>, 3> rows;
      for (std::size_t y = 0; y < 3; ++y) {
        std::array<Doubles, 3> g;
        for (std::size_t x = 0; x < 3; ++x) {
          const std::size_t tap = taps.turned ? 8 - (3 * y + x) : 3 * y + x;
          g[x] = LoadDoubles(taps.data + tap * taps.tap_stride + i * taps.row_stride + o);
        }
        WeightsToPoints(g[0], g[1], g[2], rows[y].data());
      }
      const std::size_t panel = PanelWidth(out, o);
      float* to = points + PanelOffset(in, o) + i * panel + o % kPanel;
      for (std::size_t x = 0; x < kInput; ++x) {
        std::array<Doubles, kInput> column;
        WeightsToPoints(rows[0][x], rows[1][x], rows[2][x], column.data());
        for (std::size_t y = 0; y < kInput; ++y) {
          Store(to + (y * kInput + x) * in * out, __builtin_convertvector(column[y], Vector));
        }
      }
    }
  }
}

// --- Tiles

struct Place {
  std::size_t image, row, column;  // of the tile's upper left result
};

ROOST_INLINE Place PlaceOf(const WinogradShape& shape, std::size_t tile) {
  const std::size_t columns = shape.TileColumns();
  const std::size_t rows = shape.TileRows();
  return {tile / (columns * rows), tile / columns % rows * kTile, tile % columns * kTile};
}

// The pixels around a tile, row by row; `zeros` stands for those beyond the border.
template <std::size_t side, std::size_t border>
ROOST_INLINE void PixelsOf(const WinogradShape& shape, const Place& place, const float* x,
                           std::size_t channels, const float* zeros, const float** pixels) {
  for (std::size_t y = 0; y < side; ++y) {
    const std::size_t row = place.row + y - border;  // beyond the border: huge
    for (std::size_t c = 0; c < side; ++c) {
      const std::size_t column = place.column + c - border;
      *pixels++ = row < shape.height && column < shape.width
                      ? x + ((place.image * shape.height + row) * shape.width + column) * channels
                      : zeros;
    }
  }
}

// One tile's input to the 36 points, `step` floats from point to point.
ROOST_INLINE void InputToPoints(const float* const* pixels, std::size_t channels, float* to,
                                std::size_t step) {
  for (std::size_t c = 0; c < channels; c += kWidth) {
    std::array<Vector, kWinogradPoints> rows;
    for (std::size_t x = 0; x < kInput; ++x) {
      const auto pixel = [&](std::size_t y) __attribute__((always_inline)) {
        return Load<Vector>(pixels[y * kInput + x] + c);
      };
      ToPoints(pixel(0), pixel(1), pixel(2), pixel(3), pixel(4), pixel(5), rows[x], rows[6 + x],
               rows[12 + x], rows[18 + x], rows[24 + x], rows[30 + x]);
    }
    for (std::size_t y = 0; y < kInput; ++y) {
      const Vector* const r = rows.data() + y * kInput;
      std::array<Vector, kInput> p;
      ToPoints(r[0], r[1], r[2], r[3], r[4], r[5], p[0], p[1], p[2], p[3], p[4], p[5]);
      for (std::size_t x = 0; x < kInput; ++x) Store(to + (y * kInput + x) * step + c, p[x]);
    }
  }
}

ROOST_INLINE void OutputFromPoints(const WinogradShape& shape, const Place& place,
                                   const float* from, std::size_t step, float* y) {
  const std::size_t height = std::min(kTile, shape.height - place.row);
  const std::size_t width = std::min(kTile, shape.width - place.column);
  for (std::size_t c = 0; c < shape.out; c += kWidth) {
    std::array<Vector, kTile * kInput> rows;
    for (std::size_t x = 0; x < kInput; ++x) {
      const auto point = [&](std::size_t r) __attribute__((always_inline)) {
        return Load<Vector>(from + (r * kInput + x) * step + c);
      };
      FromPoints(point(0), point(1), point(2), point(3), point(4), point(5), rows[x], rows[6 + x],
                 rows[12 + x], rows[18 + x]);
    }
    for (std::size_t r = 0; r < height; ++r) {
      const Vector* const m = rows.data() + r * kInput;
      std::array<Vector, kTile> line;
      FromPoints(m[0], m[1], m[2], m[3], m[4], m[5], line[0], line[1], line[2], line[3]);
      float* const to =
          y +
          ((place.image * shape.height + place.row + r) * shape.width + place.column) * shape.out +
          c;
      for (std::size_t x = 0; x < width; ++x) Store(to + x * shape.out, line[x]);
    }
  }
}

// to (rows x columns) = from (rows x in) * panel (in x columns)
template <std::size_t vectors>
ROOST_INLINE void Multiply(const float* from, std::size_t in, const float* panel, float* to,
                           std::size_t out) {
  for (std::size_t start = 0; start < in; start += kChain) {
    const std::size_t end = std::min(in, start + kChain);
    std::array<std::array<Vector, vectors>, kRows> sums{};
    const float* weights = panel + start * vectors * kWidth;
    for (std::size_t i = start; i < end; ++i, weights += vectors * kWidth) {
      std::array<Vector, vectors> w;
#pragma GCC unroll 2
      for (std::size_t v = 0; v < vectors; ++v) w[v] = Load<Vector>(weights + v * kWidth);
#pragma GCC unroll 14
      for (std::size_t r = 0; r < kRows; ++r) {
        const float value = from[r * in + i];
#pragma GCC unroll 2
        for (std::size_t v = 0; v < vectors; ++v) sums[r][v] += value * w[v];
      }
    }
#pragma GCC unroll 14
    for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < vectors; ++v) {
        float* const place = to + r * out + v * kWidth;
        Store(place, start == 0 ? sums[r][v] : Load<Vector>(place) + sums[r][v]);
      }
    }
  }
}

template <class V>
ROOST_INLINE void ConvolveBody(const WinogradShape& shape, const float* x, const float* points,
                               std::size_t first, std::size_t count, float* scratch, float* y) {
  const std::size_t rows = (count + kRows - 1) / kRows * kRows;
  float* const zeros = scratch;
  float* const inputs = zeros + shape.in;
  float* const results = inputs + kWinogradPoints * rows * shape.in;
  std::fill(zeros, zeros + shape.in, 0.0F);
  std::array<const float*, kWinogradPoints> pixels;
  for (std::size_t t = 0; t < count; ++t) {
    PixelsOf<kInput, 1>(shape, PlaceOf(shape, first + t), x, shape.in, zeros, pixels.data());
    InputToPoints(pixels.data(), shape.in, inputs + t * shape.in, rows * shape.in);
  }
  for (std::size_t p = 0; p < kWinogradPoints; ++p) {
    float* const from = inputs + p * rows * shape.in;
    std::fill(from + count * shape.in, from + rows * shape.in, 0.0F);
    for (std::size_t o = 0; o < shape.out; o += kPanel) {
      const float* const panel = points + p * shape.in * shape.out + PanelOffset(shape.in, o);
      for (std::size_t t = 0; t < rows; t += kRows) {
        float* const to = results + (p * rows + t) * shape.out + o;
        if (PanelWidth(shape.out, o) == kPanel) {
          Multiply<2>(from + t * shape.in, shape.in, panel, to, shape.out);
        } else {
          Multiply<1>(from + t * shape.in, shape.in, panel, to, shape.out);
        }
      }
    }
  }
  for (std::size_t t = 0; t < count; ++t) {
    OutputFromPoints(shape, PlaceOf(shape, first + t), results + t * shape.out, rows * shape.out,
                     y);
  }
}

// --- The gradient of the weights

ROOST_INLINE void GradientTile(const float* const* pixels, std::size_t channels, float* to,
                               std::size_t step) {
  for (std::size_t c = 0; c < channels; c += kWidth) {
    std::array<Vector, kInput * kTile> rows;
    for (std::size_t x = 0; x < kTile; ++x) {
      const auto pixel = [&](std::size_t y) __attribute__((always_inline)) {
        return Load<Vector>(pixels[y * kTile + x] + c);
      };
      GradientToPoints(pixel(0), pixel(1), pixel(2), pixel(3), rows[x], rows[4 + x], rows[8 + x],
                       rows[12 + x], rows[16 + x], rows[20 + x]);
    }
    for (std::size_t y = 0; y < kInput; ++y) {
      const Vector* const r = rows.data() + y * kTile;
      std::array<Vector, kInput> p;
      GradientToPoints(r[0], r[1], r[2], r[3], p[0], p[1], p[2], p[3], p[4], p[5]);
      for (std::size_t x = 0; x < kInput; ++x) Store(to + (y * kInput + x) * step + c, p[x]);
    }
  }
}

// sums (rows x columns) += from^T (rows x tiles) * gradients (tiles x columns)
template <std::size_t vectors>
ROOST_INLINE void AddProducts(const float* from, std::size_t in, const float* gradients,
                              std::size_t out, std::size_t tiles, float* sums) {
  for (std::size_t start = 0; start < tiles; start += kChain) {
    const std::size_t end = std::min(tiles, start + kChain);
    std::array<std::array<Vector, vectors>, kGradientRows> part{};
    for (std::size_t t = start; t < end; ++t, from += in, gradients += out) {
      std::array<Vector, vectors> g;
#pragma GCC unroll 2
      for (std::size_t v = 0; v < vectors; ++v) g[v] = Load<Vector>(gradients + v * kWidth);
#pragma GCC unroll 8
      for (std::size_t r = 0; r < kGradientRows; ++r) {
#pragma GCC unroll 2
        for (std::size_t v = 0; v < vectors; ++v) part[r][v] += from[r] * g[v];
      }
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kGradientRows; ++r) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < vectors; ++v) {
        float* const to = sums + r * out + v * kWidth;
        Store(to, Load<Vector>(to) + part[r][v]);
      }
    }
  }
}

template <class V>
ROOST_INLINE void AddGradientBody(const WinogradShape& shape, const float* x, const float* gradient,
                                  std::size_t first, std::size_t count, float* scratch,
                                  float* sums) {
  const std::size_t in = shape.in;
  const std::size_t out = shape.out;
  float* const zeros = scratch;
  float* const inputs = zeros + std::max(in, out);
  float* const gradients = inputs + kWinogradPoints * count * in;
  std::fill(zeros, inputs, 0.0F);
  std::array<const float*, kWinogradPoints> pixels;
  for (std::size_t t = 0; t < count; ++t) {
    const Place place = PlaceOf(shape, first + t);
    PixelsOf<kInput, 1>(shape, place, x, in, zeros, pixels.data());
    InputToPoints(pixels.data(), in, inputs + t * in, count * in);
    PixelsOf<kTile, 0>(shape, place, gradient, out, zeros, pixels.data());
    GradientTile(pixels.data(), out, gradients + t * out, count * out);
  }
  for (std::size_t p = 0; p < kWinogradPoints; ++p) {
    for (std::size_t o = 0; o < out; o += kPanel) {
      for (std::size_t i = 0; i < in; i += kGradientRows) {
        const float* const from = inputs + p * count * in + i;
        const float* const other = gradients + p * count * out + o;
        float* const to = sums + (p * in + i) * out + o;
        if (PanelWidth(out, o) == kPanel) {
          AddProducts<2>(from, in, other, out, count, to);
        } else {
          AddProducts<1>(from, in, other, out, count, to);
        }
      }
    }
  }
}

template <class V>
ROOST_INLINE void GradientBody(const float* sums, std::size_t in, std::size_t out,
                               std::size_t first, std::size_t last, float* weight_gradient) {
  for (std::size_t o = first; o < last; o += kWidth) {
    for (std::size_t i = 0; i < in; ++i) {
      std::array<std::array<Doubles, kInput>, 3> rows;
      for (std::size_t x = 0; x < kInput; ++x) {
        std::array<Doubles, kInput> column;
        for (std::size_t y = 0; y < kInput; ++y) {
          column[y] = LoadDoubles(sums + ((y * kInput + x) * in + i) * out + o);
        }
        PointsToWeights(column.data(), rows[0][x], rows[1][x], rows[2][x]);
      }
      for (std::size_t y = 0; y < 3; ++y) {
        std::array<Doubles, 3> g;
        PointsToWeights(rows[y].data(), g[0], g[1], g[2]);
        for (std::size_t x = 0; x < 3; ++x) {
          for (std::size_t lane = 0; lane < kWidth; ++lane) {
            weight_gradient[((o + lane) * 9 + 3 * y + x) * in + i] = static_cast<float>(g[x][lane]);
          }
        }
      }
    }
  }
}

}  // namespace

bool HasFastWinograd() { return simd::ThisProcessor() == simd::Processor::kAvx512; }

// So that inputs and results stay in the second cache, but weights are not read too often.
std::size_t WinogradBlock(const WinogradShape& shape) {
  return shape.in + shape.out <= 256 ? 2 * kRows : 4 * kRows;
}

std::size_t WinogradScratch(const WinogradShape& shape) {
  return shape.in + kWinogradPoints * WinogradBlock(shape) * (shape.in + shape.out);
}

// The sums are read and written once for each block.
std::size_t WinogradGradientBlock(const WinogradShape& shape) {
  return shape.in + shape.out <= 128 ? 64 : 112;
}

std::size_t WinogradGradientScratch(const WinogradShape& shape) {
  return std::max(shape.in, shape.out) +
         kWinogradPoints * WinogradGradientBlock(shape) * (shape.in + shape.out);
}

ROOST_FOR_EACH_PROCESSOR(WinogradWeights, WeightsBody,
                         (const WinogradTaps& taps, std::size_t in, std::size_t out,
                          std::size_t first, std::size_t last, float* points),
                         (taps, in, out, first, last, points))

ROOST_FOR_EACH_PROCESSOR(WinogradConvolve, ConvolveBody,
                         (const WinogradShape& shape, const float* x, const float* points,
                          std::size_t first, std::size_t count, float* scratch, float* y),
                         (shape, x, points, first, count, scratch, y))

ROOST_FOR_EACH_PROCESSOR(WinogradAddGradient, AddGradientBody,
                         (const WinogradShape& shape, const float* x, const float* gradient,
                          std::size_t first, std::size_t count, float* scratch, float* sums),
                         (shape, x, gradient, first, count, scratch, sums))

ROOST_FOR_EACH_PROCESSOR(WinogradGradient, GradientBody,
                         (const float* sums, std::size_t in, std::size_t out, std::size_t first,
                          std::size_t last, float* weight_gradient),
                         (sums, in, out, first, last, weight_gradient))

}  // namespace roost::trainer
