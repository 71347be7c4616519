#include "trainer/train/trainer.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <set>
#include <thread>

#include "trainer/distributed/shard.h"
#include "trainer/folders/component_error.h"
#include "trainer/images/random.h"
#include "trainer/models/layers.h"
#include "trainer/train/batch_loader.h"
#include "trainer/train/batch_uploads.h"
#include "trainer/train/checkpoint.h"
#include "trainer/train/evaluation.h"
#include "trainer/train/grad_scaler.h"
#include "trainer/train/image_source.h"
#include "trainer/train/image_tensors.h"
#include "trainer/train/optimizer.h"
#include "trainer/train/replicas.h"
#include "trainer/train/settings.h"
#include "trainer/train/step_math.h"
#include "trainer/train/torch_error.h"
#include "trainer/train/whole_step.h"

namespace roost::trainer {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kTrainingDataset = "Training dataset";
constexpr const char* kValidationDataset = "Validation dataset";
constexpr const char* kCheckpointFile = "last.pth";
constexpr const char* kTrainingCache = "training.images";
constexpr const char* kValidationCache = "validation.images";
// No image has this index, so mixing shares no random numbers with augmentation.
constexpr std::uint64_t kMixStream = UINT64_MAX - 1;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int ThreadsOf(const TrainOptions& options, int processes_here) {
  if (options.threads > 0) return options.threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / processes_here);
}

// An image directory may list images whose category is unknown, as a COCO file may.
Status CheckEachHasAClass(const ImageDirectory& images, const char* dataset) {
  std::size_t count = 0;
  std::size_t first = 0;
  for (std::size_t i = images.size(); i-- > 0;) {
    if (images.ClassOf(i) >= 0) continue;
    ++count;
    first = i;
  }
  if (count == 0) return {};
  return FailModule(InvalidDataset(dataset,
                                   std::to_string(count) + " of its images have no category, " +
                                       std::string(images.FileName(first)) + " the first",
                                   "Give each image a category, or remove its line from the "
                                   "list of images."));
}

}  // namespace

Status CheckTrainData(const ImageDirectory& training, const ImageDirectory& validation,
                      const TrainOptions& options, int processes) {
  constexpr const char* kHint = "Label images by the folders given to Convert to Image Directory.";
  if (!training.labelled()) return FailModule(NotLabeledDataset(kTrainingDataset, kHint));
  if (!validation.labelled()) return FailModule(NotLabeledDataset(kValidationDataset, kHint));
  ROOST_TRY(CheckEachHasAClass(training, kTrainingDataset));
  ROOST_TRY(CheckEachHasAClass(validation, kValidationDataset));
  if (training.classes() != validation.classes()) {
    return FailModule(InvalidDataset(
        kValidationDataset, "its categories are not those of the training dataset",
        "Split one image directory with Split Image Directory: both parts keep all categories."));
  }
  const auto count = static_cast<std::int64_t>(training.size());
  const auto at_most = [](const char* name, std::int64_t value, const std::string& bound_name,
                          std::int64_t bound) -> Status {
    if (value <= bound) return {};
    return FailModule(NotLessThanOrEqualTo(name, static_cast<double>(value), bound_name,
                                           static_cast<double>(bound)));
  };
  ROOST_TRY(at_most("World size", processes, "2 * train data count", 2 * count));
  const std::string of_each =
      processes > 1 ? " of each of " + std::to_string(processes) + " processes" : "";
  ROOST_TRY(at_most("Batch size", options.batch_size, "train data count" + of_each,
                    ShardSize(count, processes)));
  return {};
}

