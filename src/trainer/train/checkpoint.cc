#include "trainer/train/checkpoint.h"

#include <algorithm>

#include "trainer/models/pth.h"
#include "trainer/state/pth_reader.h"
#include "trainer/state/pth_writer.h"

namespace roost::trainer {
namespace {

constexpr std::int64_t kVersion = 1;

// --- Writing ---

StateDict ToValue(const EpochReport& report) {
  StateDict dict;
  dict.Set("epoch", report.epoch);
  dict.Set("learning_rate", report.learning_rate);
  dict.Set("train_rate", report.train_rate);
  dict.Set("train_loss", report.train_loss);
  dict.Set("train_error", report.train_error);
  dict.Set("valid_loss", report.valid_loss);
  dict.Set("top1", report.top1);
  dict.Set("top5", report.top5);
  dict.Set("seconds", report.seconds);
  dict.Set("wait_seconds", report.wait_seconds);
  dict.Set("unreadable", report.unreadable);
  dict.Set("best", report.best);
  return dict;
}

StateDict ToValue(const EpochSums& sums) {
  StateDict dict;
  dict.Set("batches", sums.batches);
  dict.Set("images", sums.images);
  dict.Set("unreadable", sums.unreadable);
  dict.Set("loss", sums.loss);
  dict.Set("wrong", sums.wrong);
  dict.Set("seconds", sums.seconds);
  dict.Set("wait_seconds", sums.wait_seconds);
  dict.Set("skipped_steps", sums.skipped_steps);
  return dict;
}

// --- Reading ---

// Takes fields out of a dict and remembers the first that is missing or of another kind.
class Fields {
 public:
  explicit Fields(const StateValue* value) : value_(value) {}

  void Take(const char* name, std::int64_t* to) { TakeAs<std::int64_t>(name, to); }
  void Take(const char* name, bool* to) { TakeAs<bool>(name, to); }
  void Take(const char* name, double* to) { TakeAs<double>(name, to); }
  void Take(const char* name, ModelState* to) {
    const StateDict* const dict = Get<StateDict>(name);
    if (dict == nullptr) return;
    for (const StateEntry& entry : dict->entries) {
      const auto* key = entry.key.As<std::string>();
      const auto* tensor = entry.value.As<StateTensor>();
      if (key == nullptr || tensor == nullptr) return Miss(name);
      to->emplace_back(*key, ToTorch(*tensor));
    }
  }
  const StateValue* Inside(const char* name) {
    const StateValue* const found = value_ == nullptr ? nullptr : value_->Find(name);
    if (found == nullptr) Miss(name);
    return found;
  }
  template <class T>
  const T* Get(const char* name) {
    const StateValue* const found = Inside(name);
    const T* const typed = found == nullptr ? nullptr : found->As<T>();
    if (typed == nullptr) Miss(name);
    return typed;
  }
  const std::string& missing() const { return missing_; }
  void Miss(std::string name) {
    if (missing_.empty()) missing_ = std::move(name);
  }

 private:
  template <class T>
  void TakeAs(const char* name, T* to) {
    if (const T* const found = Get<T>(name)) *to = *found;
  }

