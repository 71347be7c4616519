#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/Generator.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "trainer/distributed/launch.h"
#include "trainer/distributed/process_group.h"
#include "trainer/folders/component_error.h"
#include "trainer/folders/model_directory.h"
#include "trainer/models/pth.h"
#include "trainer/program/commands.h"
#include "trainer/program/component_log.h"
#include "trainer/program/trained_model.h"
#include "trainer/program/validation_report.h"
#include "trainer/train/device.h"
#include "trainer/train/torch_error.h"
#include "trainer/train/trainer.h"

namespace roost::trainer {
namespace {

constexpr const char* kTrainingDataset = "Training dataset";

struct TrainWords {
  fs::path untrained, training, validation, output, report;
  TrainOptions options;
  std::string device = "auto";
  WeightWords weights;
  LaunchFlags launch;
  double group_timeout = 1800;  // seconds; as PyTorch's for Gloo
};

std::atomic<bool> interrupted = false;

void EndAtSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  // A second one ends at once. Reading and writing go on where a signal comes between.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction before {};
    sigaction(number, nullptr, &before);
    if (number == SIGHUP && before.sa_handler == SIG_IGN) continue;  // nohup
    sigaction(number, &action, nullptr);
  }
}

bool SameFolder(const fs::path& one, const fs::path& other) {
  std::error_code ignored;
  return fs::equivalent(one, other, ignored);
}

// Before hours of training, not after them.
Status PrepareOutput(const TrainWords& words) {
  for (const fs::path& input : {words.untrained, words.training, words.validation}) {
    if (!SameFolder(words.output, input)) continue;
    return FailModule(
        FailedToWriteOutputs(words.output.string() + " is the folder of an input, too",
                             "Choose another folder for the trained model."));
  }
  return PrepareModelFolder(words.output);
}

// Two trainings would each overwrite what the other keeps.
Result<std::optional<FileLock>> LockCheckpoints(const fs::path& folder) {
  if (folder.empty()) return std::optional<FileLock>();
  const auto refuse = [](const Error& error) {
    return FailModule(
        FailedToWriteOutputs(error.message, "Choose another folder for the checkpoints."));
  };
  if (const Status made = MakeFolders(folder); !made) return refuse(made.error());
  Result<FileLock> lock = FileLock::Acquire(folder / "lock");
  if (lock) return std::optional<FileLock>(std::move(*lock));
  if (lock.error().code != ErrorCode::kUnavailable) return refuse(lock.error());
  return Fail(ErrorCode::kUnavailable, "Another training writes its checkpoints into " +
                                           folder.string() +
                                           ". Wait for its end or take another folder.");
}

// Once the group has agreed to end, a launcher may end the slower processes.
void EndInPeace() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) signal(number, SIG_IGN);
}

// A rank other than the first: what it has to say goes to its error output.
class QuietLog : public TrainObserver {
 public:
  explicit QuietLog(int rank) : rank_(rank) {}
  void OnStart(std::int64_t, std::int64_t, std::int64_t) override {}
  void OnBatch(const BatchReport&) override {}
  void OnEpoch(const EpochReport&) override {}
  void OnUnreadable(const std::string& sentence) override {
    std::fprintf(stderr, "rank %d: An image is left out: %s\n", rank_, sentence.c_str());
  }
  void OnNote(const std::string&) override {}

 private:
  const int rank_;
};

// Null for a single process.
Result<std::unique_ptr<ProcessGroup>> JoinGroup(const TrainWords& words) {
  if (!std::isfinite(words.group_timeout) || words.group_timeout <= 0) {
    return FailModule(NotGreaterThan("process group timeout", words.group_timeout, 0));
  }
  ROOST_ASSIGN(const Launch launch, ResolveLaunch(words.launch, LaunchEnvironment()));
  if (launch.world_size == 1) return std::unique_ptr<ProcessGroup>();
  const double milliseconds = std::min(words.group_timeout, 1e6) * 1000;
  if (launch.rank == 0) {
    LogLine("Waiting for " + std::to_string(launch.world_size) + " processes at " +
            launch.master_addr + ":" + std::to_string(launch.master_port) + ", as " +
            launch.source + " say.");
  }
  return ProcessGroup::Connect(launch,
                               std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds)));
}

