#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/mlflow/logged_model_objects.h"
#include "api/mlflow/objects.h"
#include "engine/register.h"
#include "spec/imported_run.h"
#include "spec/text.h"
#include "store/model_import.h"
#include "store/run_import.h"

// What comes from another tracking server: experiments, runs with their histories, models, files.
// Each call may be repeated; an item that is refused says so in its place and stops no other.
namespace roost::api {
namespace {

using spec::JsonReader;

constexpr std::size_t kMostItems = 1000;
constexpr std::size_t kMostFiles = 20'000;
constexpr std::size_t kMaxText = 64 << 20;
// From 1970 to the end of 9999, which is what a time can be written as.
constexpr Micros kLatestTime = 253'402'300'799'999'999;

// The list `field` of the body, which holds nothing else.
Result<Json> ReadItems(const Request& request, const std::string& field) {
  ROOST_ASSIGN(Json body, ReadJsonObject(request));
  JsonReader reader(body);
  const Json* items = reader.Any(field);
  if (items == nullptr || !items->is_array()) {
    reader.AddProblem(field, "must be a list");
  } else if (items->size() > kMostItems) {
    reader.AddProblem(field, "may have at most " + std::to_string(kMostItems) + " items");
  }
  ROOST_TRY(reader.Finish("The import is not valid"));
  return *items;
}

std::string ItemPath(const std::string& field, std::size_t index) {
  return field + "[" + std::to_string(index) + "].";
}

Json ErrorJson(const Error& error) {
  return {{"code", ToString(error.code)}, {"message", error.message}};
}

Response Items(Json items) { return JsonResponse(200, {{"items", std::move(items)}}); }

void ReadTime(JsonReader& reader, std::string_view field, Micros* to) {
  reader.Integer(field, to, 0, kLatestTime);
}

void ReadLongText(JsonReader& reader, std::string_view field, std::string* to) {
  reader.String(field, to, {.max_length = kMaxText});
}

Result<store::ImportedExperiment> ReadExperiment(const Json& json, const std::string& path) {
  JsonReader reader(json, path);
  store::ImportedExperiment experiment;
  reader.String("name", &experiment.name, {.required = true, .may_be_empty = false});
  ReadLongText(reader, "description", &experiment.description);
  reader.String("artifact_location", &experiment.artifact_location);
  reader.StringMap("tags", &experiment.tags);
  reader.Bool("deleted", &experiment.deleted);
  ReadTime(reader, "created_at", &experiment.created_at);
  ReadTime(reader, "updated_at", &experiment.updated_at);
  ROOST_TRY(reader.Finish("The experiment is not valid"));
  return experiment;
}

Json SeriesJson(const std::vector<store::MetricSummary>& series) {
  Json json = Json::array();
  for (const store::MetricSummary& summary : series) {
    json.push_back({{"name", summary.name},
                    {"count", summary.count},
                    {"last_value", NumberJson(summary.last.value)},
                    {"last_step", summary.last.step},
                    {"last_time", summary.last.time}});
  }
  return json;
}

Json KeptJson(const std::string& id, const store::KeptRun& kept) {
  return {{"id", id},
          {"digest", kept.digest.ToText()},
          {"params", kept.params},
          {"tags", kept.tags},
          {"points", kept.points},
          {"series", SeriesJson(kept.series)},
          {"files", kept.files},
          {"files_digest", kept.files_digest.ToText()}};
}

// The files of one run or one logged model.
struct FileGroup {
  std::string run_id;
  std::string model_id;
  std::vector<store::Artifact> files;
};

void ReadFileItem(JsonReader& reader, store::Artifact* file) {
  if (reader.String("path", &file->path, {.required = true})) {
    if (auto checked = CheckFilePath(file->path); !checked) {
      reader.AddProblem("path", checked.error().message);
    }
  }
  std::string digest;
  if (reader.String("digest", &digest, {.required = true})) {
    if (const auto parsed = Digest::Parse(digest)) {
      file->digest = *parsed;
    } else {
      reader.AddProblem("digest", "must be b2: and 64 hex digits");
    }
  }
  std::int64_t size = 0;
  reader.Integer("size", &size, 0, std::numeric_limits<std::int64_t>::max());
  file->size = static_cast<std::uint64_t>(size);
  ReadTime(reader, "created_at", &file->created_at);
}

Result<FileGroup> ReadFileGroup(const Json& json, const std::string& path) {
  JsonReader reader(json, path);
  FileGroup group;
  reader.String("run_id", &group.run_id);
  reader.String("model_id", &group.model_id);
  if (group.run_id.empty() == group.model_id.empty()) {
    reader.AddProblem("run_id", "or `model_id` must be given, one of them");
  }
  reader.Objects("files",
                 [&](JsonReader& item) { ReadFileItem(item, &group.files.emplace_back()); });
  if (group.files.size() > kMostFiles) {
    reader.AddProblem("files", "may have at most " + std::to_string(kMostFiles) + " items");
  }
  ROOST_TRY(reader.Finish("The list of files is not valid"));
  return group;
}

Result<store::RunImport::AddedFiles> AddGroup(Services& services, const FileGroup& group) {
  if (!group.run_id.empty()) return services.store.run_import().AddFiles(group.run_id, group.files);
  std::vector<store::LoggedModelFile> files;
  for (const store::Artifact& file : group.files) {
    files.push_back({file.path, file.digest, file.size, file.created_at});
  }
  return services.store.model_import().AddFiles(group.model_id, files);
}

std::optional<store::LoggedModelStatus> ParseStatus(std::string_view text) {
  using enum store::LoggedModelStatus;
  for (const auto status : {kUnspecified, kPending, kReady, kUploadFailed}) {
    if (store::ToString(status) == text) return status;
  }
  return std::nullopt;
}

void ReadModelPoint(JsonReader& reader, store::LoggedModelPoint* point) {
  reader.String("name", &point->name, {.required = true});
  const Json* value = reader.Any("value");
  if (value != nullptr && value->is_number()) {
    point->value = value->get<double>();
  } else if (value != nullptr && *value == "NaN") {
    point->value = std::numeric_limits<double>::quiet_NaN();
  } else {
    reader.AddProblem("value", "must be a number or \"NaN\"");
  }
  reader.Integer("time", &point->time, std::numeric_limits<std::int64_t>::min(),
                 std::numeric_limits<std::int64_t>::max());
  reader.Integer("step", &point->step, std::numeric_limits<std::int64_t>::min() + 1,
                 std::numeric_limits<std::int64_t>::max());
  reader.String("dataset_name", &point->dataset_name);
  reader.String("dataset_digest", &point->dataset_digest);
  reader.String("run_id", &point->run_id, {.required = true});
}

void ReadExperimentId(JsonReader& reader, ExperimentId* to) {
  std::string text;
  if (!reader.String("experiment_id", &text, {.required = true})) return;
  const bool digits = !text.empty() && text.size() < 19 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  if (digits) *to = ExperimentId(std::stoll(text));
  if (!digits) reader.AddProblem("experiment_id", "must be a whole number as a text");
}

Result<store::LoggedModel> ReadLoggedModel(const Json& json, const std::string& path) {
  JsonReader reader(json, path);
  store::LoggedModel model;
  reader.String("id", &model.id, {.required = true, .max_length = 256, .may_be_empty = false});
  ReadExperimentId(reader, &model.experiment);
  ReadLongText(reader, "name", &model.name);
  std::string status;
  if (reader.String("status", &status, {.required = true})) {
    const auto parsed = ParseStatus(status);
    if (parsed) model.status = *parsed;
    if (!parsed) {
      reader.AddProblem("status", "must be one of UNSPECIFIED, PENDING, READY and UPLOAD_FAILED");
    }
  }
  ReadLongText(reader, "status_message", &model.status_message);
  ReadLongText(reader, "model_type", &model.model_type);
  reader.String("source_run_id", &model.source_run_id);
  bool deleted = false;
  reader.Bool("deleted", &deleted);
  model.lifecycle = deleted ? spec::Lifecycle::kDeleted : spec::Lifecycle::kActive;
  ReadTime(reader, "created_at", &model.created_at);
  ReadTime(reader, "updated_at", &model.updated_at);
  reader.StringMap("tags", &model.tags);
  reader.StringMap("params", &model.params);
  reader.Objects("metrics",
                 [&](JsonReader& item) { ReadModelPoint(item, &model.metrics.emplace_back()); });
  ROOST_TRY(reader.Finish("The logged model is not valid"));
  return model;
}

// Where a version's files lie here, if they do.
struct FilesFrom {
  std::string run_id;
  std::string model_id;
  std::string path;
};

void ReadVersion(JsonReader& reader, store::ModelVersion* version, FilesFrom* from) {
  reader.Integer("version", &version->version, 1, std::numeric_limits<std::int64_t>::max());
  if (version->version == 0) reader.AddProblem("version", "is required");
  ReadLongText(reader, "description", &version->description);
  ReadLongText(reader, "source", &version->source);
  ReadLongText(reader, "location", &version->location);
  reader.String("run_id", &version->run_id);
  ReadLongText(reader, "run_link", &version->run_link);
  reader.String("logged_model_id", &version->logged_model_id);
  ReadLongText(reader, "user_id", &version->submitter);
  std::string stage;
  if (reader.String("stage", &stage)) {
    const auto parsed = spec::ParseModelStage(stage);
    if (parsed) version->stage = *parsed;
    if (!parsed) {
      reader.AddProblem("stage", "must be one of None, Staging, Production and Archived");
    }
  }
  ReadTime(reader, "created_at", &version->created_at);
  ReadTime(reader, "updated_at", &version->updated_at);
  reader.StringMap("tags", &version->tags);
  reader.Object("files_from", [&](JsonReader& item) {
    item.String("run_id", &from->run_id);
    item.String("model_id", &from->model_id);
    item.String("path", &from->path);
  });
}

void ReadAliases(JsonReader& reader, std::map<std::string, std::int64_t>* aliases) {
  const Json* json = reader.Any("aliases");
  if (json == nullptr) return;
  if (!json->is_object()) return reader.AddProblem("aliases", "must be an object");
  for (const auto& [alias, version] : json->items()) {
    if (version.is_number_integer()) {
      aliases->emplace(alias, version.get<std::int64_t>());
    } else {
      reader.AddProblem("aliases", "must be an object of whole numbers");
    }
  }
}

struct ReadModelItem {
  store::ImportedModel model;
  std::vector<FilesFrom> from;  // of its versions
};

Result<ReadModelItem> ReadModel(const Json& json, const std::string& path) {
  JsonReader reader(json, path);
  ReadModelItem item;
  store::ImportedModel& model = item.model;
  reader.String("name", &model.name, {.required = true, .may_be_empty = false});
  if (spec::HasControlCharacters(model.name)) {
    reader.AddProblem("name", "must have no control characters");
  }
  ReadLongText(reader, "description", &model.description);
  reader.StringMap("tags", &model.tags);
  ReadAliases(reader, &model.aliases);
  ReadTime(reader, "created_at", &model.created_at);
  ReadTime(reader, "updated_at", &model.updated_at);
  reader.Objects("versions", [&](JsonReader& version) {
    ReadVersion(version, &model.versions.emplace_back().version, &item.from.emplace_back());
  });
  ROOST_TRY(reader.Finish("The model is not valid"));
  for (store::ImportedVersion& version : model.versions) version.version.name = model.name;
  return item;
}

std::string Join(const std::string& uri, const std::string& path) {
  return path.empty() ? uri : uri + "/" + path;
}

Status TakeModelFiles(Services& services, const FilesFrom& from, store::ImportedVersion* version) {
  const auto model =
      services.store.logged_models().Get(from.model_id, store::LoggedModels::Deleted::kShown);
  if (!model && model.error().code == ErrorCode::kNotFound) return {};
  ROOST_TRY(model);
  const std::string prefix = from.path.empty() ? "" : from.path + "/";
  ROOST_ASSIGN(const auto files,
               services.store.logged_models().ListFiles(model->id, prefix, "", INT32_MAX));
  for (const store::LoggedModelFile& file : files) {
    version->files.push_back({file.path.substr(prefix.size()), file.digest, file.size});
  }
  if (files.empty()) return {};
  ROOST_ASSIGN(const std::string uri, mlflow::LoggedModelUri(services, *model));
  version->version.location = Join(uri, from.path);
  return {};
}

Status TakeRunFiles(Services& services, const FilesFrom& from, store::ImportedVersion* version) {
  const auto run = services.store.runs().Get(RunId(from.run_id));
  if (!run && run.error().code == ErrorCode::kNotFound) return {};
  ROOST_TRY(run);
  ROOST_ASSIGN(version->files, engine::FilesOfRun(services.store, *run, from.path));
  if (!version->files.empty()) {
    version->version.location = Join(mlflow::ArtifactUriOf(*run), from.path);
  }
  return {};
}

Status TakeFiles(Services& services, ReadModelItem* item) {
  for (std::size_t i = 0; i < item->from.size(); ++i) {
    const FilesFrom& from = item->from[i];
    store::ImportedVersion* version = &item->model.versions[i];
    if (!from.model_id.empty()) {
      ROOST_TRY(TakeModelFiles(services, from, version));
    } else if (!from.run_id.empty()) {
      ROOST_TRY(TakeRunFiles(services, from, version));
    }
  }
  return {};
}

}  // namespace

Result<Response> ImportExperiments(Services& services, Request& request) {
  ROOST_ASSIGN(const Json experiments, ReadItems(request, "experiments"));
  Json items = Json::array();
  for (std::size_t i = 0; i < experiments.size(); ++i) {
    ROOST_ASSIGN(const auto experiment, ReadExperiment(experiments[i], ItemPath("experiments", i)));
    const auto placed = services.store.run_import().AddExperiment(experiment);
    if (placed) {
      items.push_back({{"name", experiment.name},
                       {"experiment_id", std::to_string(placed->experiment.id.value())},
                       {"outcome", ToString(placed->outcome)}});
    } else {
      items.push_back({{"name", experiment.name}, {"error", ErrorJson(placed.error())}});
    }
  }
  return Items(std::move(items));
}

Result<Response> ImportRuns(Services& services, Request& request) {
  ROOST_ASSIGN(const Json json, ReadItems(request, "runs"));
  std::vector<spec::ImportedRun> runs;
  for (std::size_t i = 0; i < json.size(); ++i) {
    ROOST_ASSIGN(runs.emplace_back(), spec::ParseImportedRun(json[i], ItemPath("runs", i)));
  }
  const auto outcomes = services.store.run_import().AddRuns(runs, request.token.name);
  Json items = Json::array();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (outcomes[i]) {
      items.push_back({{"id", runs[i].id}, {"outcome", ToString(*outcomes[i])}});
    } else {
      items.push_back({{"id", runs[i].id}, {"error", ErrorJson(outcomes[i].error())}});
    }
  }
  return Items(std::move(items));
}

