#include "trainer/train/options.h"

#include <cmath>
#include <optional>

#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

constexpr double kMost = 1e9;        // of anything counted: a larger number is a slip
constexpr double kMostMixup = 1000;  // where shares are a half each; far more make no numbers

// Gathers sentences; the first one with a number gives the error its number.
class Problems {
 public:
  void Add(ModuleError error) {
    if (!first_) {
      first_ = std::move(error);
    } else {
      first_->message += " " + error.message;
    }
  }
  void Require(bool good, ModuleError error) {
    if (!good) Add(std::move(error));
  }
  Status Outcome() {
    if (!first_) return {};
    return FailModule(std::move(*first_));
  }

 private:
  std::optional<ModuleError> first_;
};

}  // namespace

Status CheckTrainOptions(const TrainOptions& options) {
  Problems problems;
  const auto above = [&](const char* name, double value, double bound) {
    problems.Require(std::isfinite(value) && value > bound, NotGreaterThan(name, value, bound));
  };
  const auto at_least = [&](const char* name, double value, double bound) {
    problems.Require(std::isfinite(value) && value >= bound,
                     NotGreaterThanOrEqualTo(name, value, bound));
  };
  const auto counts = [&](const char* name, std::int64_t value) {
    above(name, static_cast<double>(value), 0);
    problems.Require(static_cast<double>(value) <= kMost, NotInRange(name, 1, kMost));
  };
  const auto counts_or_none = [&](const char* name, std::int64_t value, double most = kMost) {
    at_least(name, static_cast<double>(value), 0);
    problems.Require(static_cast<double>(value) <= most, NotInRange(name, 0, most));
  };
  counts("Epochs", options.epochs);
  counts("Batch size", options.batch_size);
  counts_or_none("Warmup step number", options.warmup_epochs);
  if (std::isinf(options.learning_rate)) {
    problems.Add(NotInRange("Learning rate", "It must be a finite number."));
  } else {
    above("Learning rate", options.learning_rate, 0);
  }
  counts("Patience", options.patience);
  counts("Print frequency", options.print_frequency);

  at_least("momentum", options.momentum, 0);
  problems.Require(options.momentum < 1, NotInRange("momentum", 0, 1));
  at_least("weight decay", options.weight_decay, 0);
  problems.Require(options.label_smoothing >= 0 && options.label_smoothing < 1,
                   NotInRange("label smoothing", 0, 1));
  problems.Require(options.mixup >= 0 && options.mixup <= kMostMixup,
                   NotInRange("mixup", 0, kMostMixup));
  problems.Require(options.ema >= 0 && options.ema < 1, NotInRange("ema", 0, 1));
  at_least("clip norm", options.clip_norm, 0);
  counts("accumulate", options.accumulate);
  counts_or_none("random resized crop", options.random_resized_crop, kLargestCrop);
  problems.Require(options.progressive_resolution == 0 || options.progressive_resolution >= 32,
                   NotInRange("progressive resolution", "It is 0 or at least 32 pixels."));
  problems.Require(options.progressive_share >= 0 && options.progressive_share <= 1,
                   NotInRange("progressive share", 0, 1));
  counts_or_none("cache short side", options.cache_short_side, kLargestCrop);
  // Whole images would have another size in training than when the model is used.
  if (options.cache_short_side > 0 &&
      (options.cache_folder.empty() || options.random_resized_crop == 0)) {
    problems.Add(
        NotInRange("cache short side", "It needs a cache folder and random resized crop."));
  }
  counts_or_none("threads", options.threads, kMostThreads);
  counts_or_none("checkpoint every", options.checkpoint_every);
  problems.Require(options.unreadable_images_limit >= 0 && options.unreadable_images_limit <= 1,
                   NotInRange("unreadable images limit", 0, 1));
  if (options.checkpoint_every > 0 && options.checkpoint_folder.empty()) {
    problems.Add(NotInRange("checkpoint every", "It needs a checkpoint folder."));
  }
  return problems.Outcome();
}

}  // namespace roost::trainer
