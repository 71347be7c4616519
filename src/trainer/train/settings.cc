#include "trainer/train/settings.h"

#include <array>
#include <cstdio>

#include "base/digest.h"

namespace roost::trainer {
namespace {

// "48 (0123456789abcdef)": their count, and a digest of names and classes, so that a training does
// not go on with another split of as many images.
std::string NamesOf(const ImageDirectory& images) {
  Hasher digest;
  for (std::size_t i = 0; i < images.size(); ++i) {
    digest.Update(images.FileName(i));
    digest.Update("\n" + std::to_string(images.ClassOf(i)) + "\n");
  }
  return std::to_string(images.size()) + " (" + digest.Finish().Hex().substr(0, 16) + ")";
}

const char* PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kBf16:
      return "bf16";
    case Precision::kFp16:
      return "fp16";
    case Precision::kFp32:
      break;
  }
  return "fp32";
}

}  // namespace

std::map<std::string, std::string> SettingsOf(const Classifier& model,
                                              const ImageDirectory& training,
                                              const ImageDirectory& validation,
                                              const TrainOptions& options, int processes) {
  const auto number = [](double value) {
    std::array<char, 32> text{};
    return std::string(text.data(), static_cast<std::size_t>(
                                        std::snprintf(text.data(), text.size(), "%.17g", value)));
  };
  std::string classes;
  for (const std::string& name : training.classes())
    classes += (classes.empty() ? "" : ", ") + name;
  return {
      {"model", model.options().name},
      {"pretrained", model.options().pretrained ? "true" : "false"},
      {"classes", classes},
      {"processes", std::to_string(processes)},
      {"training images", NamesOf(training)},
      {"validation images", NamesOf(validation)},
      {"epochs", std::to_string(options.epochs)},
      {"batch size", std::to_string(options.batch_size)},
      {"warmup step number", std::to_string(options.warmup_epochs)},
      {"learning rate", number(options.learning_rate)},
      {"random seed", std::to_string(options.random_seed)},
      {"patience", std::to_string(options.patience)},
      {"schedule", options.schedule == ScheduleKind::kCosine ? "cosine" : "polynomial"},
      {"optimizer", options.optimizer == OptimizerKind::kAdamW ? "adamw" : "sgd"},
      {"momentum", number(options.momentum)},
      {"weight decay", number(options.weight_decay)},
      {"label smoothing", number(options.label_smoothing)},
      {"mixup", number(options.mixup)},
      {"ema", number(options.ema)},
      {"clip norm", number(options.clip_norm)},
      {"accumulate", std::to_string(options.accumulate)},
      {"random resized crop", std::to_string(options.random_resized_crop)},
      // A cache may change pixels a little, see ImageSource.
      {"cache", options.cache_folder.empty() ? "no" : "yes"},
      {"cache short side", std::to_string(options.cache_short_side)},
      {"precision", PrecisionName(options.precision)},
      {"progressive resolution", std::to_string(options.progressive_resolution)},
      {"progressive share", number(options.progressive_share)},
      {"winograd", options.winograd ? "true" : "false"},
  };
}

}  // namespace roost::trainer
