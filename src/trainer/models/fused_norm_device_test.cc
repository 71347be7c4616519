#include "trainer/models/fused_norm_device.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "trainer/cuda/emulated_gpu_test_support.h"

namespace roost::trainer {
namespace {

at::Tensor ChannelsLast(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

struct Shape {
  const char* name;
  std::int64_t images, height, width;
  std::vector<std::int64_t> channels;  // of the maps side by side
  int multiprocessors = 2;
};

void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.name; }

// The larger ones have several pixels for a thread, tiles for a map, or blocks for both.
const std::vector<Shape> kShapes = {
    {"two_pixels", 2, 1, 1, {16}},
    {"few_pixels", 3, 5, 7, {64}},
    {"many_pixels", 4, 48, 48, {8}, 1},
    {"many_blocks", 2, 20, 20, {24}, 40},
    {"uneven_tiles", 2, 3, 3, {600}},
    {"odd", 3, 5, 9, {37}},
    {"one_channel", 3, 8, 9, {1}},
    {"side_by_side", 2, 6, 6, {64, 32, 48}},
    {"idle_blocks", 2, 4, 4, {8, 256}, 16},
    {"odd_side_by_side", 2, 5, 5, {3, 32, 10}},
    {"more_than_a_launch_takes", 2, 3, 3,
     std::vector<std::int64_t>(norm_kernels::kMapsOfLaunch + 3, 8)}};
const std::vector<at::ScalarType> kTypes = {at::kFloat, at::kHalf, at::kBFloat16};

struct Norm {
  bool relu = true;
  bool residual = false;
};
std::vector<Norm> NormsOf(const Shape& shape) {
  if (shape.channels.size() > 1) return {Norm{true, false}, Norm{false, false}};
  return {Norm{true, false}, Norm{false, false}, Norm{true, true}, Norm{false, true}};
}

using Results = std::map<std::string, at::Tensor>;

// What a test gives in and what double makes of it by torch's own operations.
struct Problem {
  Problem(const Shape& shape, const Norm& norm, at::ScalarType type) : relu(norm.relu) {
    at::manual_seed(7);
    std::vector<at::Tensor> maps;
    for (const std::int64_t channels : shape.channels) {
      const at::Tensor map = at::randn({shape.images, channels, shape.height, shape.width}) *
                                 at::rand({1, channels, 1, 1}).add(0.5) +
                             at::randn({1, channels, 1, 1}) * 2;
      features.push_back(ChannelsLast(map.to(type)));
      maps.push_back(features.back().to(at::kDouble));
    }
    x = at::cat(maps, 1);
    gradient = ChannelsLast(at::randn(x.sizes()).to(type));
    if (norm.residual) residual = ChannelsLast(at::randn(x.sizes()).to(type));
    parameters.weight = at::randn({x.size(1)});  // of both signs
    parameters.bias = at::randn({x.size(1)});
    parameters.running_mean = at::randn({x.size(1)});
    parameters.running_var = at::rand({x.size(1)});
    parameters.momentum = 0.25;
  }

  Results Exact() const {
    const auto leaf = [](const at::Tensor& value) {
      return value.to(at::kDouble).detach().clone().set_requires_grad(true);
    };
    const at::Tensor input = leaf(x);
    const at::Tensor weight = leaf(parameters.weight);
    const at::Tensor bias = leaf(parameters.bias);
    const at::Tensor added = residual.defined() ? leaf(residual) : at::Tensor();
    Results exact;
    exact["running mean"] = parameters.running_mean.to(at::kDouble);
    exact["running variance"] = parameters.running_var.to(at::kDouble);
    at::Tensor y = at::batch_norm(input, weight, bias, exact["running mean"],
                                  exact["running variance"], /*training=*/true, parameters.momentum,
                                  parameters.epsilon, /*cudnn_enabled=*/false);
    if (added.defined()) y = y + added;
    if (relu) y = y.relu();
    y.backward(gradient.to(at::kDouble));
    exact["mean"] = x.mean({0, 2, 3});
    exact["variance"] = x.var({0, 2, 3}, /*unbiased=*/false);
    exact["output"] = y.detach();
    exact["gradient of the input"] = input.grad();
    exact["gradient of the weight"] = weight.grad();
    exact["gradient of the bias"] = bias.grad();
    // Without a ReLU it is the gradient that came, which is handed on as it is.
    if (added.defined() && relu) exact["gradient of the residual"] = added.grad();
    return exact;
  }

