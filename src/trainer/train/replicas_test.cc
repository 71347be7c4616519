#include "trainer/train/replicas.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <gmock/gmock.h>

#include "trainer/distributed/two_ranks_test_support.h"

namespace roost::trainer {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kBatch = 8;

std::unique_ptr<Classifier> MakeModel(std::uint64_t seed) {
  at::manual_seed(seed);
  auto model = Classifier::Make({.name = "resnet18", .pretrained = false, .num_classes = 3});
  EXPECT_TRUE(model) << model.error().message;
  (*model)->SetTraining(false);  // batch norms are frozen
  return std::move(*model);
}

// Torch's generator is shared by all threads: draw first.
class ReplicasTest : public GroupTest {
 protected:
  void Step(Classifier& model, Replicas& replicas, Optimizer& optimizer, std::int64_t first,
            std::int64_t count) const {
    const at::Tensor logits = model.Forward(images_.narrow(0, first, count));
    replicas.ArmGradients();
    at::cross_entropy_loss(logits, targets_.narrow(0, first, count)).backward();
    ASSERT_TRUE(replicas.AverageGradients());
    optimizer.Step(0.01);
    optimizer.ZeroGradients();
  }

  const at::Tensor images_ = at::rand({kBatch, 3, 32, 32});
  const at::Tensor targets_ = at::randint(3, {kBatch}, at::kLong);
  const std::unique_ptr<Classifier> one_ = MakeModel(1);
  // The second rank starts from other weights: the first one's count.
  const std::vector<std::unique_ptr<Classifier>> models_ = [] {
    std::vector<std::unique_ptr<Classifier>> models;
    models.push_back(MakeModel(1));
    models.push_back(MakeModel(2));
    return models;
  }();
};

TEST_F(ReplicasTest, TwoRanksWithFrozenNormsEqualOneWithTheWholeBatch) {
  Replicas alone(*one_, nullptr);
  Optimizer optimizer(one_->Parameters(), {});
  for (int step = 0; step < 2; ++step) Step(*one_, alone, optimizer, 0, kBatch);

  WithTwoRanks([&](ProcessGroup& group) {
    Classifier& model = *models_[static_cast<std::size_t>(group.rank())];
    Replicas replicas(model, &group);
    Optimizer own(model.Parameters(), {});
    Checkpoint start;
    ASSERT_TRUE(replicas.ShareStart(&start, own, nullptr));
    for (int step = 0; step < 2; ++step) {
      Step(model, replicas, own, group.rank() * kBatch / 2, kBatch / 2);
    }
  });
  const auto expected = one_->Parameters();
  const auto first = models_[0]->Parameters();
  const auto second = models_[1]->Parameters();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(at::equal(first[i].second, second[i].second)) << expected[i].first;
    const double error = first[i].second.sub(expected[i].second).norm().item().toDouble();
    const double size = expected[i].second.norm().item().toDouble();
    EXPECT_LE(error, 1e-6 * size + 1e-8) << expected[i].first;
  }
}

TEST_F(ReplicasTest, WhereRankZeroStandsIsWhereAllStart) {
  WithTwoRanks([&](ProcessGroup& group) {
    Classifier& model = *models_[static_cast<std::size_t>(group.rank())];
    Replicas replicas(model, &group);
    Optimizer optimizer(model.Parameters(), {});
    MovingAverage average(model.State(), 0.9);
    Checkpoint at;
    if (replicas.first()) {
      optimizer.PrepareState();
      optimizer.State()[0].second.fill_(5);
      at = {.epoch = 3,
            .next_batch = 4,
            .sums = {.images = 12, .loss = 0.1},
            .early_stop = {.has_last = true, .last = 0.7, .count = 2},
            .ended = true};
      at.outcome.best_epoch = 2;
    }
    ASSERT_TRUE(replicas.ShareStart(&at, optimizer, &average));
    EXPECT_EQ(at.epoch, 3);
    EXPECT_EQ(at.next_batch, 4);
    EXPECT_EQ(at.sums.images, 12);
    EXPECT_EQ(at.sums.loss, 0.1);
    EXPECT_TRUE(at.early_stop.has_last);
    EXPECT_EQ(at.early_stop.last, 0.7);
    EXPECT_EQ(at.early_stop.count, 2);
    EXPECT_TRUE(at.ended);
    EXPECT_EQ(at.outcome.best_epoch, 2);
    EXPECT_EQ(optimizer.State()[0].second.max().item().toDouble(), 5);
    EXPECT_TRUE(at::equal(average.state()[0].second, models_[0]->State()[0].second));
  });
}

TEST_F(ReplicasTest, OtherSettingsAreNamed) {
  WithTwoRanks([&](ProcessGroup& group) {
    Replicas replicas(*models_[static_cast<std::size_t>(group.rank())], &group);
    const Status same =
        replicas.CheckSame({{"epochs", "5"}, {"mixup", group.rank() == 0 ? "0" : "0.4"}});
    ASSERT_EQ(same.has_value(), group.rank() == 0);
    if (same) return;
    EXPECT_THAT(same.error().message, HasSubstr("mixup is 0 and in rank 1 it is 0.4"));
    EXPECT_THAT(same.error().message, ::testing::Not(HasSubstr("epochs")));
  });
}

TEST_F(ReplicasTest, SumsAreOverAllRanks) {
  WithTwoRanks([&](ProcessGroup& group) {
    Replicas replicas(*models_[static_cast<std::size_t>(group.rank())], &group);
    replicas.StartSums({.images = 2, .loss = 0.5, .wrong = 1, .interrupts = group.rank() * 1.0});
    const Result<BatchSums> sums = replicas.FinishSums();
    ASSERT_TRUE(sums);
    EXPECT_EQ(sums->images, 4);
    EXPECT_EQ(sums->loss, 1);
    EXPECT_EQ(sums->wrong, 2);
    EXPECT_EQ(sums->interrupts, 1);
    EvaluationSums judged{.images = 3, .loss = 1.5, .right = 2.0 * group.rank(), .near = 1};
    ASSERT_TRUE(replicas.Add(&judged));
    EXPECT_EQ(judged.images, 6);
    EXPECT_EQ(judged.right, 2);
  });
}

}  // namespace
}  // namespace roost::trainer
