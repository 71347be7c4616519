#include "trainer/distributed/gradient_buckets.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>

#include "trainer/cuda/gpus.h"
#include "trainer/distributed/fake_device_test_support.h"
#include "trainer/distributed/two_ranks_test_support.h"

namespace roost::trainer {
namespace {

using Parameters = GradientBuckets::Parameters;

// A small network: its convolution's weight lies N x H x W x C, and one parameter is never used.
Parameters MakeParameters() {
  at::manual_seed(3);
  Parameters parameters = {
      {"conv", at::rand({6, 3, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast)},
      {"bias", at::rand({6})},
      {"unused", at::rand({5})},
      {"linear", at::rand({6, 2})}};
  for (auto& [name, tensor] : parameters) tensor.set_requires_grad(true);
  return parameters;
}

at::Tensor Loss(const Parameters& parameters, const at::Tensor& images) {
  return at::conv2d(images, parameters[0].second, parameters[1].second)
      .relu()
      .mean({2, 3})
      .matmul(parameters[3].second)
      .pow(2)
      .mean();
}

at::Tensor GlobalBatch() {
  at::manual_seed(4);
  return at::rand({8, 3, 5, 5});
}

std::vector<at::Tensor> Gradients(const Parameters& parameters) {
  std::vector<at::Tensor> gradients;
  for (const auto& [name, tensor] : parameters) {
    gradients.push_back(tensor.grad().defined() ? tensor.grad().clone() : at::zeros_like(tensor));
  }
  return gradients;
}

std::vector<at::Tensor> GradientsOfOneProcess() {
  const Parameters parameters = MakeParameters();
  Loss(parameters, GlobalBatch()).backward();
  return Gradients(parameters);
}

void ExpectClose(const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(at::allclose(found[i], expected[i], 1e-5, 1e-7)) << "tensor " << i;
  }
}

// Torch's generator is shared by all threads: draw first.
class GradientBucketsTest : public GroupTest {
 protected:
  const std::vector<at::Tensor> expected_ = GradientsOfOneProcess();
  const at::Tensor batch_ = GlobalBatch();
  std::vector<Parameters> parameters_ = {MakeParameters(), MakeParameters()};

