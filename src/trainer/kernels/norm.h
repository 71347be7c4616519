#pragma once

#include <cstddef>

namespace roost::trainer {

// Parts of a batch norm with ReLU over matrices whose rows are pixels and whose columns are
// channels (images stored N x H x W x C). Strides are floats from row to row. Every function works
// on the rows that it is given, so callers share them out among threads.

struct ConstRows {
  const float* data = nullptr;
  std::size_t stride = 0;
};
struct Rows {
  float* data = nullptr;
  std::size_t stride = 0;
};
struct RowCounts {
  std::size_t rows = 0;
  std::size_t channels = 0;
};

// sums[c] += x - origin[c], squares[c] += (x - origin[c])^2. An origin near the mean keeps the
// variance exact although one pass does.
void AddMoments(const RowCounts& size, const ConstRows& x, const float* origin, double* sums,
                double* squares);

// y = x * scale + shift, + residual where there is one, then ReLU if asked for.
struct NormLine {
  const float* scale = nullptr;
  const float* shift = nullptr;
  bool relu = true;
};
void ApplyNorm(const RowCounts& size, const ConstRows& x, const ConstRows& residual,
               const NormLine& line, const Rows& y);

// How the gradient behind the ReLU is had from the gradient of its output: zero where the output
// was. The output is computed again from x, or is given where a residual went into it.
struct ReluMask {
  NormLine line{};
  ConstRows y{};
};

// sums[c] += g, products[c] += g * (x - mean[c]), where g is the gradient behind the ReLU; g itself
// is written to `behind` where that is given.
void AddGradients(const RowCounts& size, const ConstRows& gradient, const ConstRows& x,
                  const ReluMask& mask, const float* mean, double* sums, double* products,
                  const Rows& behind);

// to = g * a + (x - mean) * b + c
struct GradientLine {
  const float* mean = nullptr;
  const float* a = nullptr;
  const float* b = nullptr;
  const float* c = nullptr;
};
void ApplyGradient(const RowCounts& size, const ConstRows& gradient, const ConstRows& x,
                   const ReluMask& mask, const GradientLine& line, const Rows& to);

}  // namespace roost::trainer