Result<Response> LookAtImportedRuns(Services& services, Request& request) {
  ROOST_ASSIGN(const Json json, ReadItems(request, "ids"));
  std::vector<std::string> ids;
  for (const Json& id : json) {
    if (!id.is_string()) return BadField("ids", "must be a list of texts");
    ids.push_back(id.get<std::string>());
  }
  ROOST_ASSIGN(const auto kept, services.store.run_import().Look(ids));
  Json items = Json::array();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    items.push_back(kept[i] ? KeptJson(ids[i], *kept[i]) : Json(nullptr));
  }
  return Items(std::move(items));
}

Result<Response> ImportFiles(Services& services, Request& request) {
  ROOST_ASSIGN(const Json json, ReadItems(request, "owners"));
  std::vector<FileGroup> groups;
  for (std::size_t i = 0; i < json.size(); ++i) {
    ROOST_ASSIGN(groups.emplace_back(), ReadFileGroup(json[i], ItemPath("owners", i)));
  }
  std::int64_t added = 0, unchanged = 0;
  Json missing = Json::array();
  for (const FileGroup& group : groups) {
    ROOST_ASSIGN(const auto files, AddGroup(services, group));
    added += files.added;
    unchanged += files.unchanged;
    for (const Digest& digest : files.missing) missing.push_back(digest.ToText());
  }
  if (!missing.empty()) return JsonResponse(202, {{"missing", std::move(missing)}});
  return JsonResponse(
      200, {{"added", added}, {"unchanged", unchanged}, {"missing", std::move(missing)}});
}

