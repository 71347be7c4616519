#pragma once

#include <cstdint>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/result.h"
#include "trainer/models/model_state.h"
#include "trainer/train/grad_scaler.h"
#include "trainer/train/schedule.h"
#include "trainer/train/trainer.h"

namespace roost::trainer {

// Sums over the batches of an epoch that is under way.
struct EpochSums {
  std::int64_t batches = 0;
  std::int64_t images = 0;
  std::int64_t unreadable = 0;
  double loss = 0;   // times images
  double wrong = 0;  // images
  double seconds = 0;
  double wait_seconds = 0;
  std::int64_t skipped_steps = 0;  // whose gradients were not finite, see GradScaler
};

// Everything that a training goes on from. What is random is drawn anew from (seed, epoch, index),
// so no generator's state belongs to it.
struct Checkpoint {
  // What must be the same when a training goes on: options, model, data; names and values in words.
  std::map<std::string, std::string> settings{};
  std::int64_t epoch = 0;       // from 0
  std::int64_t next_batch = 0;  // of that epoch
  EpochSums sums{};
  EarlyStop::State early_stop{};
  GradScaler::State loss_scale{};
  bool ended = false;  // nothing is left to do
  TrainOutcome outcome{};
  ModelState model{};
  ModelState optimizer{};
  ModelState average{};  // empty without ema
};

// Tensors must not change meanwhile. Atomic.
Status WriteCheckpoint(const fs::path& file, const Checkpoint& checkpoint);
// Nothing when there is no file. An error names the file, and what is missing in it.
Result<std::optional<Checkpoint>> ReadCheckpoint(const fs::path& file);
// "momentum was 0.9 and is 0.5; ..." with the words given for "was" and "is"; empty when all agree.
std::string DifferencesOf(const std::map<std::string, std::string>& before, std::string_view was,
                          const std::map<std::string, std::string>& now, std::string_view is);
// kConflict, naming each setting that differs with both values.
Status CheckSettings(const std::map<std::string, std::string>& now, const Checkpoint& checkpoint,
                     const fs::path& file);

// Writes one checkpoint at a time beside the training.
class CheckpointWriter {
 public:
  explicit CheckpointWriter(fs::path file) : file_(std::move(file)) {}
  // Waits for the one before; gives its outcome. The tensors are the writer's own.
  Status Write(Checkpoint checkpoint);
  Status Wait();

 private:
  const fs::path file_;
  std::future<Status> under_way_;
};

}  // namespace roost::trainer
