#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "trainer/cuda/captured_step.h"
#include "trainer/cuda/run_time_kernels.h"
#include "trainer/models/autocast.h"
#include "trainer/models/layers.h"

// The layers on a GPU, where there is one; what the kernels compute is fused_norm_device_test.cc's.
namespace roost::trainer {
namespace {

using torch::nn::BatchNorm2d;

struct FusedNormOnAGpu : ::testing::Test {
  void SetUp() override {
    if (GpuKernels() == nullptr || !at::globalContext().hasCUDA() ||
        at::detail::getCUDAHooks().deviceCount() == 0) {
      GTEST_SKIP() << "there is no GPU, or the trainer was built without CUDA";
    }
    at::manual_seed(3);
  }

  static at::Tensor Images(std::int64_t channels, at::ScalarType type = at::kBFloat16) {
    return (at::randn({4, channels, 14, 14}) * 2 + 1)
        .to(at::kCUDA, type)
        .contiguous(at::MemoryFormat::ChannelsLast);
  }
  static BatchNorm2d MakeNorm(std::int64_t channels) {
    BatchNorm2d norm(channels);
    at::NoGradGuard no_grad;
    norm->weight.copy_(at::randn({channels}));
    norm->bias.copy_(at::randn({channels}));
    norm->to(at::kCUDA);
    return norm;
  }
  // The same norm on the processor in double.
  static BatchNorm2d Exact(const BatchNorm2d& norm) {
    BatchNorm2d exact(norm->weight.size(0));
    at::NoGradGuard no_grad;
    exact->to(at::kDouble);
    exact->weight.copy_(norm->weight);
    exact->bias.copy_(norm->bias);
    return exact;
  }
  static at::Tensor Leaf(const at::Tensor& x) {
    return x.to(at::kCPU, at::kDouble).detach().set_requires_grad(true);
  }
  static void ExpectNear(const at::Tensor& found, const at::Tensor& exact, double tolerance) {
    const double error =
        ((found.cpu().to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
    EXPECT_LE(error, tolerance);
  }
};

TEST_F(FusedNormOnAGpu, TakesTheTypesOfAutocast) {
  const BatchNorm2d norm = MakeNorm(16);
  const AutocastScope autocast(at::kCUDA, /*enabled=*/true, at::kBFloat16);
  EXPECT_TRUE(FusesNorm(norm, {Images(16)}));
  EXPECT_TRUE(FusesNorm(norm, {Images(16, at::kHalf)}));
  EXPECT_TRUE(FusesNorm(norm, {Images(16, at::kFloat)}));
  EXPECT_FALSE(FusesNorm(norm, {Images(16, at::kDouble)}));
  EXPECT_FALSE(FusesNorm(norm, {Images(16).contiguous()}));
  EXPECT_FALSE(FusesNorm(BatchNorm2d(16), {Images(16)})) << "the norm is elsewhere";
  EXPECT_FALSE(FusesNorm(MakeNorm(32), {Images(16), Images(16, at::kFloat)}));
}

TEST_F(FusedNormOnAGpu, AResidualOfAnotherTypeHasItsGradient) {
  BatchNorm2d norm = MakeNorm(24);
  BatchNorm2d exact = Exact(norm);
  const at::Tensor x = Images(24).set_requires_grad(true);
  const at::Tensor residual = Images(24, at::kFloat).set_requires_grad(true);
  const at::Tensor exact_x = Leaf(x);
  const at::Tensor exact_residual = Leaf(residual.to(at::kBFloat16));
  at::Tensor y;
  {
    const AutocastScope autocast(at::kCUDA, /*enabled=*/true, at::kBFloat16);
    y = NormAddRelu(norm, x, residual);
  }
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor exact_y = exact->forward(exact_x).add(exact_residual).relu();
  ExpectNear(y, exact_y, 4e-3);
  const at::Tensor gradient = Images(24);
  y.backward(gradient);
  exact_y.backward(Leaf(gradient));
  EXPECT_EQ(residual.grad().scalar_type(), at::kFloat);
  ExpectNear(x.grad(), exact_x.grad(), 4e-3);
  ExpectNear(residual.grad(), exact_residual.grad(), 1e-6);
  ExpectNear(norm->weight.grad(), exact->weight.grad(), 1e-5);
  ExpectNear(norm->bias.grad(), exact->bias.grad(), 1e-5);
  ExpectNear(norm->running_mean, exact->running_mean, 1e-6);
  ExpectNear(norm->running_var, exact->running_var, 1e-6);
  EXPECT_EQ(norm->num_batches_tracked.item<std::int64_t>(), 1);
}

TEST_F(FusedNormOnAGpu, FeatureMapsSideBySideShareTheirMoments) {
  BatchNorm2d norm = MakeNorm(80);
  BatchNorm2d exact = Exact(norm);
  std::vector<at::Tensor> maps;
  std::vector<at::Tensor> exact_maps;
  for (const std::int64_t channels : {32, 16, 32}) {
    maps.push_back(Images(channels).set_requires_grad(true));
    exact_maps.push_back(Leaf(maps.back()));
  }
  FeatureMaps features(maps[0]);
  features.Append(maps[1]);
  features.Append(maps[2]);
  const at::Tensor y = NormRelu(norm, features);
  const at::Tensor exact_y = exact->forward(at::cat(exact_maps, 1)).relu();
  ExpectNear(y, exact_y, 4e-3);
  const at::Tensor gradient = Images(80);
  y.backward(gradient);
  exact_y.backward(Leaf(gradient));
  for (std::size_t i = 0; i < maps.size(); ++i) {
    ExpectNear(maps[i].grad(), exact_maps[i].grad(), 4e-3);
  }
  ExpectNear(norm->running_var, exact->running_var, 1e-6);
}

TEST_F(FusedNormOnAGpu, AGraphCapturesBothDirections) {
  const auto step = [](BatchNorm2d& norm, const at::Tensor& x, const at::Tensor& gradient) {
    if (x.grad().defined()) x.mutable_grad().zero_();
    NormRelu(norm, x).backward(gradient);
  };
  BatchNorm2d called = MakeNorm(64);
  BatchNorm2d captured(64);
  captured->to(at::kCUDA);
  {
    at::NoGradGuard no_grad;
    captured->weight.copy_(called->weight);
    captured->bias.copy_(called->bias);
  }
  const at::Tensor x = Images(64);
  const at::Tensor gradient = Images(64);
  const at::Tensor called_x = x.clone(at::MemoryFormat::Preserve).set_requires_grad(true);
  const at::Tensor captured_x = x.clone(at::MemoryFormat::Preserve).set_requires_grad(true);
  const auto graph = CapturedStep::Make(
      x.device(), [&] { step(captured, captured_x, gradient); }, /*warm_ups=*/2);
  for (int i = 0; i < 5; ++i) {
    graph->Run();
    step(called, called_x, gradient);
  }
  EXPECT_TRUE(at::equal(captured_x.grad(), called_x.grad()));
  EXPECT_TRUE(at::equal(captured->weight.grad(), called->weight.grad()));
  EXPECT_TRUE(at::equal(captured->running_mean, called->running_mean));
  EXPECT_TRUE(at::equal(captured->running_var, called->running_var));
}

}  // namespace
}  // namespace roost::trainer