namespace {

// Beta(alpha, alpha) by two gamma draws of a generator that (seed, epoch, batch) decides.
double MixShare(double alpha, std::uint64_t seed, std::int64_t epoch, std::int64_t batch) {
  Random key(seed, static_cast<std::uint64_t>(epoch),
             kMixStream - static_cast<std::uint64_t>(batch));
  std::mt19937_64 generator(key.Next64());
  std::gamma_distribution<double> gamma(alpha);
  const double one = gamma(generator);
  const double other = gamma(generator);
  return one + other > 0 ? one / (one + other) : 1;
}

// One training from its start, or from where it was left, to its end.
class Training {
 public:
  Training(Classifier& model, const ImageDirectory& training, const ImageDirectory& validation,
           const TrainOptions& options, const std::atomic<bool>& interrupt, TrainObserver& observer,
           ProcessGroup* group)
      : model_(model),
        training_(training),
        validation_(validation),
        options_(options),
        interrupt_(interrupt),
        observer_(observer),
        group_(group),
        device_(model.Parameters().front().second.device()),
        threads_(ThreadsOf(options, group == nullptr ? 1 : group->local_size())),
        optimizer_(model.Parameters(), options),
        scaler_(options.precision == Precision::kFp16),
        early_stop_(options.patience),
        writer_(options.checkpoint_folder / kCheckpointFile) {
    if (device_.is_cuda() || TakesWholeSteps()) uploads_.emplace(device_, training);
  }

  Result<TrainOutcome> Run() {
    if (const Status begun = Begin(); !begun) {
      // Making a cache can take long; nothing has been trained that could be kept.
      if (!interrupt_ || begun.error().code != ErrorCode::kUnavailable) return Fail(begun.error());
      at_.outcome.end = TrainOutcome::End::kInterrupted;
      return std::move(at_.outcome);
    }
    while (!at_.ended) {
      ROOST_ASSIGN(const bool whole, TrainEpoch());
      if (!whole) return Interrupted();
      ROOST_ASSIGN(const bool judged, EndEpoch());
      if (!judged) return Interrupted();
    }
    return std::move(at_.outcome);
  }

 private:
  Status Begin();
  Status OpenCaches();
  Status GoOnFrom(Checkpoint checkpoint);
  void SetResolution();
  Result<bool> TrainEpoch();
  Result<std::optional<Batch>> NextBatch(BatchLoader& loader);
  Status TrainBatch(const Batch& batch, Clock::time_point start);
  at::Tensor LossOf(const Batch& batch, BatchSums* sums);
  bool TakesWholeSteps() const;
  bool IsWhole(const Batch& batch) const;
  void StartWhole();
  Status FinishWhole(const Batch& batch, Clock::time_point start);
  double MixShareNow() const;
  Status AddSums(const BatchSums& all, const Batch& batch);
  void Report(const BatchSums& all, double seconds);
  bool StartsStep() const { return (at_.next_batch - 1) % options_.accumulate == 0; }
  bool EndsStep() const {
    return at_.next_batch % options_.accumulate == 0 || at_.next_batch == batches_;
  }
  Status EndStep();
  Result<bool> EndEpoch();
  Error NoNumber(const std::string& which) const;
  Status Save(bool wait);
  void NoteLost(const Error& error);
  Result<TrainOutcome> Interrupted();

