#include "trainer/train/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(TrainOptionsTest, TheDefaultsAreGood) { EXPECT_TRUE(CheckTrainOptions({})); }

TEST(TrainOptionsTest, AllProblemsAreToldAtOnce) {
  TrainOptions options;
  options.epochs = 0;
  options.learning_rate = kNaN;
  options.unreadable_images_limit = -1;
  const Status checked = CheckTrainOptions(options);
  ASSERT_FALSE(checked);
  EXPECT_EQ(ModuleErrorOf(checked.error())->number, 4);
  for (const char* name : {"\"Epochs\"", "\"Learning rate\"", "\"unreadable images limit\""}) {
    EXPECT_THAT(checked.error().message, HasSubstr(name));
  }
}

TEST(TrainOptionsTest, WhatNoTrainingCanUseIsRefusedByName) {
  const std::vector<std::pair<const char*, std::function<void(TrainOptions&)>>> cases = {
      {"Epochs", [](TrainOptions& o) { o.epochs = std::numeric_limits<std::int64_t>::max(); }},
      {"Batch size", [](TrainOptions& o) { o.batch_size = -3; }},
      {"Learning rate", [](TrainOptions& o) { o.learning_rate = kInfinity; }},
      {"momentum", [](TrainOptions& o) { o.momentum = kNaN; }},
      {"weight decay", [](TrainOptions& o) { o.weight_decay = kInfinity; }},
      {"label smoothing", [](TrainOptions& o) { o.label_smoothing = 1; }},
      {"mixup", [](TrainOptions& o) { o.mixup = 1e308; }},
      {"mixup", [](TrainOptions& o) { o.mixup = kNaN; }},
      {"ema", [](TrainOptions& o) { o.ema = 1; }},
      {"clip norm", [](TrainOptions& o) { o.clip_norm = kNaN; }},
      // A side that is 0 as a 32-bit number.
      {"random resized crop", [](TrainOptions& o) { o.random_resized_crop = 1LL << 32; }},
      {"progressive resolution", [](TrainOptions& o) { o.progressive_resolution = 31; }},
      {"progressive share", [](TrainOptions& o) { o.progressive_share = kNaN; }},
      {"progressive share", [](TrainOptions& o) { o.progressive_share = 1.1; }},
      {"cache short side", [](TrainOptions& o) { o.cache_short_side = 64; }},
      {"cache short side",
       [](TrainOptions& o) {
         o.cache_folder = "cache";
         o.cache_short_side = 64;  // of whole images
       }},
      {"threads", [](TrainOptions& o) { o.threads = kMostThreads + 1; }},
      {"unreadable images limit", [](TrainOptions& o) { o.unreadable_images_limit = kNaN; }},
      {"unreadable images limit", [](TrainOptions& o) { o.unreadable_images_limit = 1.5; }},
  };
  for (const auto& [name, change] : cases) {
    TrainOptions options;
    change(options);
    const Status checked = CheckTrainOptions(options);
    ASSERT_FALSE(checked) << name;
    EXPECT_THAT(checked.error().message, HasSubstr("\"" + std::string(name) + "\""));
  }
}

TEST(TrainOptionsTest, TheEndsOfTheRangesAreTaken) {
  TrainOptions options;
  options.random_resized_crop = kLargestCrop;
  options.threads = kMostThreads;
  options.unreadable_images_limit = 1;
  options.random_seed = -5;
  EXPECT_TRUE(CheckTrainOptions(options));
}

}  // namespace
}  // namespace roost::trainer
