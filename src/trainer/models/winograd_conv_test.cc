#include "trainer/models/winograd_conv.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace roost::trainer {
namespace {

struct Layer {
  std::int64_t images, in, out, height, width;
};

struct Results {
  std::array<at::Tensor, 3> of;  // output, gradient of the input, gradient of the weight
};
constexpr std::array kNames = {"output", "gradient of the input", "gradient of the weight"};

at::Tensor ChannelsLast(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

template <class Convolve>
Results AllOf(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& gradient,
              const Convolve& convolve) {
  const at::Tensor input = x.detach().clone().set_requires_grad(true);
  const at::Tensor w = weight.detach().clone().set_requires_grad(true);
  const at::Tensor y = convolve(input, w);
  y.backward(gradient.to(y.scalar_type()));
  return {{y.detach(), input.grad(), w.grad()}};
}

Results Plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& gradient) {
  return AllOf(x, weight, gradient, [](const at::Tensor& input, const at::Tensor& w) {
    return at::conv2d(input, w, {}, 1, 1);
  });
}

double Error(const at::Tensor& found, const at::Tensor& exact) {
  return ((found.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
}

struct WinogradLayer : ::testing::TestWithParam<Layer> {};

// Activations behind a ReLU, weights as a network's start: what the layers of ResNet and DenseNet
// see, and shapes whose tiles stick out.
TEST_P(WinogradLayer, RoundsAtMostTwiceAsMuchAsTorch) {
  const Layer layer = GetParam();
  at::manual_seed(11);
  const at::Tensor x =
      ChannelsLast(at::randn({layer.images, layer.in, layer.height, layer.width}).relu());
  const at::Tensor weight = ChannelsLast(at::randn({layer.out, layer.in, 3, 3}) *
                                         std::sqrt(2.0 / static_cast<double>(9 * layer.out)));
  const at::Tensor gradient =
      ChannelsLast(at::randn({layer.images, layer.out, layer.height, layer.width}));
  ASSERT_TRUE(CanUseWinograd(x, weight));
  const Results exact = Plain(x.to(at::kDouble), weight.to(at::kDouble), gradient);
  const Results eager = Plain(x, weight, gradient);
  const Results found = AllOf(x, weight, gradient, WinogradConv2d);
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const double own = Error(eager.of[i], exact.of[i]);
    const double ours = Error(found.of[i], exact.of[i]);
    EXPECT_LE(ours, 2 * own) << kNames[i] << ": " << ours << ", torch " << own;
    EXPECT_TRUE(found.of[i].is_contiguous(at::MemoryFormat::ChannelsLast)) << kNames[i];
    RecordProperty(std::string(kNames[i]), std::to_string(ours / own));
  }
}
INSTANTIATE_TEST_SUITE_P(Layers, WinogradLayer,
                         ::testing::Values(Layer{4, 64, 64, 56, 56}, Layer{16, 64, 64, 56, 56},
                                           Layer{16, 128, 128, 28, 28}, Layer{13, 64, 48, 28, 28},
                                           Layer{8, 256, 256, 14, 14}, Layer{2, 128, 32, 28, 28},
                                           Layer{2, 192, 48, 14, 14}, Layer{3, 64, 64, 13, 18}));

TEST(WinogradConv, SmallAndCrookedImagesAreRight) {
  at::manual_seed(12);
  for (const Layer layer : {Layer{1, 16, 16, 1, 1}, Layer{2, 16, 32, 2, 7}, Layer{1, 32, 16, 5, 3},
                            Layer{3, 48, 80, 6, 9}, Layer{40, 16, 48, 15, 17}}) {
    const at::Tensor x =
        ChannelsLast(at::randn({layer.images, layer.in, layer.height, layer.width}));
    const at::Tensor weight = ChannelsLast(at::randn({layer.out, layer.in, 3, 3}));
    const at::Tensor gradient =
        ChannelsLast(at::randn({layer.images, layer.out, layer.height, layer.width}));
    const Results exact = Plain(x.to(at::kDouble), weight.to(at::kDouble), gradient);
    const Results found = AllOf(x, weight, gradient, WinogradConv2d);
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      EXPECT_LT(Error(found.of[i], exact.of[i]), 2e-6) << kNames[i] << " of " << layer.height;
    }
  }
}

TEST(WinogradConv, TheSameBitsTwiceAndInTwoThreads) {
  at::manual_seed(13);
  const at::Tensor x = ChannelsLast(at::randn({4, 64, 20, 20}));
  const at::Tensor weight = ChannelsLast(at::randn({64, 64, 3, 3}));
  const at::Tensor gradient = ChannelsLast(at::randn({4, 64, 20, 20}));
  const Results first = AllOf(x, weight, gradient, WinogradConv2d);
  const Results second = AllOf(x, weight, gradient, WinogradConv2d);
  for (std::size_t i = 0; i < kNames.size(); ++i) EXPECT_TRUE(at::equal(first.of[i], second.of[i]));
  at::set_num_threads(2);
  const Results shared = AllOf(x, weight, gradient, WinogradConv2d);
  at::set_num_threads(1);
  EXPECT_TRUE(at::equal(first.of[0], shared.of[0]));
  EXPECT_TRUE(at::equal(first.of[1], shared.of[1]));
  EXPECT_LT(Error(shared.of[2], first.of[2].to(at::kDouble)), 1e-6);
}

TEST(WinogradConv, TakesOnlyWhatItCan) {
  const at::Tensor x = ChannelsLast(at::randn({1, 32, 8, 8}));
  const at::Tensor weight = ChannelsLast(at::randn({16, 32, 3, 3}));
  EXPECT_TRUE(CanUseWinograd(x, weight));
  EXPECT_FALSE(CanUseWinograd(x.to(at::kDouble), weight.to(at::kDouble)));
  EXPECT_FALSE(CanUseWinograd(x.contiguous(), weight));
  EXPECT_FALSE(CanUseWinograd(x, ChannelsLast(at::randn({16, 32, 5, 5}))));
  EXPECT_FALSE(CanUseWinograd(x, ChannelsLast(at::randn({8, 32, 3, 3}))));
  EXPECT_FALSE(CanUseWinograd(x, ChannelsLast(at::randn({16, 16, 3, 3}))));  // groups
}

}  // namespace
}  // namespace roost::trainer
