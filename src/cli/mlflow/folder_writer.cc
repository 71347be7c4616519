#include "cli/mlflow/folder_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>

#include "base/digest.h"

namespace roost::cli::mlflow {
namespace {

constexpr const char* kMeta = "meta.yaml";
constexpr const char* kMark = ".roost-export";
constexpr const char* kRunNameTag = "mlflow.runName";
constexpr const char* kNoteTag = "mlflow.note.content";

// A mapping of plain values, every text quoted.
class Meta {
 public:
  Meta() { out_ << YAML::BeginMap; }
  Meta& Text(const char* field, const std::string& value) {
    out_ << YAML::Key << field << YAML::Value << YAML::DoubleQuoted << value;
    return *this;
  }
  // Empty: null.
  Meta& TextOrNull(const char* field, const std::string& value) {
    if (!value.empty()) return Text(field, value);
    out_ << YAML::Key << field << YAML::Value << YAML::Null;
    return *this;
  }
  Meta& Optional(const char* field, const std::optional<std::string>& value) {
    if (value) return Text(field, *value);
    out_ << YAML::Key << field << YAML::Value << YAML::Null;
    return *this;
  }
  Meta& Number(const char* field, std::int64_t value) {
    out_ << YAML::Key << field << YAML::Value << value;
    return *this;
  }
  Meta& Time(const char* field, Micros time) {
    if (time != 0) return Number(field, time == 1 ? 0 : time / 1000);
    out_ << YAML::Key << field << YAML::Value << YAML::Null;
    return *this;
  }
  Meta& Map(const char* field, const std::map<std::string, std::string>& pairs) {
    out_ << YAML::Key << field << YAML::Value << YAML::BeginMap;
    for (const auto& [key, value] : pairs) {
      out_ << YAML::Key << YAML::DoubleQuoted << key << YAML::Value << YAML::DoubleQuoted << value;
    }
    out_ << YAML::EndMap;
    return *this;
  }
  Status WriteTo(const fs::path& folder) {
    ROOST_TRY(MakeFolders(folder));
    out_ << YAML::EndMap;
    return WriteFileAtomic(folder / kMeta, std::string(out_.c_str()) + "\n");
  }