  Parameters& ParametersOf(const ProcessGroup& group) {
    return parameters_[static_cast<std::size_t>(group.rank())];
  }
  at::Tensor HalfOf(const ProcessGroup& group) { return batch_.narrow(0, 4 * group.rank(), 4); }
};

TEST_F(GradientBucketsTest, TheAverageOverTwoRanksIsTheWholeBatchs) {
  for (const std::int64_t bytes : {1, 50, 1 << 20}) {
    WithTwoRanks([&](ProcessGroup& group) {
      Parameters& parameters = ParametersOf(group);
      GradientBuckets buckets(parameters, group, {.first_bytes = bytes, .bytes = bytes});
      EXPECT_EQ(buckets.bucket_count(), bytes == 1 ? 4U : bytes == 50 ? 2U : 1U);
      for (int step = 0; step < 2; ++step) {
        for (auto& [name, tensor] : parameters) tensor.mutable_grad().reset();
        buckets.Arm();
        Loss(parameters, HalfOf(group)).backward();
        ASSERT_TRUE(buckets.Wait());
        ExpectClose(Gradients(parameters), expected_);
      }
      for (const auto& [name, tensor] : parameters) {
        EXPECT_EQ(tensor.grad().storage_offset() * tensor.element_size() % 64, 0) << name;
      }
    });
    for (std::size_t i = 0; i < expected_.size(); ++i) {  // to the bit in both
      EXPECT_TRUE(at::equal(parameters_[0][i].second.grad(), parameters_[1][i].second.grad()));
    }
    for (Parameters& parameters : parameters_) {
      for (auto& [name, tensor] : parameters) tensor.mutable_grad().reset();
    }
  }
}

TEST_F(GradientBucketsTest, BucketsOfADeviceAreSummedThere) {
  const auto board = std::make_shared<FakeBoard>();
  WithTwoRanks([&](ProcessGroup& group) {
    auto device = std::make_unique<FakeDevice>(board, group.rank());
    const FakeDevice& given = *device;
    ASSERT_TRUE(group.UseDevice(std::move(device)));
    Parameters& parameters = ParametersOf(group);
    GradientBuckets buckets(parameters, group, {.first_bytes = 50, .bytes = 50});
    buckets.Arm();
    Loss(parameters, HalfOf(group)).backward();
    ASSERT_TRUE(buckets.Wait());
    EXPECT_EQ(given.begun(), 1 + 2);  // connecting, and a sum for each bucket
    ExpectClose(Gradients(parameters), expected_);
  });
}

// With NCCL itself, which takes one process a GPU.
TEST_F(GradientBucketsTest, AGroupOfOneGpuKeepsItsGradients) {
  if (!DeviceCollectives::Available() || GpuIds().empty()) GTEST_SKIP() << "no NCCL, or no GPU";
  const at::Device gpu(at::kCUDA, 0);
  auto group = ProcessGroup::Connect({.master_addr = "127.0.0.1", .master_port = FreePort()},
                                     std::chrono::seconds(60));
  ASSERT_TRUE(group) << group.error().message;
  const Status used = (*group)->UseGpu(0);
  ASSERT_TRUE(used) << used.error().message;
  Parameters parameters;
  for (const auto& [name, tensor] : parameters_[0]) {
    parameters.emplace_back(name, tensor.detach().to(gpu).set_requires_grad(true));
  }
  GradientBuckets buckets(parameters, **group, {.first_bytes = 50, .bytes = 50});
  for (int step = 0; step < 20; ++step) {
    for (auto& [name, tensor] : parameters) tensor.mutable_grad().reset();
    buckets.Arm();
    Loss(parameters, batch_.to(gpu)).backward();
    ASSERT_TRUE(buckets.Wait());
    std::vector<at::Tensor> found;
    for (const at::Tensor& gradient : Gradients(parameters)) {
      EXPECT_TRUE(gradient.is_cuda());
      found.push_back(gradient.cpu());
    }
    // GPUs may multiply in TF32.
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_TRUE(at::allclose(found[i], expected_[i], 1e-2, 1e-4)) << "tensor " << i;
    }
  }
  // Tensors of the GPU and of the processor in one call.
  const at::Tensor there = at::rand({3, 2}, gpu);
  const at::Tensor here = at::rand({3, 2});
  ASSERT_TRUE((*group)->Broadcast({there, here, parameters[0].second}));
}

TEST_F(GradientBucketsTest, GradientsOfSeveralPassesAreSummedOnce) {
  WithTwoRanks([&](ProcessGroup& group) {
    Parameters& parameters = ParametersOf(group);
    GradientBuckets buckets(parameters, group);
    const at::Tensor half = HalfOf(group);
    Loss(parameters, half.narrow(0, 0, 2)).div(2).backward();
    EXPECT_FALSE(at::allclose(parameters[3].second.grad(), expected_[3], 1e-5, 1e-7));
    buckets.Arm();
    Loss(parameters, half.narrow(0, 2, 2)).div(2).backward();
    ASSERT_TRUE(buckets.Wait());
    ExpectClose(Gradients(parameters), expected_);
  });
}

TEST_F(GradientBucketsTest, ARankWithNothingToComputeAddsZeros) {
  WithTwoRanks([&](ProcessGroup& group) {
    Parameters& parameters = ParametersOf(group);
    GradientBuckets buckets(parameters, group);
    buckets.Arm();
    if (group.rank() == 0) Loss(parameters, batch_).backward();
    ASSERT_TRUE(buckets.Wait());
    std::vector<at::Tensor> halves;
    for (const at::Tensor& gradient : expected_) halves.push_back(gradient.div(2));
    ExpectClose(Gradients(parameters), halves);
  });
}

TEST_F(GradientBucketsTest, WithoutThemGradientsAreLeftAlone) {
  WithTwoRanks([&](ProcessGroup& group) {
    Parameters& parameters = ParametersOf(group);
    { GradientBuckets gone(parameters, group); }
    Loss(parameters, batch_).backward();
    ExpectClose(Gradients(parameters), expected_);
  });
}

}  // namespace
}  // namespace roost::trainer
