#include "trainer/train/whole_step.h"

#include <ATen/Context.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>

#include <atomic>

#include "trainer/folders/folders_test_fixture.h"
#include "trainer/models/model.h"
#include "trainer/train/images_test_fixture.h"
#include "trainer/train/trainer.h"

namespace roost::trainer {
namespace {

struct Told : TrainObserver {
  void OnStart(std::int64_t, std::int64_t, std::int64_t) override {}
  void OnBatch(const BatchReport& report) override { losses.push_back(report.loss); }
  void OnEpoch(const EpochReport& report) override { epochs.push_back(report); }
  void OnUnreadable(const std::string& sentence) override { unreadable.push_back(sentence); }
  void OnNote(const std::string&) override {}
  std::vector<double> losses;
  std::vector<EpochReport> epochs;
  std::vector<std::string> unreadable;
};

// Trains the same with steps that are taken operation by operation and with whole ones. There is
// nothing to record on the processor, but all else is what a GPU does.
class WholeStepTest : public ::testing::Test {
 protected:
  void SetUp() override { images_ = Directory("images", 12, 32); }

  ImageDirectory Directory(const std::string& name, int count, int side) {
    const fs::path folder = folder_.path() / name;
    auto writer =
        ROOST_VALUE(ImageDirectoryWriter::Create(folder, ImageSchema::Classification({"a", "b"})));
    for (int i = 0; i < count; ++i) {
      const std::string file = "image/" + std::to_string(i) + ".png";
      Spill(folder / file,
            ROOST_VALUE(EncodePng(Noise(side, side, static_cast<std::uint64_t>(i)), 1)));
      EXPECT_OK(writer.Add({file, i % 2, i}));
    }
    EXPECT_OK(writer.Finish());
    return ROOST_VALUE(ImageDirectory::Open(folder, "Training dataset"));
  }

  struct Trained {
    Told told;
    ModelState state;
  };
  Trained Train(TrainOptions options, WholeSteps whole_steps) {
    options.epochs = 2;
    options.batch_size = 4;
    options.patience = 10;
    options.learning_rate = 0.01;
    options.deterministic = true;
    options.whole_steps = whole_steps;
    at::manual_seed(1);
    auto model =
        ROOST_VALUE(Classifier::Make({.name = "resnet18", .pretrained = false, .num_classes = 2}));
    Trained trained;
    std::atomic<bool> interrupt = false;
    const auto outcome =
        trainer::Train(*model, *images_, *images_, options, interrupt, trained.told);
    EXPECT_TRUE(outcome) << outcome.error().message;
    trained.state = model->CopiedState();
    if (outcome) best_ = outcome->best;
    return trained;
  }

  void ExpectSame(const TrainOptions& options) {
    const Trained one_by_one = Train(options, WholeSteps::kNever);
    const ModelState best = best_;
    const Trained whole = Train(options, WholeSteps::kEverywhere);
    ASSERT_EQ(one_by_one.told.losses.size(), 6u);
    EXPECT_EQ(whole.told.losses, one_by_one.told.losses);
    ASSERT_EQ(whole.told.epochs.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(whole.told.epochs[i].train_error, one_by_one.told.epochs[i].train_error);
      EXPECT_EQ(whole.told.epochs[i].valid_loss, one_by_one.told.epochs[i].valid_loss);
    }
    for (std::size_t i = 0; i < whole.state.size(); ++i) {
      EXPECT_TRUE(at::equal(whole.state[i].second, one_by_one.state[i].second))
          << whole.state[i].first;
      EXPECT_TRUE(at::equal(best_[i].second, best[i].second)) << best[i].first;
    }
  }

  TempFolder folder_;
  std::optional<ImageDirectory> images_;
  ModelState best_;
};

TEST_F(WholeStepTest, ComputesWhatTheLoopComputes) { ExpectSame({}); }

TEST_F(WholeStepTest, WithMixupSmoothingClippingAndAnAverage) {
  ExpectSame({.label_smoothing = 0.1, .mixup = 0.4, .ema = 0.9, .clip_norm = 0.5});
}

TEST_F(WholeStepTest, WithAdamW) { ExpectSame({.optimizer = OptimizerKind::kAdamW}); }

TEST_F(WholeStepTest, WithoutMomentum) { ExpectSame({.momentum = 0}); }

TEST_F(WholeStepTest, In16Bits) {
  ExpectSame({.precision = Precision::kBf16});
  ExpectSame({.ema = 0.9, .precision = Precision::kFp16});
}

TEST_F(WholeStepTest, WithImagesThatGrow) {
  images_ = Directory("larger", 12, 64);
  ExpectSame({.progressive_resolution = 32, .progressive_share = 0.5});
}

// The batch of an image that cannot be read is no full one.
TEST_F(WholeStepTest, WithAnImageThatCannotBeRead) {
  Spill(folder_.path() / "images/image/5.png", "no picture");
  const TrainOptions options{.unreadable_images_limit = 0.2};
  const Trained one_by_one = Train(options, WholeSteps::kNever);
  const Trained whole = Train(options, WholeSteps::kEverywhere);
  EXPECT_EQ(whole.told.losses, one_by_one.told.losses);
  EXPECT_EQ(whole.told.unreadable, one_by_one.told.unreadable);
  EXPECT_EQ(whole.told.unreadable.size(), 1u);
}

// Gradients beyond float16's range: the step is left out, the scale halved.
TEST_F(WholeStepTest, AStepWithInfiniteGradientsIsLeftOut) {
  at::manual_seed(1);
  const TrainOptions options{.batch_size = 4, .precision = Precision::kFp16};
  auto model =
      ROOST_VALUE(Classifier::Make({.name = "resnet18", .pretrained = false, .num_classes = 2}));
  model->SetTraining(true);
  Optimizer optimizer(model->Parameters(), options);
  MovingAverage average(model->State(), 0.5);
  WholeStep step({.model = *model, .optimizer = optimizer, .average = &average, .options = options},
                 at::kCPU, 32, 32);
  const DeviceBatch batch{.bytes = at::randint(256, {4, 32, 32, 3}, at::kByte),
                          .classes = at::randint(2, {4}, at::kLong)};
  const auto weights = [&] {
    std::vector<at::Tensor> copies;
    for (const auto& [name, tensor] : model->Parameters())
      copies.push_back(tensor.detach().clone());
    return copies;
  };
  const std::vector<at::Tensor> before = weights();
  step.Start(batch, {.learning_rate = 0.1, .loss_scale = 1e30});
  EXPECT_FALSE(step.Finish().finite);
  const std::vector<at::Tensor> after = weights();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(after[i], before[i]));
  for (const auto& [name, tensor] : average.state()) {
    EXPECT_TRUE(tensor.isfinite().all().item().toBool()) << name;
  }
  step.Start(batch, {.learning_rate = 0.1, .loss_scale = 1024});
  EXPECT_TRUE(step.Finish().finite);
  EXPECT_FALSE(at::equal(weights().front(), before.front()));
}

}  // namespace
}  // namespace roost::trainer
