#include "trainer/kernels/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace roost::trainer {
namespace {

// Odd sizes, so that whole registers, single vectors and single channels all occur.
constexpr std::size_t kRows = 77;
constexpr std::size_t kChannels = 103;
constexpr std::size_t kStride = kChannels + 5;

std::vector<float> Random(std::size_t count, unsigned seed, float mean = 0) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(mean);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

struct NormKernelTest : ::testing::Test {
  const RowCounts size{kRows, kChannels};
  const std::vector<float> x = Random(kRows * kStride, 1, 3);
  const std::vector<float> gradient = Random(kRows * kStride, 2);
  const std::vector<float> residual = Random(kRows * kStride, 3);
  const std::vector<float> scale = Random(kChannels, 4);
  const std::vector<float> shift = Random(kChannels, 5);
  const std::vector<float> mean = Random(kChannels, 6, 3);
  static ConstRows In(const std::vector<float>& values) { return {values.data(), kStride}; }
  static Rows Out(std::vector<float>& values) { return {values.data(), kStride}; }

  double Output(std::size_t r, std::size_t c, bool add) const {
    const std::size_t at = r * kStride + c;
    return static_cast<double>(x[at]) * static_cast<double>(scale[c]) +
           static_cast<double>(shift[c]) + (add ? static_cast<double>(residual[at]) : 0.0);
  }
};

TEST_F(NormKernelTest, MomentsAreThoseOfDoubles) {
  std::vector<double> sums(kChannels, 1.0);
  std::vector<double> squares(kChannels, 2.0);
  AddMoments(size, In(x), mean.data(), sums.data(), squares.data());
  for (std::size_t c = 0; c < kChannels; ++c) {
    double sum = 1;
    double square = 2;
    for (std::size_t r = 0; r < kRows; ++r) {
      const double d = static_cast<double>(x[r * kStride + c]) - static_cast<double>(mean[c]);
      sum += d;
      square += d * d;
    }
    EXPECT_NEAR(sums[c], sum, 1e-4) << c;
    EXPECT_NEAR(squares[c], square, 1e-4 * square) << c;
  }
}

TEST_F(NormKernelTest, AppliesScaleShiftResidualAndRelu) {
  for (const bool add : {false, true}) {
    for (const bool relu : {false, true}) {
      std::vector<float> y(kRows * kStride, -7);
      ApplyNorm(size, In(x), add ? In(residual) : ConstRows(), {scale.data(), shift.data(), relu},
                Out(y));
      for (std::size_t r = 0; r < kRows; ++r) {
        for (std::size_t c = 0; c < kStride; ++c) {
          const float found = y[r * kStride + c];
          if (c >= kChannels) {
            EXPECT_EQ(found, -7);  // beyond the channels nothing is written
            continue;
          }
          const double plain = Output(r, c, add);
          EXPECT_NEAR(found, relu ? std::max(plain, 0.0) : plain, 1e-5);
        }
      }
    }
  }
}

TEST_F(NormKernelTest, WhatIsNoNumberStays) {
  std::vector<float> broken = x;
  broken[3 * kStride + 50] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> y(kRows * kStride);
  ApplyNorm(size, In(broken), {}, {scale.data(), shift.data(), true}, Out(y));
  EXPECT_TRUE(std::isnan(y[3 * kStride + 50]));
}

TEST_F(NormKernelTest, GradientsStopWhereTheReluWasZero) {
  for (const bool from_output : {false, true}) {
    std::vector<float> y(kRows * kStride);
    ApplyNorm(size, In(x), from_output ? In(residual) : ConstRows(),
              {scale.data(), shift.data(), true}, Out(y));
    const ReluMask mask{.line = {scale.data(), shift.data(), true},
                        .y = from_output ? In(y) : ConstRows()};
    std::vector<double> sums(kChannels);
    std::vector<double> products(kChannels);
    std::vector<float> behind(kRows * kStride);
    AddGradients(size, In(gradient), In(x), mask, mean.data(), sums.data(), products.data(),
                 Out(behind));
    const std::vector<float> a = Random(kChannels, 8), b = Random(kChannels, 9),
                             c_line = Random(kChannels, 10);
    std::vector<float> to(kRows * kStride);
    ApplyGradient(size, In(gradient), In(x), mask, {mean.data(), a.data(), b.data(), c_line.data()},
                  Out(to));
    std::size_t stopped = 0;
    for (std::size_t c = 0; c < kChannels; ++c) {
      double sum = 0;
      double product = 0;
      for (std::size_t r = 0; r < kRows; ++r) {
        const std::size_t at = r * kStride + c;
        const float g = y[at] > 0 ? gradient[at] : 0.0F;
        if (y[at] <= 0) ++stopped;
        const double d = static_cast<double>(x[at]) - static_cast<double>(mean[c]);
        sum += static_cast<double>(g);
        product += static_cast<double>(g) * d;
        EXPECT_EQ(behind[at], g);
        const double expected = static_cast<double>(g) * static_cast<double>(a[c]) +
                                d * static_cast<double>(b[c]) + static_cast<double>(c_line[c]);
        EXPECT_NEAR(to[at], expected, 1e-5);
      }
      EXPECT_NEAR(sums[c], sum, 1e-4);
      EXPECT_NEAR(products[c], product, 1e-3);
    }
    EXPECT_GT(stopped, kRows * kChannels / 5);
  }
}

}  // namespace
}  // namespace roost::trainer
