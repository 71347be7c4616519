#pragma once

#include <cstdint>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace roost::trainer {

enum class ScheduleKind { kPolynomial, kCosine };
enum class OptimizerKind { kSgd, kAdamW };
enum class Precision { kFp32, kBf16, kFp16 };
// Whether a step is recorded and launched as a whole, see WholeStep: on a GPU, or, for tests, also
// on the processor, where the work is called instead.
enum class WholeSteps { kNever, kOnGpu, kEverywhere };

// What a training is told beside its data and its model. The first seven are the parameters of the
// designer's Train PyTorch Model, with its defaults; the rest is ours and off, or as the component
// has it, unless asked for.
struct TrainOptions {
  std::int64_t epochs = 5;
  std::int64_t batch_size = 16;
  std::int64_t warmup_epochs = 0;  // "Warmup step number": its unit is the epoch
  double learning_rate = 0.001;
  std::int64_t random_seed = 1;
  std::int64_t patience = 3;
  std::int64_t print_frequency = 10;  // batches between two lines of the log

  ScheduleKind schedule = ScheduleKind::kPolynomial;
  OptimizerKind optimizer = OptimizerKind::kSgd;
  double momentum = 0.9;  // Nesterov's, of SGD
  double weight_decay = 1e-4;
  double label_smoothing = 0;   // 0 to below 1
  double mixup = 0;             // alpha of the Beta distribution; 0: none
  double ema = 0;               // decay of the averaged weights, e.g. 0.999; 0: none
  double clip_norm = 0;         // largest norm of all gradients together; 0: none
  std::int64_t accumulate = 1;  // batches whose gradients make one step
  // Side of a random part of the image, resized and mirrored at random, anew in each epoch, instead
  // of the image as it lies in the folder; validation takes the middle. 0: none.
  std::int64_t random_resized_crop = 0;
  // Side (of a whole image: its shorter one) of the first epoch's images, which then grows as
  // ProgressiveSide says; validation always has the full one. 0: full from the start.
  std::int64_t progressive_resolution = 0;
  double progressive_share = 0.8;  // of the epochs, after which images have their full side
  // Where decoded images are kept, see ImageCache. Empty: nowhere.
  fs::path cache_folder{};
  std::int64_t cache_short_side = 0;  // that larger images are shrunk to in it; 0: none is
  // What convolutions and matrix products of the training compute in; weights, loss and validation
  // stay in 32 bits. With kFp16 the loss is scaled, see GradScaler.
  Precision precision = Precision::kFp32;
  bool channels_last = true;
  // 3x3 convolutions by Winograd's method, in training alone: faster, and rounds differently.
  bool winograd = false;
  WholeSteps whole_steps = WholeSteps::kOnGpu;
  bool deterministic = false;  // the same seed gives the same bits, whatever the speed
  int threads = 0;             // that decode images; 0: one for each core

  fs::path checkpoint_folder{};           // empty: no checkpoints
  std::int64_t checkpoint_every = 0;      // batches between two of them inside an epoch; 0: none
  double unreadable_images_limit = 0.05;  // share of the data set above which a training is refused
};

// The side of a crop stays far from the limit of pixels that an image may have.
inline constexpr std::int64_t kLargestCrop = 8192;
inline constexpr int kMostThreads = 1024;

// All problems at once; where a designer's parameter is meant with its number and sentence.
Status CheckTrainOptions(const TrainOptions& options);

}  // namespace roost::trainer