  Results Found(KernelLauncher& gpu, at::Device device = at::kCPU) const {
    const auto there = [&](const at::Tensor& value) {
      return value.defined() ? value.to(device, value.scalar_type(), false, /*copy=*/true) : value;
    };
    NormParameters norm = parameters;
    for (at::Tensor* const tensor :
         {&norm.weight, &norm.bias, &norm.running_mean, &norm.running_var}) {
      *tensor = there(*tensor);
    }
    std::vector<at::Tensor> maps;
    for (const at::Tensor& map : features) maps.push_back(there(map));
    ChannelMoments moments;
    if (maps.size() == 1) {
      moments = device_norm::MomentsOf(gpu, maps[0], &norm);
    } else {
      std::vector<ChannelMoments> parts;
      for (const at::Tensor& map : maps) {
        parts.push_back(device_norm::MomentsOf(gpu, map, nullptr));
      }
      moments = Joined(parts);
      device_norm::MoveStatistics(gpu, norm, moments, x.numel() / x.size(1));
    }
    const at::Tensor y = device_norm::Forward(gpu, maps, moments, norm, there(residual), relu);
    const NormGradients found =
        device_norm::Backward(gpu, there(gradient), maps, moments, norm,
                              residual.defined() && relu ? y : at::Tensor(), relu);
    Results results = {{"mean", moments.mean},
                       {"variance", moments.variance},
                       {"running mean", norm.running_mean},
                       {"running variance", norm.running_var},
                       {"output", y},
                       {"gradient of the input", at::cat(found.features, 1)},
                       {"gradient of the weight", found.weight},
                       {"gradient of the bias", found.bias}};
    if (found.residual.defined()) results["gradient of the residual"] = found.residual;
    return results;
  }

