#include "trainer/models/fused_norm.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "trainer/models/layers.h"

namespace roost::trainer {
namespace {

using torch::nn::BatchNorm2d;

at::Tensor ChannelsLast(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

struct Case {
  const char* name;
  std::int64_t images, channels, height, width;
  bool relu = true;
  bool residual = false;
  int features = 1;  // that the channels are shared out among
};

// What a norm does to its inputs and its own tensors, by name.
using Results = std::map<std::string, at::Tensor>;

Results Collected(const BatchNorm2d& norm, const at::Tensor& y, const at::Tensor& gradient,
                  const std::vector<at::Tensor>& features, const at::Tensor& residual) {
  y.backward(gradient.to(y.scalar_type()));
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& feature : features) gradients.push_back(feature.grad());
  Results results = {{"output", y.detach()},
                     {"gradient of the input", at::cat(gradients, 1)},
                     {"gradient of the weight", norm->weight.grad()},
                     {"gradient of the bias", norm->bias.grad()},
                     {"running mean", norm->running_mean},
                     {"running variance", norm->running_var}};
  if (residual.defined()) results["gradient of the residual"] = residual.grad();
  return results;
}

struct FusedNormTest : ::testing::TestWithParam<Case> {
  void SetUp() override {
    at::manual_seed(5);
    const Case& c = GetParam();
    const std::vector<std::int64_t> shape = {c.images, c.channels, c.height, c.width};
    // Channels far from zero, as deep layers have them.
    x = ChannelsLast(at::randn(shape) * at::rand({1, c.channels, 1, 1}).add(0.5) +
                     at::randn({1, c.channels, 1, 1}) * 2);
    gradient = ChannelsLast(at::randn(shape));
    if (c.residual) residual = ChannelsLast(at::randn(shape));
    weight = at::rand({c.channels}).add(0.5);
    bias = at::randn({c.channels});
  }

  BatchNorm2d MakeNorm(at::ScalarType type) const {
    BatchNorm2d norm(GetParam().channels);
    norm->weight.set_data(weight.clone());
    norm->bias.set_data(bias.clone());
    norm->running_mean.fill_(0.25);
    norm->to(type);
    return norm;
  }
  static at::Tensor Leaf(const at::Tensor& value, at::ScalarType type) {
    return value.defined()
               ? value.to(type).clone(at::MemoryFormat::Preserve).detach().set_requires_grad(true)
               : at::Tensor();
  }

  Results Plain(at::ScalarType type) const {
    BatchNorm2d norm = MakeNorm(type);
    const at::Tensor input = Leaf(x, type);
    const at::Tensor added = Leaf(residual, type);
    at::Tensor y = norm->forward(input);
    if (added.defined()) y = y + added;
    if (GetParam().relu) y = y.relu();
    return Collected(norm, y, gradient, {input}, added);
  }

  Results Ours() const {
    BatchNorm2d norm = MakeNorm(at::kFloat);
    std::vector<at::Tensor> features;
    for (const at::Tensor& part : x.chunk(GetParam().features, 1)) {
      features.push_back(Leaf(ChannelsLast(part), at::kFloat));
    }
    const at::Tensor added = Leaf(residual, at::kFloat);
    EXPECT_TRUE(FusesNorm(norm, features));
    at::Tensor y;
    if (features.size() > 1) {
      FeatureMaps maps(features[0]);
      for (std::size_t i = 1; i < features.size(); ++i) maps.Append(features[i]);
      y = NormRelu(norm, maps);
    } else if (added.defined()) {
      y = NormAddRelu(norm, features[0], added);
    } else {
      y = GetParam().relu ? NormRelu(norm, features[0]) : Norm(norm, features[0]);
    }
    EXPECT_EQ(norm->num_batches_tracked.item<std::int64_t>(), 1);
    return Collected(norm, y, gradient, features, added);
  }

  at::Tensor x, gradient, residual, weight, bias;
};

double Error(const at::Tensor& found, const at::Tensor& exact) {
  return ((found.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
}

TEST_P(FusedNormTest, RoundsAtMostTwiceAsMuchAsTorch) {
  const Results exact = Plain(at::kDouble);
  const Results eager = Plain(at::kFloat);
  const Results found = Ours();
  ASSERT_EQ(found.size(), exact.size());
  for (const auto& [name, value] : exact) {
    const double own = Error(eager.at(name), value);
    const double ours = Error(found.at(name), value);
    // Where torch happens to be nearly exact, so is half a unit in the last place.
    EXPECT_LE(ours, std::max(2 * own, 6e-8)) << name << ": " << ours << ", torch " << own;
  }
}

TEST_P(FusedNormTest, GivesTheSameBitsWithTwoThreads) {
  const Results one = Ours();
  at::set_num_threads(2);
  const Results two = Ours();
  at::set_num_threads(1);
  for (const auto& [name, value] : one) EXPECT_TRUE(at::equal(value, two.at(name))) << name;
}

INSTANTIATE_TEST_SUITE_P(Layers, FusedNormTest,
                         ::testing::Values(Case{"stem", 4, 64, 56, 56}, Case{"wide", 4, 1024, 7, 7},
                                           Case{"downsample", 4, 256, 14, 14, false},
                                           Case{"residual", 4, 128, 28, 28, true, true},
                                           Case{"dense", 4, 96, 28, 28, true, false, 3},
                                           Case{"odd", 3, 37, 5, 9, true, true},
                                           Case{"two pixels", 2, 16, 1, 1}),
                         [](const ::testing::TestParamInfo<Case>& test) {
                           std::string name = test.param.name;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

TEST(FusedNorm, LeavesToTorchWhatItCannot) {
  BatchNorm2d norm(8);
  const at::Tensor x = ChannelsLast(at::randn({2, 8, 4, 4}));
  EXPECT_TRUE(FusesNorm(norm, {x}));
  EXPECT_FALSE(FusesNorm(norm, {x.contiguous()}));
  EXPECT_FALSE(FusesNorm(norm, {x.to(at::kDouble)}));
  EXPECT_FALSE(FusesNorm(norm, {ChannelsLast(at::randn({1, 8, 1, 1}))}));  // torch's own error
  norm->eval();
  EXPECT_FALSE(FusesNorm(norm, {x}));
}

TEST(FusedNorm, FrozenTensorsGetNoGradient) {
  BatchNorm2d norm(8);
  norm->weight.set_requires_grad(false);
  norm->bias.set_requires_grad(false);
  const at::Tensor x = ChannelsLast(at::randn({2, 8, 4, 4})).set_requires_grad(true);
  NormRelu(norm, x).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(norm->weight.grad().defined());
}

TEST(FusedNorm, ABrokenNumberShowsInTheOutput) {
  BatchNorm2d norm(8);
  const at::Tensor x = ChannelsLast(at::randn({2, 8, 4, 4}));
  x[0][3][1][1] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor y = NormRelu(norm, x);
  EXPECT_TRUE(y.select(1, 3).isnan().all().item<bool>());
  EXPECT_FALSE(y.select(1, 2).isnan().any().item<bool>());
}

}  // namespace
}  // namespace roost::trainer
