#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "cli/mlflow/local_files.h"
#include "cli/mlflow/source.h"

// The folder that MLflow writes without a server: <experiment>/<run>/{params,metrics,tags}/<name>,
// with a meta.yaml for each experiment, run and model.
namespace roost::cli::mlflow {
namespace {

constexpr std::size_t kRunsAtOnce = 500;
constexpr const char* kMeta = "meta.yaml";
constexpr const char* kDeletedVersion = "Deleted_Internal";
constexpr const char* kModelsFolder = "models";

// One YAML mapping of plain values.
class Meta {
 public:
  static Result<Meta> Read(const fs::path& file) {
    ROOST_ASSIGN(const std::string text, ReadFile(file));
    try {
      YAML::Node node = YAML::Load(text);
      if (node.IsMap()) return Meta(std::move(node));
    } catch (const YAML::Exception& error) {
      return Fail(ErrorCode::kInvalidArgument, file.string() + " is no YAML: " + error.what());
    }
    return Fail(ErrorCode::kInvalidArgument, file.string() + " is no mapping.");
  }

  std::string Text(const char* field) const {
    const YAML::Node value = node_[field];
    return value && value.IsScalar() ? CleanText(value.Scalar()) : "";
  }
  std::int64_t Int(const char* field) const {
    const std::string text = Text(field);
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }
  Micros Time(const char* field) const { return Text(field).empty() ? 0 : DateOf(Int(field)); }
  std::optional<std::string> OptionalText(const char* field) const {
    const YAML::Node value = node_[field];
    if (!value || !value.IsScalar()) return std::nullopt;
    return CleanText(value.Scalar());
  }
  std::map<std::string, std::string> Map(const char* field) const {
    std::map<std::string, std::string> pairs;
    const YAML::Node value = node_[field];
    if (!value || !value.IsMap()) return pairs;
    for (const auto& pair : value) {
      pairs.emplace(CleanText(pair.first.Scalar()), CleanText(pair.second.Scalar()));
    }
    return pairs;
  }

 private:
  explicit Meta(YAML::Node node) : node_(std::move(node)) {}
  YAML::Node node_;
};

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// Names of the folders in a folder, sorted; none when it is missing.
std::vector<std::string> FoldersIn(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Each file below a folder is a name (its path) and a value (its text).
Result<std::map<std::string, std::string>> ReadPairs(const fs::path& folder) {
  std::map<std::string, std::string> pairs;
  if (!Exists(folder)) return pairs;
  ROOST_ASSIGN(const auto files, ListTree(folder));
  for (const TreeEntry& file : files) {
    ROOST_ASSIGN(std::string text, ReadFile(folder / file.path));
    pairs.emplace(CleanText(file.path), CleanText(std::move(text)));
  }
  return pairs;
}

template <class Number>
bool ReadNumber(std::string_view text, Number* to) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *to);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  }
  return words;
}

Error BadLine(const fs::path& file, std::string_view line) {
  return {ErrorCode::kInvalidArgument,
          file.string() + " has a line that is no point: '" + std::string(line) + "'.",
          {}};
}

// "<milliseconds> <value> <step>", and of old releases without a step.
Result<spec::MetricPoint> ReadPoint(const std::vector<std::string_view>& words,
                                    const fs::path& file, std::string_view line) {
  spec::MetricPoint point;
  std::int64_t time = 0;
  const bool good = words.size() >= 2 && ReadNumber(words[0], &time) &&
                    ReadNumber(words[1], &point.value) &&
                    (words.size() < 3 || ReadNumber(words[2], &point.step));
  if (!good) return Fail(BadLine(file, line));
  point.time = FromMilliseconds(time);
  return point;
}

Status EachLine(const fs::path& file, const std::function<Status(std::string_view)>& take) {
  ROOST_ASSIGN(const std::string text, ReadFile(file, std::uint64_t{4} << 30));
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) ROOST_TRY(take(line));
  }
  return {};
}

spec::RunState StateOfNumber(std::int64_t status) {
  using enum spec::RunState;
  constexpr spec::RunState states[] = {kRunning, kNotStarted, kCompleted, kFailed, kCanceled};
  return status >= 1 && status <= 5 ? states[status - 1] : kRunning;
}