  bool relu;
  std::vector<at::Tensor> features;
  at::Tensor x;  // all of them, in double
  at::Tensor gradient, residual;
  NormParameters parameters;
};

// Half a unit in the last place, of what is near one.
double Rounding(at::ScalarType type) {
  return type == at::kFloat  ? std::ldexp(1.0, -24)
         : type == at::kHalf ? std::ldexp(1.0, -11)
                             : std::ldexp(1.0, -8);
}

// Each number is that of double, rounded to its type once; what float loses on the way is small
// beside the largest number, and beside what cancels out in it.
void ExpectExact(const Results& found, const Problem& problem) {
  const Results exact = problem.Exact();
  const double gradient = problem.gradient.abs().max().item<double>();
  const auto pixels = static_cast<double>(problem.x.numel() / problem.x.size(1));
  const at::Tensor deviation = exact.at("variance").sqrt();
  const at::Tensor scale = problem.parameters.weight.abs() / deviation;
  const at::Tensor lost = (1 + exact.at("mean").abs() / deviation / 8) * 1e-6;  // x - mean
  const std::map<std::string, double> cancelling = {
      {"gradient of the input", gradient * scale.max().item<double>()},
      {"gradient of the weight", gradient * std::sqrt(pixels)},
      {"gradient of the bias", gradient * std::sqrt(pixels)}};
  ASSERT_EQ(found.size(), exact.size());
  for (const auto& [name, wanted] : exact) {
    const at::Tensor& value = found.at(name);
    ASSERT_EQ(value.sizes(), wanted.sizes()) << name;
    const auto terms = cancelling.find(name);
    const double largest = std::max(wanted.abs().max().item<double>(),
                                    terms != cancelling.end() ? terms->second : 0.0);
    const at::Tensor allowed = wanted.abs() * (1.01 * Rounding(value.scalar_type())) +
                               (wanted.dim() == 4 ? lost.view({1, -1, 1, 1}) : lost) * largest;
    const at::Tensor off = (value.cpu().to(at::kDouble) - wanted).abs() / allowed;
    EXPECT_TRUE((off <= 1).all().item<bool>())  // nor is anything no number
        << name << ": " << off.max().item<double>() << " times what is allowed";
  }
}

// Memory that nobody wrote holds no numbers.
struct UnwrittenMemoryShows {
  UnwrittenMemoryShows() {
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
    at::globalContext().setDeterministicFillUninitializedMemory(true);
  }
  ~UnwrittenMemoryShows() { at::globalContext().setDeterministicAlgorithms(false, false); }
};

struct DeviceNormTest : ::testing::TestWithParam<std::tuple<Shape, at::ScalarType>> {
  const Shape& shape() const { return std::get<0>(GetParam()); }
  at::ScalarType type() const { return std::get<1>(GetParam()); }
  std::vector<Norm> Norms() const { return NormsOf(shape()); }
  const UnwrittenMemoryShows shows;
};

TEST_P(DeviceNormTest, RoundsTheExactResultOnce) {
  for (const Norm& norm : Norms()) {
    SCOPED_TRACE(::testing::Message() << "relu " << norm.relu << ", residual " << norm.residual);
    const Problem problem(shape(), norm, type());
    EmulatedGpu gpu(shape().multiprocessors);
    ExpectExact(problem.Found(gpu), problem);
  }
}

TEST_P(DeviceNormTest, TheOrderOfBlocksAndThreadsDoesNotMatter) {
  const Problem problem(shape(), Norms().back(), type());
  EmulatedGpu forwards(shape().multiprocessors);
  EmulatedGpu backwards(shape().multiprocessors, /*backwards=*/true);
  const Results one = problem.Found(forwards);
  const Results other = problem.Found(backwards);
  for (const auto& [name, value] : one) EXPECT_TRUE(at::equal(value, other.at(name))) << name;
}

INSTANTIATE_TEST_SUITE_P(Layers, DeviceNormTest,
                         ::testing::Combine(::testing::ValuesIn(kShapes),
                                            ::testing::ValuesIn(kTypes)),
                         [](const ::testing::TestParamInfo<DeviceNormTest::ParamType>& test) {
                           return std::string(std::get<0>(test.param).name) + "_" +
                                  at::toString(std::get<1>(test.param));
                         });

TEST(DeviceNorm, IsTheSameOnAGpu) {
  if (GpuKernels() == nullptr || !at::globalContext().hasCUDA() ||
      at::detail::getCUDAHooks().deviceCount() == 0) {
    GTEST_SKIP() << "there is no GPU, or the trainer was built without CUDA";
  }
  std::vector<Shape> shapes = kShapes;
  shapes.push_back({"a_full_gpu", 16, 56, 56, {256}});
  for (const Shape& shape : shapes) {
    for (const at::ScalarType type : kTypes) {
      for (const Norm& norm : NormsOf(shape)) {
        SCOPED_TRACE(::testing::Message() << shape.name << ", " << type << ", relu " << norm.relu
                                          << ", residual " << norm.residual);
        const Problem problem(shape, norm, type);
        const Results once = problem.Found(*GpuKernels(), at::kCUDA);
        ExpectExact(once, problem);
        const Results again = problem.Found(*GpuKernels(), at::kCUDA);
        for (const auto& [name, value] : once)
          EXPECT_TRUE(at::equal(value, again.at(name))) << name;
      }
    }
  }
}

TEST(DeviceNorm, AVarianceFarFromZeroIsNotLost) {
  Problem problem({"far", 4, 16, 16, {16}}, {}, at::kFloat);
  problem.features[0].add_(1000);
  EmulatedGpu gpu(2);
  const ChannelMoments moments = device_norm::MomentsOf(gpu, problem.features[0], nullptr);
  const at::Tensor exact = problem.features[0].to(at::kDouble).var({0, 2, 3}, false);
  EXPECT_TRUE(at::allclose(moments.variance.to(at::kDouble), exact, 1e-6, 0));
}

TEST(DeviceNorm, MovesTheStatisticsInOneLaunchLess) {
  const Problem problem({"one", 2, 4, 4, {16}}, {}, at::kFloat);
  EmulatedGpu gpu(2);
  NormParameters together = problem.parameters;
  together.running_mean = together.running_mean.clone();
  together.running_var = together.running_var.clone();
  const ChannelMoments moments = device_norm::MomentsOf(gpu, problem.features[0], &together);
  EXPECT_EQ(gpu.launched, (std::vector<std::string>{"RoostSumMoments", "RoostFinishMoments"}));
  device_norm::MoveStatistics(gpu, problem.parameters, moments, 32);
  EXPECT_TRUE(at::allclose(problem.parameters.running_mean, together.running_mean, 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(problem.parameters.running_var, together.running_var, 1e-6, 1e-6));
}

TEST(DeviceNorm, TakesSixteenBytesAtATimeWhereAllComeOutEven) {
  const auto vector_of = [](std::int64_t channels, at::ScalarType type, std::int64_t offset) {
    const at::Tensor x = at::randn({2 * channels * 4 + offset})
                             .to(type)
                             .slice(0, offset)
                             .view({2, 2, 2, channels})
                             .permute({0, 3, 1, 2});
    EXPECT_TRUE(x.is_contiguous(at::MemoryFormat::ChannelsLast));
    EmulatedGpu gpu(2);
    const ChannelMoments moments = device_norm::MomentsOf(gpu, x, nullptr);
    EXPECT_TRUE(at::allclose(moments.mean, x.to(at::kFloat).mean({0, 2, 3}), 1e-4, 1e-5));
    return gpu.vector;
  };
  EXPECT_EQ(vector_of(16, at::kBFloat16, 0), 8);
  EXPECT_EQ(vector_of(16, at::kFloat, 0), 4);
  EXPECT_EQ(vector_of(12, at::kFloat, 0), 4);
  EXPECT_EQ(vector_of(12, at::kHalf, 0), 1);
  EXPECT_EQ(vector_of(16, at::kHalf, 1), 1);  // begins in the middle
}

TEST(DeviceNorm, ABrokenNumberShowsInTheOutput) {
  Problem problem({"broken", 2, 4, 4, {16}}, {.relu = true, .residual = true}, at::kBFloat16);
  problem.features[0][1][3][1][1] = std::numeric_limits<float>::quiet_NaN();
  EmulatedGpu gpu(2);
  const at::Tensor y = problem.Found(gpu).at("output");
  EXPECT_TRUE(y.select(1, 3).isnan().all().item<bool>());
  EXPECT_FALSE(y.select(1, 2).isnan().any().item<bool>());
}

TEST(DeviceNorm, AResidualAndAGradientOfOtherTypesAreConverted) {
  Problem problem({"mixed", 2, 4, 4, {16}}, {.relu = true, .residual = true}, at::kBFloat16);
  EmulatedGpu gpu(2);
  const Results same = problem.Found(gpu);
  problem.residual = problem.residual.to(at::kFloat).contiguous();  // of another layout, too
  problem.gradient = problem.gradient.to(at::kFloat).contiguous();
  const Results converted = problem.Found(gpu);
  for (const auto& [name, value] : same) EXPECT_TRUE(at::equal(value, converted.at(name))) << name;
}

}  // namespace
}  // namespace roost::trainer
