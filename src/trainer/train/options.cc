#include "trainer/train/options.h"

#include <cmath>
#include <optional>

#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

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
  above("Epochs", static_cast<double>(options.epochs), 0);
  above("Batch size", static_cast<double>(options.batch_size), 0);
  at_least("Warmup step number", static_cast<double>(options.warmup_epochs), 0);
  above("Learning rate", options.learning_rate, 0);
  above("Patience", static_cast<double>(options.patience), 0);
  above("Print frequency", static_cast<double>(options.print_frequency), 0);

  at_least("momentum", options.momentum, 0);
  problems.Require(options.momentum < 1, NotInRange("momentum", 0, 1));
  at_least("weight decay", options.weight_decay, 0);
  problems.Require(options.label_smoothing >= 0 && options.label_smoothing < 1,
                   NotInRange("label smoothing", 0, 1));
  at_least("mixup", options.mixup, 0);
  problems.Require(options.ema >= 0 && options.ema < 1, NotInRange("ema", 0, 1));
  at_least("clip norm", options.clip_norm, 0);
  above("accumulate", static_cast<double>(options.accumulate), 0);
  at_least("random resized crop", static_cast<double>(options.random_resized_crop), 0);
  at_least("threads", options.threads, 0);
  at_least("checkpoint every", static_cast<double>(options.checkpoint_every), 0);
  if (options.checkpoint_every > 0 && options.checkpoint_folder.empty()) {
    problems.Add(NotInRange("checkpoint every", "It needs a checkpoint folder."));
  }
  return problems.Outcome();
}

}  // namespace roost::trainer