std::string ModelStatus(std::int64_t status) {
  constexpr const char* names[] = {"UNSPECIFIED", "PENDING", "READY", "UPLOAD_FAILED"};
  return status >= 0 && status <= 3 ? names[status] : names[0];
}

class FolderSource : public Source {
 public:
  FolderSource(fs::path folder, fs::path artifacts)
      : folder_(std::move(folder)), files_(folder_, std::move(artifacts)) {}

  Result<std::vector<Experiment>> Experiments() override {
    std::vector<Experiment> experiments;
    for (const fs::path& root : {folder_, folder_ / ".trash"}) {
      for (const std::string& name : FoldersIn(root)) {
        if (name == ".trash" || (name == kModelsFolder && root == folder_)) continue;
        if (!Exists(root / name / kMeta)) {
          notes_.push_back((root / name).string() + " has no meta.yaml, so it is no experiment.");
          continue;
        }
        ROOST_ASSIGN(experiments.emplace_back(), ReadExperiment(root / name));
        folders_[experiments.back().id] = root / name;
      }
    }
    return experiments;
  }

  Status Runs(const Experiment& experiment,
              const std::function<Status(std::vector<Run>)>& take) override {
    const fs::path folder = folders_[experiment.id];
    std::vector<Run> heads;
    for (const std::string& name : FoldersIn(folder)) {
      if (!Exists(folder / name / kMeta)) continue;
      auto run = ReadHead(folder / name, experiment);
      if (run) {
        heads.push_back(std::move(*run));
      } else {
        notes_.push_back(run.error().message);
      }
    }
    std::sort(heads.begin(), heads.end(), [](const Run& a, const Run& b) {
      return std::tie(a.run.started_at, a.run.id) < std::tie(b.run.started_at, b.run.id);
    });
    for (std::size_t first = 0; first < heads.size(); first += kRunsAtOnce) {
      std::vector<Run> group;
      for (std::size_t i = first; i < std::min(heads.size(), first + kRunsAtOnce); ++i) {
        ROOST_TRY(ReadRest(folder / heads[i].run.id, folder, &heads[i].run));
        group.push_back(std::move(heads[i]));
      }
      ROOST_TRY(take(std::move(group)));
    }
    return {};
  }

  Status ReadPoints(std::span<Run* const> runs) override {
    for (Run* const run : runs) {
      const fs::path folder = folders_[run->files.experiment_id] / run->run.id / "metrics";
      run->run.series.clear();
      if (!Exists(folder)) continue;
      ROOST_ASSIGN(const auto files, ListTree(folder));
      for (const TreeEntry& file : files) {
        spec::ImportedSeries series{CleanText(file.path), 0, {}};
        const fs::path path = folder / file.path;
        ROOST_TRY(EachLine(path, [&](std::string_view line) -> Status {
          ROOST_ASSIGN(series.points.emplace_back(), ReadPoint(Words(line), path, line));
          return {};
        }));
        SortHistory(&series.points);
        if (!series.points.empty()) run->run.series.push_back(std::move(series));
      }
    }
    return {};
  }

  Result<std::vector<LoggedModel>> LoggedModels(
      const std::vector<Experiment>& experiments) override {
    std::vector<LoggedModel> models;
    for (const Experiment& experiment : experiments) {
      const fs::path root = folders_[experiment.id] / kModelsFolder;
      for (const std::string& name : FoldersIn(root)) {
        if (!Exists(root / name / kMeta)) continue;
        ROOST_ASSIGN(models.emplace_back(), ReadLoggedModel(root / name, experiment));
      }
    }
    return models;
  }

  Result<std::vector<RegisteredModel>> Models() override {
    std::vector<RegisteredModel> models;
    const fs::path root = folder_ / kModelsFolder;
    for (const std::string& name : FoldersIn(root)) {
      if (!Exists(root / name / kMeta)) continue;
      ROOST_ASSIGN(models.emplace_back(), ReadModel(root / name));
    }
    return models;
  }