  const StateValue* value_;
  std::string missing_;
};

std::string Read(const StateValue* value, EpochReport* report) {
  Fields fields(value);
  fields.Take("epoch", &report->epoch);
  fields.Take("learning_rate", &report->learning_rate);
  fields.Take("train_rate", &report->train_rate);
  fields.Take("train_loss", &report->train_loss);
  fields.Take("train_error", &report->train_error);
  fields.Take("valid_loss", &report->valid_loss);
  fields.Take("top1", &report->top1);
  fields.Take("top5", &report->top5);
  fields.Take("seconds", &report->seconds);
  fields.Take("wait_seconds", &report->wait_seconds);
  fields.Take("unreadable", &report->unreadable);
  fields.Take("best", &report->best);
  return fields.missing();
}

std::string Read(const StateValue* value, EpochSums* sums) {
  Fields fields(value);
  fields.Take("batches", &sums->batches);
  fields.Take("images", &sums->images);
  fields.Take("unreadable", &sums->unreadable);
  fields.Take("loss", &sums->loss);
  fields.Take("wrong", &sums->wrong);
  fields.Take("seconds", &sums->seconds);
  fields.Take("wait_seconds", &sums->wait_seconds);
  fields.Take("skipped_steps", &sums->skipped_steps);
  return fields.missing();
}

std::string Read(const StateValue& root, Checkpoint* checkpoint) {
  Fields fields(&root);
  std::int64_t version = 0;
  fields.Take("version", &version);
  if (version != kVersion) return "version " + std::to_string(kVersion);
  if (const StateDict* const settings = fields.Get<StateDict>("settings")) {
    for (const StateEntry& entry : settings->entries) {
      const auto* key = entry.key.As<std::string>();
      const auto* text = entry.value.As<std::string>();
      if (key == nullptr || text == nullptr) return "settings";
      checkpoint->settings[*key] = *text;
    }
  }
  fields.Take("epoch", &checkpoint->epoch);
  fields.Take("next_batch", &checkpoint->next_batch);
  fields.Take("ended", &checkpoint->ended);
  fields.Take("early_stop_has_last", &checkpoint->early_stop.has_last);
  fields.Take("early_stop_last", &checkpoint->early_stop.last);
  fields.Take("early_stop_count", &checkpoint->early_stop.count);
  fields.Take("loss_scale", &checkpoint->loss_scale.scale);
  fields.Take("loss_scale_good_steps", &checkpoint->loss_scale.good_steps);
  fields.Take("best_epoch", &checkpoint->outcome.best_epoch);
  fields.Take("best_top1", &checkpoint->outcome.best_top1);
  std::int64_t end = 0;
  fields.Take("end", &end);
  checkpoint->outcome.end = static_cast<TrainOutcome::End>(end);
  if (const StateList* const epochs = fields.Get<StateList>("epochs")) {
    for (const StateValue& item : epochs->items) {
      EpochReport report;
      if (const std::string missing = Read(&item, &report); !missing.empty()) fields.Miss(missing);
      checkpoint->outcome.epochs.push_back(report);
    }
  }
  if (const std::string missing = Read(fields.Inside("sums"), &checkpoint->sums);
      !missing.empty()) {
    fields.Miss(missing);
  }
  fields.Take("state_dict", &checkpoint->model);
  fields.Take("optimizer", &checkpoint->optimizer);
  fields.Take("average", &checkpoint->average);
  fields.Take("best", &checkpoint->outcome.best);
  return fields.missing();
}

}  // namespace

// "state_dict" is where Python's scripts expect the weights of a nested checkpoint.
Status WriteCheckpoint(const fs::path& file, const Checkpoint& checkpoint) {
  StateDict settings;
  for (const auto& [name, value] : checkpoint.settings) settings.Set(name, value);
  StateList epochs;
  for (const EpochReport& report : checkpoint.outcome.epochs) {
    epochs.items.emplace_back(ToValue(report));
  }
  StateDict root;
  root.Set("version", kVersion);
  root.Set("settings", std::move(settings));
  root.Set("epoch", checkpoint.epoch);
  root.Set("next_batch", checkpoint.next_batch);
  root.Set("ended", checkpoint.ended);
  root.Set("early_stop_has_last", checkpoint.early_stop.has_last);
  root.Set("early_stop_last", checkpoint.early_stop.last);
  root.Set("early_stop_count", checkpoint.early_stop.count);
  root.Set("loss_scale", checkpoint.loss_scale.scale);
  root.Set("loss_scale_good_steps", checkpoint.loss_scale.good_steps);
  root.Set("best_epoch", checkpoint.outcome.best_epoch);
  root.Set("best_top1", checkpoint.outcome.best_top1);
  root.Set("end", static_cast<std::int64_t>(checkpoint.outcome.end));
  root.Set("epochs", std::move(epochs));
  root.Set("sums", ToValue(checkpoint.sums));
  ROOST_ASSIGN(StateDict model, FromTorch(checkpoint.model));
  ROOST_ASSIGN(StateDict optimizer, FromTorch(checkpoint.optimizer));
  ROOST_ASSIGN(StateDict average, FromTorch(checkpoint.average));
  ROOST_ASSIGN(StateDict best, FromTorch(checkpoint.outcome.best));
  root.Set("state_dict", std::move(model));
  root.Set("optimizer", std::move(optimizer));
  root.Set("average", std::move(average));
  root.Set("best", std::move(best));
  return WritePth(file, StateValue(std::move(root)));
}

Result<std::optional<Checkpoint>> ReadCheckpoint(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return std::optional<Checkpoint>();
  ROOST_ASSIGN(const StateValue root, ReadPth(file));
  Checkpoint checkpoint;
  const std::string missing = Read(root, &checkpoint);
  if (missing.empty()) return std::optional<Checkpoint>(std::move(checkpoint));
  return Fail(ErrorCode::kInvalidArgument,
              file.string() + " is no checkpoint of this program: it lacks \"" + missing +
                  "\". Take another checkpoint folder, or remove the file to start anew.");
}

std::string DifferencesOf(const std::map<std::string, std::string>& before, std::string_view was,
                          const std::map<std::string, std::string>& now, std::string_view is) {
  std::string differences;
  const auto value_of = [](const std::map<std::string, std::string>& settings,
                           const std::string& name) {
    const auto found = settings.find(name);
    return found == settings.end() ? std::string("nothing") : found->second;
  };
  std::map<std::string, std::string> all = now;
  all.insert(before.begin(), before.end());
  for (const auto& [name, unused] : all) {
    const std::string first = value_of(before, name);
    const std::string second = value_of(now, name);
    if (first == second) continue;
    differences += (differences.empty() ? "" : "; ") + name + " " + std::string(was) + " " + first +
                   " and " + std::string(is) + " " + second;
  }
  return differences;
}

Status CheckSettings(const std::map<std::string, std::string>& now, const Checkpoint& checkpoint,
                     const fs::path& file) {
  const std::string differences = DifferencesOf(checkpoint.settings, "was", now, "is");
  if (differences.empty()) return {};
  return Fail(ErrorCode::kConflict,
              "The training cannot go on from " + file.string() + ": " + differences +
                  ". Take the same settings, another checkpoint folder, or remove the file to "
                  "start anew.");
}

Status CheckpointWriter::Write(Checkpoint checkpoint) {
  Status before = Wait();
  under_way_ =
      std::async(std::launch::async,
                 [file = file_, kept = std::make_shared<Checkpoint>(std::move(checkpoint))] {
                   return WriteCheckpoint(file, *kept);
                 });
  return before;
}

Status CheckpointWriter::Wait() { return under_way_.valid() ? under_way_.get() : Status(); }

}  // namespace roost::trainer