// Processes that share a machine share its cores, unless OMP_NUM_THREADS or a launcher that binds
// them to cores has said otherwise.
void ShareCores(int processes_here) {
  const char* const chosen = std::getenv("OMP_NUM_THREADS");
  if (chosen != nullptr && *chosen != 0) return;
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  const int share = std::max(1, static_cast<int>(cores) / processes_here);
  if (share < at::get_num_threads()) at::set_num_threads(share);
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

Result<File> OpenReport(const fs::path& path) {
  if (path.empty()) return File();
  File file(std::fopen(path.c_str(), "ae"));
  if (file) return file;
  return FailModule(
      FailedToWriteOutputs(ErrnoError("opening the report " + path.string(), errno).message,
                           "Choose a file that you may write."));
}

Status SaveTrained(Classifier& network, const TrainOutcome& outcome, ModelSpec spec,
                   const ImageDirectory& training, const fs::path& folder) {
  LogLine("Saving trained model, of epoch " + std::to_string(outcome.best_epoch) + ".");
  ROOST_TRY(network.LoadState(outcome.best, "the best epoch"));
  ROOST_TRY(MakeFolders(folder));
  ROOST_TRY(SavePth(network, folder / kWeightsFile, StateNames::kDesigner));
  spec.labels = training.classes();
  return WriteModelDirectory(folder, spec, training.folder());
}

// The run's server keeps what lies in this folder.
void ShowValidation(Classifier& network, const ImageDirectory& validation,
                    const TrainOptions& options, RunReport& run) {
  const char* const outputs = std::getenv("AZUREML_OUTPUT_DIRECTORY");
  const Status shown =
      ReportValidation(network, validation, options, outputs == nullptr ? "outputs" : outputs, run);
  // The model is saved; a picture that cannot be shown does not make the training a failure.
  if (!shown) LogLine("The validation is not shown: " + shown.error().message, "WARNING");
}

Result<GroupDevice> DeviceOf(const TrainWords& words, ProcessGroup* group) {
  if (group != nullptr) return ChooseDevice(words.device, *group);
  ROOST_ASSIGN(const at::Device device, ChooseDevice(words.device));
  return GroupDevice{device, device.is_cpu() ? "" : "Training on " + device.str() + "."};
}

Result<int> TrainInGroup(const TrainWords& words, ProcessGroup* group) {
  const bool first = group == nullptr || group->rank() == 0;
  const auto log_line = [&](const std::string& text, const char* level = "INFO") {
    if (first) LogLine(text, level);
  };
  if (group != nullptr) {
    ShareCores(group->local_size());
    log_line(fmt::format("{} processes train together, with a learning rate of {} x {}.",
                         group->size(), words.options.learning_rate, group->size()));
  }
  ROOST_ASSIGN(const GroupDevice place, DeviceOf(words, group));
  if (!place.note.empty()) log_line(place.note);
  ROOST_ASSIGN(const ModelSpec spec, ReadModelDirectory(words.untrained));
  if (spec.trained()) {
    return FailModule(InvalidModel(words.untrained.string(), "it is trained already",
                                   "Give what resnet or densenet wrote."));
  }
  log_line("Data start loading.");
  ROOST_ASSIGN(const ImageDirectory training,
               ImageDirectory::Open(words.training, kTrainingDataset));
  ROOST_ASSIGN(const ImageDirectory validation,
               ImageDirectory::Open(words.validation, "Validation dataset"));
  std::string classes;
  for (const std::string& name : training.classes())
    classes += (classes.empty() ? "" : ", ") + name;
  log_line("Dataset classes: " + classes);
  ROOST_TRY(
      CheckTrainData(training, validation, words.options, group == nullptr ? 1 : group->size()));
  if (first) ROOST_TRY(PrepareOutput(words));
  ROOST_ASSIGN(const auto lock,
               LockCheckpoints(first ? words.options.checkpoint_folder : fs::path()));
  ROOST_ASSIGN(const File report, OpenReport(first ? words.report : fs::path()));

  log_line("Start building model. " + spec.model_name);
  at::manual_seed(static_cast<std::uint64_t>(words.options.random_seed));
  WeightWords weights = words.weights;
  weights.from_others = !first;
  ROOST_ASSIGN(const auto network,
               MakeNetwork(spec, static_cast<std::int64_t>(training.classes().size()), weights));
  PrepareDevice(place.device, words.options.deterministic);
  network->ToDevice(place.device);
  const std::unique_ptr<RunReport> run = first ? RunReport::FromEnvironment() : nullptr;
  TrainLog log(words.options.print_frequency, report.get(), run.get());
  QuietLog quiet(first ? 0 : group->rank());
  EndAtSignals();
  ROOST_ASSIGN(const TrainOutcome outcome,
               Train(*network, training, validation, words.options, interrupted,
                     first ? static_cast<TrainObserver&>(log) : quiet, group));
  const bool is_interrupted = outcome.end == TrainOutcome::End::kInterrupted;
  if (is_interrupted) {
    log_line(words.options.checkpoint_folder.empty()
                 ? "Interrupted; without a checkpoint folder nothing was kept."
                 : "Interrupted; the same command goes on from " +
                       words.options.checkpoint_folder.string() + ".",
             "WARNING");
  } else if (first) {
    const Status saved = SaveTrained(*network, outcome, spec, training, words.output);
    if (!saved) return tl::unexpected<Error>(AsOutputError(saved.error()));
    if (run) ShowValidation(*network, validation, words.options, *run);
  }
  if (group != nullptr) {
    if (is_interrupted) EndInPeace();
    ROOST_TRY(group->Barrier());  // nobody ends before all is written
  }
  return is_interrupted ? kInterruptedExit : 0;
}

Result<int> RunTraining(const TrainWords& words) {
  signal(SIGPIPE, SIG_IGN);  // a log that nobody reads any more is no reason to lose a training
  ROOST_TRY(CheckTrainOptions(words.options));
  ROOST_ASSIGN(const std::unique_ptr<ProcessGroup> group, JoinGroup(words));
  Result<int> outcome =
      GuardTorch(kTrainingDataset, [&] { return TrainInGroup(words, group.get()); });
  if (!outcome && group) group->Abort(outcome.error());
  return outcome;
}

}  // namespace