  bool StaysThere(const std::string& location) const override {
    return LocalFiles::StaysThere(location);
  }
  std::vector<FileList> ListFiles(std::span<const Owner> owners) override {
    return files_.List(owners);
  }
  std::vector<Result<fs::path>> GetFiles(std::span<const WantedFile> files,
                                         const fs::path&) override {
    return files_.Get(files);
  }
  std::vector<std::string> Notes() const override { return notes_; }

 private:
  Result<Experiment> ReadExperiment(const fs::path& folder) {
    ROOST_ASSIGN(const Meta meta, Meta::Read(folder / kMeta));
    Experiment experiment;
    experiment.id = meta.Text("experiment_id");
    if (experiment.id.empty()) experiment.id = folder.filename().string();
    experiment.name = meta.Text("name");
    experiment.artifact_location = meta.Text("artifact_location");
    experiment.deleted = meta.Text("lifecycle_stage") == "deleted";
    experiment.created_at = meta.Time("creation_time");
    experiment.updated_at = meta.Time("last_update_time");
    ROOST_ASSIGN(auto tags, ReadPairs(folder / "tags"));
    TakeExperimentTags(std::move(tags), &experiment);
    return experiment;
  }

  Result<Run> ReadHead(const fs::path& folder, const Experiment& experiment) {
    ROOST_ASSIGN(const Meta meta, Meta::Read(folder / kMeta));
    Run run;
    run.run.id = folder.filename().string();
    run.run.name = meta.Text("run_name");
    run.run.user_id = meta.Text("user_id");
    run.run.state = StateOfNumber(meta.Int("status"));
    run.run.started_at = meta.Time("start_time");
    run.run.ended_at = meta.Time("end_time");
    run.run.deleted = meta.Text("lifecycle_stage") == "deleted";
    run.files = {Owner::Kind::kRun, run.run.id, experiment.id, meta.Text("artifact_uri")};
    return run;
  }

  Status ReadRest(const fs::path& folder, const fs::path& experiment, spec::ImportedRun* run) {
    ROOST_ASSIGN(auto tags, ReadPairs(folder / "tags"));
    TakeRunTags(std::move(tags), run);
    ROOST_ASSIGN(run->params, ReadPairs(folder / "params"));
    for (const std::string& name : FoldersIn(folder / "inputs")) {
      ROOST_ASSIGN(const Meta meta, Meta::Read(folder / "inputs" / name / kMeta));
      if (meta.Text("source_type") == "DATASET") {
        const fs::path file = experiment / "datasets" / meta.Text("source_id") / kMeta;
        ROOST_ASSIGN(const Meta data, Meta::Read(file));
        run->datasets.push_back({data.Text("name"), data.Text("digest"), data.Text("source_type"),
                                 data.Text("source"), data.OptionalText("schema"),
                                 data.OptionalText("profile"), meta.Map("tags")});
      } else {
        run->models_in.push_back({meta.Text("source_id"), meta.Int("step")});
      }
    }
    for (const std::string& name : FoldersIn(folder / "outputs")) {
      ROOST_ASSIGN(const Meta meta, Meta::Read(folder / "outputs" / name / kMeta));
      run->models_out.push_back({meta.Text("destination_id"), meta.Int("step")});
    }
    return {};
  }

  Result<LoggedModel> ReadLoggedModel(const fs::path& folder, const Experiment& experiment) {
    ROOST_ASSIGN(const Meta meta, Meta::Read(folder / kMeta));
    LoggedModel model;
    model.files = {Owner::Kind::kModel, folder.filename().string(), experiment.id,
                   meta.Text("artifact_location")};
    model.name = meta.Text("name");
    model.status = ModelStatus(meta.Int("status"));
    model.status_message = meta.Text("status_message");
    model.model_type = meta.Text("model_type");
    model.source_run_id = meta.Text("source_run_id");
    model.deleted = meta.Text("lifecycle_stage") == "deleted";
    model.created_at = meta.Time("creation_timestamp");
    model.updated_at = meta.Time("last_updated_timestamp");
    ROOST_ASSIGN(model.tags, ReadPairs(folder / "tags"));
    ROOST_ASSIGN(model.params, ReadPairs(folder / "params"));
    ROOST_TRY(ReadModelPoints(folder / "metrics", &model.metrics));
    return model;
  }

