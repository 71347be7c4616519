#include "trainer/models/recomputed.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include "trainer/models/model.h"

namespace roost::trainer {
namespace {

std::unique_ptr<Classifier> MakeDense(bool memory_efficient, at::ScalarType dtype = at::kFloat) {
  at::manual_seed(3);
  auto model = Classifier::Make(
      {.name = "densenet121", .memory_efficient = memory_efficient, .num_classes = 5});
  EXPECT_TRUE(model);
  (*model)->ToDtype(dtype);
  return std::move(*model);
}

double RelativeError(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).norm() / expected.norm().clamp_min(1e-30)).item<double>();
}

// The bytes that torch holds on the CPU while this lives.
class HeldBytes : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t, c10::Device) override {
    held += size;
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t held = 0;
};

std::int64_t ActivationBytes(bool memory_efficient) {
  const auto model = MakeDense(memory_efficient);
  const at::Tensor images = at::rand({4, 3, 64, 64});
  const auto bytes = std::make_shared<HeldBytes>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, bytes);
  const at::Tensor logits = model->Forward(images);
  return bytes->held;
}

class RecomputedTest : public ::testing::TestWithParam<bool> {};

TEST_P(RecomputedTest, GivesThePlainGradientsAndStatistics) {
  const bool training = GetParam();
  const auto plain = MakeDense(false, at::kDouble);
  const auto efficient = MakeDense(true, at::kDouble);
  at::manual_seed(4);
  for (int step = 0; step < 2; ++step) {
    const at::Tensor images = at::randn({2, 3, 64, 64}, at::kDouble);
    std::vector<at::Tensor> logits;
    for (Classifier* model : {plain.get(), efficient.get()}) {
      model->SetTraining(training);
      logits.push_back(model->Forward(images));
      logits.back().square().mean().backward();
    }
    EXPECT_TRUE(at::equal(logits[0], logits[1]));
  }
  const auto expected = plain->Parameters();
  const auto found = efficient->Parameters();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(found[i].second.grad().defined()) << found[i].first;
    EXPECT_LT(RelativeError(found[i].second.grad(), expected[i].second.grad()), 1e-10)
        << found[i].first;
  }
  // Statistics and counters moved once a step (or, in evaluation, not at all).
  const ModelState plain_state = plain->State();
  const ModelState state = efficient->State();
  for (std::size_t i = 0; i < state.size(); ++i) {
    EXPECT_TRUE(at::equal(state[i].second, plain_state[i].second)) << state[i].first;
  }
  EXPECT_EQ(state[10].first, "features.denseblock1.denselayer1.norm1.num_batches_tracked");
  EXPECT_EQ(state[10].second.item<std::int64_t>(), training ? 2 : 0);
}
INSTANTIATE_TEST_SUITE_P(Modes, RecomputedTest, ::testing::Bool());

// The fused norms, which float32 in channels-last takes, are computed again to the same bits.
TEST(RecomputedFused, GivesThePlainGradientsAndStatistics) {
  const auto plain = MakeDense(false);
  const auto efficient = MakeDense(true);
  at::manual_seed(4);
  const at::Tensor images = at::randn({2, 3, 64, 64}).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<at::Tensor> logits;
  for (Classifier* model : {plain.get(), efficient.get()}) {
    model->ToChannelsLast();
    logits.push_back(model->Forward(images));
    logits.back().square().mean().backward();
  }
  EXPECT_TRUE(at::equal(logits[0], logits[1]));
  const auto expected = plain->Parameters();
  const auto found = efficient->Parameters();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_LT(RelativeError(found[i].second.grad(), expected[i].second.grad()), 1e-5)
        << found[i].first;
  }
  const ModelState plain_state = plain->State();
  const ModelState state = efficient->State();
  for (std::size_t i = 0; i < state.size(); ++i) {
    EXPECT_TRUE(at::equal(state[i].second, plain_state[i].second)) << state[i].first;
  }
}

TEST(RecomputedMemory, HoldsAtMostHalfOfTheActivations) {
  const std::int64_t plain = ActivationBytes(false);
  const std::int64_t efficient = ActivationBytes(true);
  ASSERT_GT(plain, 0);
  EXPECT_LE(2 * efficient, plain) << efficient << " of " << plain << " bytes";
  RecordProperty("percent", static_cast<int>(100 * efficient / plain));
}

TEST(RecomputedFrozen, FrozenWeightsGetNoGradient) {
  const auto model = MakeDense(true);
  for (const auto& [name, tensor] : model->Parameters()) {
    tensor.set_requires_grad(name.find("denselayer2.") != std::string::npos);
  }
  model->Forward(at::rand({2, 3, 32, 32})).sum().backward();
  for (const auto& [name, tensor] : model->Parameters()) {
    EXPECT_EQ(tensor.grad().defined(), tensor.requires_grad()) << name;
  }
}

TEST(RecomputedNoGrad, WithoutHistoryItIsThePlainOne) {
  const auto plain = MakeDense(false);
  const auto efficient = MakeDense(true);
  const at::NoGradGuard no_history;
  const at::Tensor images = at::rand({2, 3, 32, 32});
  plain->SetTraining(false);
  efficient->SetTraining(false);
  EXPECT_TRUE(at::equal(plain->Forward(images), efficient->Forward(images)));
}

}  // namespace
}  // namespace roost::trainer