 private:
  YAML::Emitter out_;
};

Status WriteText(const fs::path& file, std::string_view text) {
  ROOST_TRY(MakeFolders(file.parent_path()));
  ROOST_ASSIGN(const Fd fd, OpenFile(file, O_WRONLY | O_CREAT | O_TRUNC));
  return WriteAll(fd.get(), text, file);
}

std::string FormatValue(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  return fmt::format("{}", value);
}

std::int64_t Milliseconds(Micros time) { return time == 1 ? 0 : time / 1000; }

std::string Line(const spec::MetricPoint& point) {
  return fmt::format("{} {} {}", Milliseconds(point.time), FormatValue(point.value), point.step);
}

int StatusNumber(spec::RunState state) {
  switch (state) {
    case spec::RunState::kNotStarted:
      return 2;
    case spec::RunState::kCompleted:
      return 3;
    case spec::RunState::kFailed:
      return 4;
    case spec::RunState::kCanceled:
      return 5;
    default:
      return 1;
  }
}

int ModelStatusNumber(const std::string& status) {
  if (status == "PENDING") return 1;
  if (status == "READY") return 2;
  return status == "UPLOAD_FAILED" ? 3 : 0;
}

std::string IdOf(const std::string& text) { return DigestOf(text).Hex().substr(0, 32); }

bool IsEmptyFolder(const fs::path& folder) {
  std::error_code error;
  return fs::directory_iterator(folder, error) == fs::directory_iterator();
}

std::map<std::string, std::string> AllTags(const spec::ImportedRun& run) {
  auto tags = run.tags;
  if (!run.name.empty()) tags[kRunNameTag] = run.name;
  if (!run.description.empty()) tags[kNoteTag] = run.description;
  if (!run.parent_id.empty()) tags[spec::kImportedParentTag] = run.parent_id;
  return tags;
}

const char* StageOf(bool deleted) { return deleted ? "deleted" : "active"; }

}  // namespace

Status FolderWriter::Begin() {
  ROOST_TRY(MakeFolders(folder_));
  std::error_code error;
  if (!fs::exists(folder_ / kMark, error)) {
    if (!IsEmptyFolder(folder_)) {
      return Fail(ErrorCode::kConflict,
                  folder_.string() +
                      " is not empty. Name a new folder, or one that an earlier "
                      "export was writing.");
    }
    ROOST_TRY(WriteText(folder_ / kMark, "This folder is written by `roost export mlflow`.\n"));
  }
  return MakeFolders(folder_ / ".trash");
}

fs::path FolderWriter::PlaceOf(const Experiment& experiment) const {
  return experiment.deleted ? folder_ / ".trash" / experiment.id : folder_ / experiment.id;
}

fs::path FolderWriter::FilesOf(const Experiment& experiment, const Owner& owner) const {
  fs::path place = PlaceOf(experiment);
  if (owner.kind == Owner::Kind::kModel) place /= "models";
  return place / owner.id / "artifacts";
}

fs::path FolderWriter::FilesOf(const RegisteredModel& model, const Version& version) const {
  return folder_ / "models" / model.name / fmt::format("version-{}", version.version) / "files";
}

bool FolderWriter::HasRun(const Experiment& experiment, const std::string& id) const {
  std::error_code error;
  return fs::exists(PlaceOf(experiment) / id / kMeta, error);
}

Status FolderWriter::Write(const Experiment& experiment) {
  const fs::path place = PlaceOf(experiment);
  auto tags = experiment.tags;
  if (!experiment.description.empty()) tags[kNoteTag] = experiment.description;
  ROOST_TRY(WritePairs(place / "tags", tags));
  return Meta()
      .Text("artifact_location", place.string())
      .Time("creation_time", experiment.created_at)
      .Text("experiment_id", experiment.id)
      .Time("last_update_time", experiment.updated_at)
      .Text("lifecycle_stage", StageOf(experiment.deleted))
      .Text("name", experiment.name)
      .WriteTo(place);
}

Status FolderWriter::Write(const Experiment& experiment, const Run& run) {
  const spec::ImportedRun& head = run.run;
  const fs::path place = PlaceOf(experiment) / head.id;
  for (const char* name : {"params", "metrics", "tags", "artifacts"}) {
    ROOST_TRY(MakeFolders(place / name));
  }
  ROOST_TRY(WritePairs(place / "params", head.params));
  ROOST_TRY(WritePairs(place / "tags", AllTags(head)));
  for (const spec::ImportedSeries& series : head.series) {
    std::string lines;
    for (const spec::MetricPoint& point : series.points) lines += Line(point) + "\n";
    ROOST_TRY(WriteNamed(place / "metrics", series.name, lines));
  }
  ROOST_TRY(WriteInputs(experiment, place, head));
  return Meta()
      .Text("artifact_uri", (place / "artifacts").string())
      .Time("end_time", head.ended_at)
      .Text("entry_point_name", "")
      .Text("experiment_id", experiment.id)
      .Text("lifecycle_stage", StageOf(head.deleted))
      .Text("run_id", head.id)
      .Text("run_name", head.name)
      .Text("source_name", "")
      .Number("source_type", 4)  // unknown; the tags say where it comes from
      .Text("source_version", "")
      .Time("start_time", head.started_at)
      .Number("status", StatusNumber(head.state))
      .Text("user_id", head.user_id)
      .WriteTo(place);
}

Status FolderWriter::WriteInputs(const Experiment& experiment, const fs::path& place,
                                 const spec::ImportedRun& run) {
  for (const spec::ImportedDataset& dataset : run.datasets) {
    const std::string id = IdOf(dataset.name + "\n" + dataset.digest);
    ROOST_TRY(Meta()
                  .Text("digest", dataset.digest)
                  .Text("name", dataset.name)
                  .Optional("profile", dataset.profile)
                  .Optional("schema", dataset.schema)
                  .Text("source", dataset.source)
                  .Text("source_type", dataset.source_type)
                  .WriteTo(PlaceOf(experiment) / "datasets" / id));
    ROOST_TRY(Meta()
                  .Text("destination_id", run.id)
                  .Text("destination_type", "RUN")
                  .Text("source_id", id)
                  .Text("source_type", "DATASET")
                  .Map("tags", dataset.tags)
                  .WriteTo(place / "inputs" / IdOf(id + run.id)));
  }
  for (const spec::ImportedModelLink& link : run.models_in) {
    ROOST_TRY(Meta()
                  .Text("destination_id", link.model_id)
                  .Text("destination_type", "MODEL_INPUT")
                  .Text("source_id", link.model_id)
                  .Text("source_type", "RUN_INPUT")
                  .Map("tags", {})
                  .WriteTo(place / "inputs" / IdOf(link.model_id + run.id)));
  }
  for (const spec::ImportedModelLink& link : run.models_out) {
    ROOST_TRY(Meta()
                  .Text("destination_id", link.model_id)
                  .Text("destination_type", "MODEL_OUTPUT")
                  .Text("source_id", link.model_id)
                  .Text("source_type", "RUN_OUTPUT")
                  .Number("step", link.step)
                  .Map("tags", {})
                  .WriteTo(place / "outputs" / link.model_id));
  }
  return {};
}

Status FolderWriter::Write(const Experiment& experiment, const LoggedModel& model) {
  const fs::path place = PlaceOf(experiment) / "models" / model.files.id;
  ROOST_TRY(WritePairs(place / "tags", model.tags));
  ROOST_TRY(WritePairs(place / "params", model.params));
  std::map<std::string, std::string> lines;
  for (const ModelPoint& point : model.metrics) {
    std::string& text = lines[point.name];
    text += Line(point.point) + " " + point.run_id;
    if (!point.dataset_name.empty()) text += " " + point.dataset_name + " " + point.dataset_digest;
    text += "\n";
  }
  for (const auto& [name, text] : lines) ROOST_TRY(WriteNamed(place / "metrics", name, text));
  return Meta()
      .Text("artifact_location", (place / "artifacts").string())
      .Time("creation_timestamp", model.created_at)
      .Text("experiment_id", experiment.id)
      .Time("last_updated_timestamp", model.updated_at)
      .Text("model_id", model.files.id)
      .TextOrNull("model_type", model.model_type)
      .Text("name", model.name)
      .TextOrNull("source_run_id", model.source_run_id)
      .Number("status", ModelStatusNumber(model.status))
      .TextOrNull("status_message", model.status_message)
      .WriteTo(place);
}

Status FolderWriter::Write(const RegisteredModel& model, const std::vector<std::string>& places) {
  const fs::path folder = folder_ / "models" / model.name;
  for (std::size_t i = 0; i < model.versions.size(); ++i) {
    const Version& version = model.versions[i];
    const fs::path place = folder / fmt::format("version-{}", version.version);
    ROOST_TRY(WritePairs(place / "tags", version.tags));
    ROOST_TRY(Meta()
                  .Time("creation_timestamp", version.created_at)
                  .Text("current_stage", version.stage)
                  .Text("description", version.description)
                  .Time("last_updated_timestamp", version.updated_at)
                  .TextOrNull("model_id", version.model_id)
                  .Text("name", model.name)
                  .TextOrNull("run_id", version.run_id)
                  .TextOrNull("run_link", version.run_link)
                  .Text("source", version.source)
                  .Text("status", "READY")
                  .TextOrNull("status_message", "")
                  .TextOrNull("storage_location", places[i])
                  .TextOrNull("user_id", version.user_id)
                  .Number("version", version.version)
                  .WriteTo(place));
  }
  ROOST_TRY(WritePairs(folder / "tags", model.tags));
  std::map<std::string, std::string> aliases;
  for (const auto& [alias, version] : model.aliases) aliases[alias] = std::to_string(version);
  ROOST_TRY(WritePairs(folder / "aliases", aliases));
  return Meta()
      .Map("aliases", aliases)
      .Time("creation_timestamp", model.created_at)
      .Text("description", model.description)
      .Time("last_updated_timestamp", model.updated_at)
      .Text("name", model.name)
      .WriteTo(folder);
}

Status FolderWriter::WritePairs(const fs::path& folder,
                                const std::map<std::string, std::string>& pairs) {
  for (const auto& [name, value] : pairs) ROOST_TRY(WriteNamed(folder, name, value));
  return {};
}

Status FolderWriter::WriteNamed(const fs::path& folder, const std::string& name,
                                const std::string& text) {
  std::error_code error;
  const fs::path file = folder / name;
  if (!IsSafeRelativePath(name) || fs::is_directory(file, error)) {
    left_out_.push_back("'" + name + "' can be no name of a file, so " + folder.string() +
                        " is without it.");
    return {};
  }
  return WriteText(file, text);
}

}  // namespace roost::cli::mlflow
