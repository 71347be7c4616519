#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "trainer/distributed/process_group.h"
#include "trainer/folders/image_directory.h"
#include "trainer/models/model.h"
#include "trainer/train/options.h"

namespace roost::trainer {

// What one batch of the training gave. Rates are images a second.
struct BatchReport {
  std::int64_t epoch = 0;  // from 1
  std::int64_t epochs = 0;
  std::int64_t batch = 0;  // from 0
  std::int64_t batches = 0;
  double seconds = 0;       // of this batch
  double mean_seconds = 0;  // of the epoch's batches so far
  double rate = 0;
  double mean_rate = 0;  // images of the epoch so far by their time
  double loss = 0;
  double mean_loss = 0;
  double error = 0;  // share of images whose most likely class is wrong
  double mean_error = 0;
};

struct EpochReport {
  std::int64_t epoch = 0;  // from 1
  double learning_rate = 0;
  double train_rate = 0;  // images a second, by the wall clock of the epoch's training part
  double train_loss = 0;
  double train_error = 0;
  double valid_loss = 0;
  double top1 = 0;  // accuracies from 0 to 1
  double top5 = 0;  // of the five likeliest classes, or of all where there are fewer
  double seconds = 0;
  double wait_seconds = 0;  // that the training waited for images
  std::int64_t unreadable = 0;
  bool best = false;
};

// Told by the training's own thread.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void OnStart(std::int64_t height, std::int64_t width, std::int64_t batches) = 0;
  virtual void OnBatch(const BatchReport& report) = 0;
  virtual void OnEpoch(const EpochReport& report) = 0;
  virtual void OnUnreadable(const std::string& sentence) = 0;
  virtual void OnNote(const std::string& sentence) = 0;  // "Early stopped."
};

struct TrainOutcome {
  enum class End { kAllEpochs, kEarlyStop, kInterrupted };
  End end = End::kAllEpochs;
  std::vector<EpochReport> epochs{};  // also those of the training that this one went on from
  std::int64_t best_epoch = 0;        // 0: none ended
  double best_top1 = 0;
  ModelState best{};  // weights of the best epoch, on the CPU
};

// What the component refuses before it trains; Train asks it, too. Errors: 24 and 18 for images
// without categories or with others, 7 for a batch size above the number of images (of a process).
Status CheckTrainData(const ImageDirectory& training, const ImageDirectory& validation,
                      const TrainOptions& options, int processes = 1);

// Trains as the designer's Train PyTorch Model promises, see docs/trainer.md. `model` has the
// weights of the last step at the end; `best` those of the epoch with the highest accuracy on the
// validation images (the first of equals).
//
// With a checkpoint folder, `last.pth` is written after each epoch and `checkpoint_every` batches;
// one that is there is gone on from, exactly, unless its options or data are others, which is an
// error. When `interrupt` becomes true the batch under way is ended, a checkpoint written and the
// outcome is kInterrupted.
//
// In a group each process trains on its part of every epoch, with `batch_size` images of its own a
// step, and learns the average; the rate is the learning rate times the number of processes. All
// report the same figures, over all processes, and end alike: an interrupt of one interrupts all.
// Rank 0 alone reads and writes checkpoints, and has the past epochs and the best weights in its
// outcome. The caller tells the group of an error.
//
// Errors: 24 and 18 for the data, 7 for a batch size above the number of images of a process, 5 for
// a batch norm over one value, 138 for want of memory, and a plain one when the loss is no number
// any more.
Result<TrainOutcome> Train(Classifier& model, const ImageDirectory& training,
                           const ImageDirectory& validation, const TrainOptions& options,
                           const std::atomic<bool>& interrupt, TrainObserver& observer,
                           ProcessGroup* group = nullptr);

}  // namespace roost::trainer