Result<Response> ImportLoggedModels(Services& services, Request& request) {
  ROOST_ASSIGN(const Json json, ReadItems(request, "models"));
  Json items = Json::array();
  for (std::size_t i = 0; i < json.size(); ++i) {
    ROOST_ASSIGN(const auto model, ReadLoggedModel(json[i], ItemPath("models", i)));
    const auto added = services.store.model_import().AddLoggedModel(model);
    if (added) {
      items.push_back({{"id", model.id},
                       {"outcome", ToString(added->outcome)},
                       {"points_left_out", added->points_left_out}});
    } else {
      items.push_back({{"id", model.id}, {"error", ErrorJson(added.error())}});
    }
  }
  return Items(std::move(items));
}

Result<Response> ImportModels(Services& services, Request& request) {
  ROOST_ASSIGN(const Json json, ReadItems(request, "models"));
  Json items = Json::array();
  for (std::size_t i = 0; i < json.size(); ++i) {
    ROOST_ASSIGN(ReadModelItem item, ReadModel(json[i], ItemPath("models", i)));
    ROOST_TRY(TakeFiles(services, &item));
    const auto outcome = services.store.model_import().AddModel(item.model, request.token.name);
    if (outcome) {
      items.push_back({{"name", item.model.name}, {"outcome", ToString(*outcome)}});
    } else {
      items.push_back({{"name", item.model.name}, {"error", ErrorJson(outcome.error())}});
    }
  }
  return Items(std::move(items));
}

}  // namespace roost::api