  // "<milliseconds> <value> <step> <run id> [<dataset's name> <its digest>]".
  Status ReadModelPoints(const fs::path& folder, std::vector<ModelPoint>* points) {
    if (!Exists(folder)) return {};
    ROOST_ASSIGN(const auto files, ListTree(folder));
    for (const TreeEntry& file : files) {
      const fs::path path = folder / file.path;
      ROOST_TRY(EachLine(path, [&](std::string_view line) -> Status {
        const auto words = Words(line);
        if (words.size() < 4) return Fail(BadLine(path, line));
        ModelPoint point;
        point.name = CleanText(file.path);
        ROOST_ASSIGN(point.point, ReadPoint(words, path, line));
        point.run_id = words[3];
        if (words.size() >= 6) {
          // Names of datasets may have blanks, digests have none.
          point.dataset_digest = words.back();
          const char* const begin = words[4].data();
          point.dataset_name =
              CleanText({begin, static_cast<std::size_t>(words.back().data() - begin - 1)});
        }
        points->push_back(std::move(point));
        return {};
      }));
    }
    return {};
  }

  Result<RegisteredModel> ReadModel(const fs::path& folder) {
    ROOST_ASSIGN(const Meta meta, Meta::Read(folder / kMeta));
    RegisteredModel model;
    model.name = meta.Text("name");
    model.description = meta.Text("description");
    model.created_at = meta.Time("creation_timestamp");
    model.updated_at = meta.Time("last_updated_timestamp");
    ROOST_ASSIGN(model.tags, ReadPairs(folder / "tags"));
    ROOST_ASSIGN(const auto aliases, ReadPairs(folder / "aliases"));
    for (const auto& [alias, text] : aliases) {
      std::int64_t version = 0;
      if (ReadNumber(std::string_view(text), &version)) model.aliases.emplace(alias, version);
    }
    for (const std::string& name : FoldersIn(folder)) {
      if (!name.starts_with("version-") || !Exists(folder / name / kMeta)) continue;
      ROOST_TRY(ReadVersion(folder / name, &model));
    }
    std::sort(model.versions.begin(), model.versions.end(),
              [](const Version& a, const Version& b) { return a.version < b.version; });
    return model;
  }

  Status ReadVersion(const fs::path& folder, RegisteredModel* model) {
    ROOST_ASSIGN(const Meta meta, Meta::Read(folder / kMeta));
    Version version;
    version.stage = meta.Text("current_stage");
    if (version.stage == kDeletedVersion) return {};
    if (version.stage.empty()) version.stage = "None";
    version.version = meta.Int("version");
    version.description = meta.Text("description");
    version.source = meta.Text("source");
    version.location = meta.Text("storage_location");
    version.run_id = meta.Text("run_id");
    version.run_link = meta.Text("run_link");
    version.model_id = meta.Text("model_id");
    version.user_id = meta.Text("user_id");
    version.created_at = meta.Time("creation_timestamp");
    version.updated_at = meta.Time("last_updated_timestamp");
    ROOST_ASSIGN(version.tags, ReadPairs(folder / "tags"));
    model->versions.push_back(std::move(version));
    return {};
  }

  const fs::path folder_;
  const LocalFiles files_;
  std::map<std::string, fs::path> folders_;  // of experiments
  std::vector<std::string> notes_;
};

bool IsStore(const fs::path& folder) {
  if (Exists(folder / "0" / kMeta) || Exists(folder / ".trash")) return true;
  const auto names = FoldersIn(folder);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return Exists(folder / name / kMeta); });
}

}  // namespace

Result<std::unique_ptr<Source>> OpenFolderSource(const fs::path& folder,
                                                 const fs::path& artifacts) {
  if (IsStore(folder)) return std::make_unique<FolderSource>(folder, artifacts);
  const fs::path inner = folder / "mlruns";
  if (Exists(folder / "mlflow.db")) {
    return OpenSource({(folder / "mlflow.db").string(), artifacts.string()});
  }
  if (IsStore(inner)) return std::make_unique<FolderSource>(inner, artifacts);
  return Fail(
      ErrorCode::kInvalidArgument,
      folder.string() + " is no folder of MLflow's: it has no experiments with a meta.yaml.");
}

}  // namespace roost::cli::mlflow