  Classifier& model_;
  const ImageDirectory& training_;
  const ImageDirectory& validation_;
  const TrainOptions& options_;
  const std::atomic<bool>& interrupt_;
  TrainObserver& observer_;
  ProcessGroup* const group_;
  const at::Device device_;
  const int threads_;
  std::optional<Replicas> replicas_;
  bool interrupted_ = false;  // agreed with all processes
  Optimizer optimizer_;
  std::optional<MovingAverage> average_;
  GradScaler scaler_;
  EarlyStop early_stop_;
  CheckpointWriter writer_;
  std::unique_ptr<const ImageCache> cache_;  // none without a cache folder, as the next
  std::unique_ptr<const ImageCache> validation_cache_;
  std::unique_ptr<ImageSource> images_;
  std::unique_ptr<ImageSource> validation_images_;
  std::optional<BatchUploads> uploads_;    // to a GPU
  std::unique_ptr<WholeStep> whole_step_;  // once the first is taken
  std::int64_t batches_ = 0;               // of an epoch
  double learning_rate_ = 0;
  std::set<std::string> told_unreadable_;
  Checkpoint at_;  // where the training stands; its tensors are filled in when it is saved
};

Status Training::OpenCaches() {
  if (options_.cache_folder.empty()) return {};
  const auto open = [&](const char* name, const ImageDirectory& images) {
    return ImageCache::Open(
        options_.cache_folder / name, images,
        {.short_side = static_cast<int>(options_.cache_short_side), .threads = options_.threads},
        interrupt_, [this](const std::string& note) { observer_.OnNote(note); });
  };
  ROOST_ASSIGN(cache_, open(kTrainingCache, training_));
  ROOST_ASSIGN(validation_cache_, open(kValidationCache, validation_));
  return {};
}

Status Training::Begin() {
  ROOST_TRY(OpenCaches());
  ROOST_ASSIGN(images_, ImageSource::Open(training_,
                                          {.dataset = kTrainingDataset,
                                           .crop = options_.random_resized_crop,
                                           .random = true,
                                           .seed = static_cast<std::uint64_t>(options_.random_seed),
                                           .cache = cache_.get()}));
  ROOST_ASSIGN(validation_images_,
               ImageSource::Open(validation_, {.dataset = kValidationDataset,
                                               .crop = options_.random_resized_crop,
                                               .cache = validation_cache_.get()}));
  if (options_.progressive_resolution > images_->full_side()) {
    return FailModule(NotLessThanOrEqualTo(
        "progressive resolution", static_cast<double>(options_.progressive_resolution),
        "side of the images", static_cast<double>(images_->full_side())));
  }
  if (options_.channels_last) model_.ToChannelsLast();
  UseWinograd(options_.winograd ? Winograd::kWhereItPays : Winograd::kNever);
  replicas_.emplace(model_, group_);
  batches_ = ShardSize(static_cast<std::int64_t>(training_.size()), replicas_->size()) /
             options_.batch_size;
  at_.settings = SettingsOf(model_, training_, validation_, options_, replicas_->size());
  ROOST_TRY(replicas_->CheckSame(at_.settings));
  if (!options_.checkpoint_folder.empty() && replicas_->first()) {
    const fs::path file = options_.checkpoint_folder / kCheckpointFile;
    ROOST_TRY(MakeFolders(options_.checkpoint_folder));
    ROOST_ASSIGN(std::optional<Checkpoint> before, ReadCheckpoint(file));
    if (before) {
      ROOST_TRY(CheckSettings(at_.settings, *before, file));
      ROOST_TRY(GoOnFrom(std::move(*before)));
    }
  }
  if (options_.ema > 0 && !average_) average_.emplace(model_.State(), options_.ema);
  ROOST_TRY(replicas_->ShareStart(&at_, optimizer_, average_ ? &*average_ : nullptr));
  early_stop_.Restore(at_.early_stop);
  scaler_.Restore(at_.loss_scale);
  observer_.OnStart(images_->height(), images_->width(), batches_);
  return {};
}

Status Training::GoOnFrom(Checkpoint checkpoint) {
  ROOST_TRY(model_.LoadState(checkpoint.model, "the checkpoint"));
  ROOST_TRY(optimizer_.LoadState(checkpoint.optimizer, "the checkpoint"));
  if (options_.ema > 0) {
    average_.emplace(model_.State(), options_.ema);  // on the model's device
    ROOST_TRY(CopyState(checkpoint.average, average_->state(), "the checkpoint", "the average"));
  }
  early_stop_.Restore(checkpoint.early_stop);
  at_ = std::move(checkpoint);
  at_.model.clear();
  at_.optimizer.clear();
  at_.average.clear();
  at_.outcome.end = TrainOutcome::End::kAllEpochs;
  observer_.OnNote(at_.ended
                       ? "The training of the checkpoint had ended already."
                       : "Going on from the checkpoint at epoch " + std::to_string(at_.epoch + 1) +
                             ", batch " + std::to_string(at_.next_batch) + ".");
  return {};
}

void Training::SetResolution() {
  if (options_.progressive_resolution == 0) return;
  const std::int64_t before = images_->height();
  images_->SetSide(ProgressiveSide(options_.progressive_resolution, images_->full_side(),
                                   options_.progressive_share, at_.epoch, options_.epochs));
  if (images_->height() == before) return;
  observer_.OnNote("Images of " + std::to_string(images_->width()) + " x " +
                   std::to_string(images_->height()) + " pixels from epoch " +
                   std::to_string(at_.epoch + 1) + " on.");
}

// False: interrupted.
Result<bool> Training::TrainEpoch() {
  learning_rate_ = LearningRateOf(options_.schedule, options_.learning_rate * replicas_->size(),
                                  at_.epoch, options_.epochs, options_.warmup_epochs);
  images_->SetEpoch(static_cast<std::uint64_t>(at_.epoch));
  SetResolution();
  BatchLoader loader(
      *images_,
      ShardOf(ShuffledOrder(training_.size(), static_cast<std::uint64_t>(options_.random_seed),
                            static_cast<std::uint64_t>(at_.epoch)),
              replicas_->rank(), replicas_->size()),
      {.batch_size = static_cast<std::size_t>(options_.batch_size),
       .drop_last = true,
       .first_batch = static_cast<std::size_t>(at_.next_batch),
       .threads = threads_});
  model_.SetTraining(true);
  const double waited_before = at_.sums.wait_seconds;
  Clock::time_point start = Clock::now();
  ROOST_ASSIGN(std::optional<Batch> batch, NextBatch(loader));
  while (batch) {
    // Between two steps only, so that going on needs no gradients.
    if (group_ == nullptr) interrupted_ = interrupt_;
    if (interrupted_ && at_.next_batch % options_.accumulate == 0) return false;
    ++at_.next_batch;
    std::optional<Batch> next;
    const bool whole = IsWhole(*batch);
    if (whole) {
      StartWhole();
      ROOST_ASSIGN(next, NextBatch(loader));  // while the GPU computes
      ROOST_TRY(FinishWhole(*batch, start));
    } else {
      ROOST_TRY(TrainBatch(*batch, start));
    }
    at_.sums.wait_seconds = waited_before + loader.waited_seconds();
    at_.sums.seconds += SecondsSince(start);
    start = Clock::now();
    loader.Recycle(std::move(*batch));
    if (options_.checkpoint_every > 0 && at_.next_batch % options_.checkpoint_every == 0 &&
        at_.next_batch < batches_ && at_.next_batch % options_.accumulate == 0) {
      ROOST_TRY(Save(/*wait=*/false));
    }
    if (!whole) {
      ROOST_ASSIGN(next, NextBatch(loader));
    }
    batch = std::move(next);
  }
  return true;
}

// Nothing at the end of the epoch. Its way to a GPU begins here.
Result<std::optional<Batch>> Training::NextBatch(BatchLoader& loader) {
  ROOST_ASSIGN(std::optional<Batch> batch, loader.Next());
  if (!batch) return batch;
  for (const std::string& sentence : batch->unreadable) {
    if (told_unreadable_.insert(sentence).second) observer_.OnUnreadable(sentence);
  }
  if (uploads_ && !batch->samples.empty()) {
    uploads_->Start(*batch, images_->height(), images_->width());
  }
  return batch;
}

// A process whose images are all unreadable still takes part in what all do together.
Status Training::TrainBatch(const Batch& batch, Clock::time_point start) {
  if (StartsStep()) ROOST_TRY(replicas_->ShareBuffers());
  BatchSums sums{.unreadable = static_cast<double>(batch.unreadable.size()),
                 .interrupts = interrupt_ ? 1.0 : 0.0};
  at::Tensor loss;
  if (!batch.samples.empty()) loss = LossOf(batch, &sums);
  replicas_->StartSums(sums);
  if (EndsStep()) replicas_->ArmGradients();
  if (std::isfinite(sums.loss) && loss.defined()) {
    scaler_
        .Scaled(options_.accumulate > 1 ? loss.div(static_cast<double>(options_.accumulate)) : loss)
        .backward();
  }
  ROOST_ASSIGN(const BatchSums all, replicas_->FinishSums());
  ROOST_TRY(AddSums(all, batch));
  if (EndsStep()) {
    ROOST_TRY(replicas_->AverageGradients());
    ROOST_TRY(EndStep());
  }
  if (group_ != nullptr) interrupted_ = interrupted_ || all.interrupts > 0;
  if (all.images > 0) Report(all, SecondsSince(start));
  return {};
}

at::Tensor Training::LossOf(const Batch& batch, BatchSums* sums) {
  at::Tensor images;
  at::Tensor classes;
  if (uploads_) {
    const DeviceBatch there = uploads_->Take();
    images = Normalized(there.bytes, options_.channels_last);
    classes = there.classes;
  } else {
    images = NormalizedImages(batch.bytes.data(), static_cast<std::int64_t>(batch.samples.size()),
                              images_->height(), images_->width(), options_.channels_last);
    classes = ClassTensor(training_, batch.samples);
  }
  const MixShares mix = SharesOf(MixShareNow());
  const at::Tensor logits = TrainingLogits(model_, Mixed(images, mix), options_.precision);
  at::Tensor loss = TrainingLoss(logits, classes, mix, options_.label_smoothing);
  sums->images = static_cast<double>(batch.samples.size());
  sums->loss = loss.item().toDouble() * sums->images;
  sums->wrong = CountWrong(logits, classes).item().toDouble();
  return loss;
}

double Training::MixShareNow() const {
  if (options_.mixup <= 0) return 1;
  return MixShare(options_.mixup, static_cast<std::uint64_t>(options_.random_seed), at_.epoch,
                  at_.next_batch);
}

// Several processes add up their gradients in the middle of a step, and with several batches a step
// not each ends one.
bool Training::TakesWholeSteps() const {
  const bool wanted = options_.whole_steps == WholeSteps::kEverywhere ||
                      (options_.whole_steps == WholeSteps::kOnGpu && device_.is_cuda());
  return wanted && group_ == nullptr && options_.accumulate == 1;
}

// What is recorded takes full batches only; images of this one may have been unreadable.
bool Training::IsWhole(const Batch& batch) const {
  return TakesWholeSteps() &&
         static_cast<std::int64_t>(batch.samples.size()) == options_.batch_size;
}

void Training::StartWhole() {
  if (!whole_step_ || !whole_step_->Fits(images_->height(), images_->width())) {
    whole_step_.reset();  // its memory before that of the next
    whole_step_ =
        std::make_unique<WholeStep>(WholeStep::Parts{.model = model_,
                                                     .optimizer = optimizer_,
                                                     .average = average_ ? &*average_ : nullptr,
                                                     .options = options_},
                                    device_, images_->height(), images_->width());
  }
  whole_step_->Start(uploads_->Take(), {.learning_rate = learning_rate_,
                                        .mix_share = MixShareNow(),
                                        .loss_scale = scaler_.state().scale});
}

Status Training::FinishWhole(const Batch& batch, Clock::time_point start) {
  const WholeStep::Outcome outcome = whole_step_->Finish();
  const auto images = static_cast<double>(batch.samples.size());
  const BatchSums sums{
      .images = images, .loss = outcome.loss * images, .wrong = outcome.wrong, .unreadable = 0};
  ROOST_TRY(AddSums(sums, batch));
  ROOST_TRY(scaler_.Update(outcome.finite));
  if (!outcome.finite) ++at_.sums.skipped_steps;
  Report(sums, SecondsSince(start));
  return {};
}

// Adds a batch of all processes to the epoch.
Status Training::AddSums(const BatchSums& all, const Batch& batch) {
  EpochSums& sums = at_.sums;
  sums.unreadable += static_cast<std::int64_t>(all.unreadable);
  if (static_cast<double>(sums.unreadable) >
      options_.unreadable_images_limit * static_cast<double>(training_.size())) {
    const std::string last =
        batch.unreadable.empty() ? "" : ", the last: " + batch.unreadable.back();
    return FailModule(InvalidDataset(kTrainingDataset, std::to_string(sums.unreadable) +
                                                           " of its images cannot be read" + last));
  }
  if (!std::isfinite(all.loss)) {
    return tl::unexpected<Error>(NoNumber("The loss is no number any more in epoch " +
                                          std::to_string(at_.epoch + 1) + ", batch " +
                                          std::to_string(at_.next_batch)));
  }
  if (all.images == 0) return {};
  ++sums.batches;
  sums.images += static_cast<std::int64_t>(all.images);
  sums.loss += all.loss;
  sums.wrong += all.wrong;
  return {};
}

void Training::Report(const BatchSums& all, double seconds) {
  const EpochSums& sums = at_.sums;
  const double all_seconds = sums.seconds + seconds;
  const auto images = static_cast<double>(sums.images);
  observer_.OnBatch({.epoch = at_.epoch + 1,
                     .epochs = options_.epochs,
                     .batch = at_.next_batch - 1,
                     .batches = batches_,
                     .seconds = seconds,
                     .mean_seconds = all_seconds / static_cast<double>(sums.batches),
                     .rate = all.images / seconds,
                     .mean_rate = images / all_seconds,
                     .loss = all.loss / all.images,
                     .mean_loss = sums.loss / images,
                     .error = all.wrong / all.images,
                     .mean_error = sums.wrong / images});
}

Error Training::NoNumber(const std::string& which) const {
  return {ErrorCode::kInvalidArgument,
          which + ". Take a lower learning rate than " + at_.settings.at("learning rate") +
              ", a warm-up, or a bound on the gradients' norm" +
              (options_.precision == Precision::kFp16 ? ", or the precision bf16." : "."),
          {}};
}

Status Training::EndStep() {
  const bool finite = scaler_.Unscale(optimizer_.Gradients());
  ROOST_TRY(scaler_.Update(finite));
  if (!finite) {
    ++at_.sums.skipped_steps;
    optimizer_.ZeroGradients();
    return {};
  }
  if (options_.clip_norm > 0) optimizer_.ClipNorm(options_.clip_norm);
  optimizer_.Step(learning_rate_);
  optimizer_.ZeroGradients();
  if (average_) average_->Add(model_.State());
  return {};
}

// False: interrupted before all validation images were seen.
Result<bool> Training::EndEpoch() {
  const double train_seconds = at_.sums.seconds;
  const Clock::time_point start = Clock::now();
  // The averaged weights are what is used later, so they are what is judged.
  ModelState own;
  if (average_) {
    own = model_.CopiedState();
    ROOST_TRY(model_.LoadState(average_->state(), "the averaged weights"));
  }
  ROOST_TRY(replicas_->ShareBuffers());
  ROOST_ASSIGN(
      EvaluationSums judged,
      SumOver(model_, validation_, RowsOf(validation_.size(), replicas_->rank(), replicas_->size()),
              *validation_images_,
              {.batch_size = options_.batch_size,
               .threads = threads_,
               .channels_last = options_.channels_last,
               .interrupt = &interrupt_}));
  ROOST_TRY(replicas_->Add(&judged));
  if (judged.interrupts > 0) {
    if (average_) ROOST_TRY(model_.LoadState(own, "the weights of the last step"));
    return false;
  }
  ROOST_ASSIGN(const Evaluation evaluation, MeanOf(std::move(judged)));
  // Such weights must not count as the best: their accuracy means nothing.
  if (!std::isfinite(evaluation.loss)) {
    return tl::unexpected<Error>(
        NoNumber("The loss of the validation images is no number after "
                 "epoch " +
                 std::to_string(at_.epoch + 1)));
  }
  for (const std::string& sentence : evaluation.unreadable) {
    if (told_unreadable_.insert(sentence).second) observer_.OnUnreadable(sentence);
  }
  const auto images = static_cast<double>(std::max<std::int64_t>(at_.sums.images, 1));
  EpochReport report{
      .epoch = at_.epoch + 1,
      .learning_rate = learning_rate_,
      .train_rate = train_seconds > 0 ? static_cast<double>(at_.sums.images) / train_seconds : 0,
      .train_loss = at_.sums.loss / images,
      .train_error = at_.sums.wrong / images,
      .valid_loss = evaluation.loss,
      .top1 = evaluation.top1,
      .top5 = evaluation.top5,
      .seconds = train_seconds + SecondsSince(start),
      .wait_seconds = at_.sums.wait_seconds,
      .unreadable = at_.sums.unreadable,
      .best = at_.outcome.best_epoch == 0 || evaluation.top1 > at_.outcome.best_top1};
  if (report.best) {
    at_.outcome.best_epoch = report.epoch;
    at_.outcome.best_top1 = report.top1;
    if (replicas_->first()) at_.outcome.best = model_.CopiedState();
  }
  if (average_) ROOST_TRY(model_.LoadState(own, "the weights of the last step"));
  at_.outcome.epochs.push_back(report);
  observer_.OnEpoch(report);
  if (at_.sums.skipped_steps > 0) {
    observer_.OnNote(std::to_string(at_.sums.skipped_steps) + " steps of epoch " +
                     std::to_string(report.epoch) +
                     " were left out, whose gradients were too large for 16 bits. The loss is "
                     "scaled by " +
                     std::to_string(scaler_.state().scale) + " now.");
  }
  ++at_.epoch;
  at_.next_batch = 0;
  at_.sums = {};
  if (early_stop_.Add(report.valid_loss)) {
    observer_.OnNote("Early stopped.");
    at_.ended = true;
    at_.outcome.end = TrainOutcome::End::kEarlyStop;
  }
  at_.ended = at_.ended || at_.epoch >= options_.epochs;
  const Status saved = Save(/*wait=*/at_.ended);
  if (!saved) NoteLost(saved.error());
  return true;
}

// A checkpoint that cannot be written is a note: the one before it is still there and the next may
// succeed; at the end the model itself is still to be saved. Only an interruption needs it.
void Training::NoteLost(const Error& error) {
  observer_.OnNote("The last checkpoint could not be written: " + error.message);
}

Status Training::Save(bool wait) {
  if (options_.checkpoint_folder.empty() || !replicas_->first()) return {};
  Checkpoint checkpoint = at_;
  checkpoint.early_stop = early_stop_.state();
  checkpoint.loss_scale = scaler_.state();
  checkpoint.model = model_.CopiedState();
  checkpoint.optimizer = CopyOf(optimizer_.State());
  if (average_) checkpoint.average = CopyOf(average_->state());
  Status outcome = writer_.Write(std::move(checkpoint));
  if (wait) return writer_.Wait();
  if (!outcome) NoteLost(outcome.error());
  return {};
}

Result<TrainOutcome> Training::Interrupted() {
  ROOST_TRY(Save(/*wait=*/true));
  at_.outcome.end = TrainOutcome::End::kInterrupted;
  return std::move(at_.outcome);
}

}  // namespace

Result<TrainOutcome> Train(Classifier& model, const ImageDirectory& training,
                           const ImageDirectory& validation, const TrainOptions& options,
                           const std::atomic<bool>& interrupt, TrainObserver& observer,
                           ProcessGroup* group) {
  ROOST_TRY(CheckTrainOptions(options));
  ROOST_TRY(CheckTrainData(training, validation, options, group == nullptr ? 1 : group->size()));
  if (options.deterministic) at::globalContext().setDeterministicAlgorithms(true, false);
  return GuardTorch(kTrainingDataset, [&]() -> Result<TrainOutcome> {
    return Training(model, training, validation, options, interrupt, observer, group).Run();
  });
}

}  // namespace roost::trainer