void AddTrainCommand(CLI::App& app, Command* chosen) {
  auto words = std::make_shared<TrainWords>();
  TrainOptions& to = words->options;
  CLI::App* const command = app.add_subcommand("train", "Trains a network on image directories");
  command->add_option("--untrained-model-path", words->untrained, "What resnet or densenet wrote")
      ->required();
  command->add_option("--train-data-path", words->training, "Training images")->required();
  command->add_option("--valid-data-path", words->validation, "Validation images")->required();
  command->add_option("--trained-model-path", words->output, "Folder for the trained model")
      ->required();
  const auto add = [&](const char* names, auto& value, const char* help) {
    return command->add_option(names, value, help);
  };
  add("--epochs", to.epochs, "Passes over the training images");
  add("--batch-size", to.batch_size, "Images of one step");
  add("--warmup-epochs,--num-warmup-steps", to.warmup_epochs,
      "Epochs in which the learning rate rises");
  add("--learning-rate", to.learning_rate, "At its highest");
  add("--random-seed", to.random_seed, "Of weights, order and augmentation");
  add("--patience", to.patience, "Epochs without a smaller validation loss before it stops early");
  add("--print-frequency,--print-freq", to.print_frequency, "Batches between two lines of the log");

  add("--schedule", to.schedule, "How the learning rate falls: polynomial or cosine")
      ->transform(CLI::CheckedTransformer(std::map<std::string, ScheduleKind>{
          {"polynomial", ScheduleKind::kPolynomial}, {"cosine", ScheduleKind::kCosine}}))
      ->option_text("TEXT=polynomial");
  add("--optimizer", to.optimizer, "sgd or adamw")
      ->transform(CLI::CheckedTransformer(std::map<std::string, OptimizerKind>{
          {"sgd", OptimizerKind::kSgd}, {"adamw", OptimizerKind::kAdamW}}))
      ->option_text("TEXT=sgd");
  add("--momentum", to.momentum, "Nesterov's, of SGD");
  add("--weight-decay", to.weight_decay, "Of all weights");
  add("--label-smoothing", to.label_smoothing, "Share that goes to all classes");
  add("--mixup", to.mixup, "Alpha of mixup (0: none)");
  add("--ema", to.ema, "Decay of averaged weights, e.g. 0.999 (0: none)");
  add("--clip-norm", to.clip_norm, "Largest norm of the gradients (0: none)");
  add("--accumulate", to.accumulate, "Batches whose gradients make one step");
  add("--random-resized-crop", to.random_resized_crop,
      "Side of a random part, cut out, resized and mirrored anew in each epoch (0: whole images)");
  add("--precision", to.precision,
      "What convolutions compute in while training: fp32, bf16 or fp16 (with a scaled loss)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Precision>{
          {"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}, {"fp16", Precision::kFp16}}))
      ->option_text("TEXT=fp32");
  add("--progressive-resolution", to.progressive_resolution,
      "Side of the first epoch's images, which then grows (0: full size from the start)");
  add("--progressive-share", to.progressive_share,
      "Share of the epochs after which the images have their full size");
  add("--cache", to.cache_folder,
      "Keep the decoded images in this folder, for this and later runs");
  add("--cache-short-side", to.cache_short_side,
      "Shrink larger images to this side in the cache (0: none)");
  add("--channels-last", to.channels_last, "Memory layout that is faster on most processors");
  command->add_flag("--winograd", to.winograd,
                    "Faster 3x3 convolutions, which round a little differently (AVX-512)");
  command->add_option_function<bool>(
      "--cuda-graph",
      [&to](bool wanted) { to.whole_steps = wanted ? WholeSteps::kOnGpu : WholeSteps::kNever; },
      "Record a GPU's step once and launch it as a whole (default: true)");
  command->add_flag("--deterministic", to.deterministic, "The same seed gives the same bits");
  add("--device", words->device,
      "auto, cpu, cuda (of several processes the GPU of each one's local rank) or cuda:<number>");
  add("--threads", to.threads, "That decode images (0: one for each core)");
  add("--checkpoint-folder", to.checkpoint_folder,
      "Keep the state here after each epoch, and go on from what is here");
  add("--checkpoint-every", to.checkpoint_every,
      "Batches between two checkpoints (0: epochs only)");
  add("--unreadable-images-limit", to.unreadable_images_limit,
      "Share of unreadable images above which the training is refused");
  add("--rank", words->launch.rank, "Of this process in its group; default: what the launcher set");
  add("--world-size", words->launch.world_size, "Processes that train together");
  add("--local-rank", words->launch.local_rank, "Of this process on its machine");
  add("--master-addr", words->launch.master_addr, "Machine of rank 0, where the group meets");
  add("--master-port", words->launch.master_port, "Its port there");
  add("--process-group-timeout", words->group_timeout,
      "Seconds that a process may keep the others waiting");
  add("--report", words->report, "File for one JSON object a line");
  add("--weights-folder", words->weights.folder,
      "Where ImageNet's weights are looked for, and kept (default: PyTorch's cache)");
  command->add_flag("--offline", words->weights.offline, "Download nothing");
  command->callback([=] { *chosen = [words] { return RunTraining(*words); }; });
}

}  // namespace roost::trainer
