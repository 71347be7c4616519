#include "cli/mlflow/wire.h"

#include <nlohmann/json.hpp>

#include "spec/model_source.h"

namespace roost::cli::mlflow {
namespace {

using nlohmann::json;

// Any address of files by MLflow's layout, whatever it begins with, as one of the proxy's.
spec::ModelSource ParseLocation(const std::string& location) {
  const spec::ModelSource source = spec::ParseModelSource(location);
  if (!std::holds_alternative<spec::OtherSource>(source)) return source;
  const std::size_t scheme = location.find("://");
  const std::string path = scheme == std::string::npos ? location : location.substr(scheme + 3);
  return spec::ParseModelSource("mlflow-artifacts:/" + path);
}

// Where the server finds a version's files after the import of runs and logged models.
json FilesFrom(const Version& version) {
  for (const std::string& location : {version.source, version.location}) {
    if (location.empty()) continue;
    const spec::ModelSource from = ParseLocation(location);
    if (const auto* model = std::get_if<spec::LoggedModelSource>(&from)) {
      return {{"model_id", model->id}, {"path", model->path}};
    }
    if (const auto* run = std::get_if<spec::RunSource>(&from)) {
      return {{"run_id", run->run_id}, {"path", run->path}};
    }
  }
  return nullptr;
}

json NumberJson(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "NaN";
  return std::copysign(std::numeric_limits<double>::max(), value);
}

json ToJson(const Version& version) {
  json body = {{"version", version.version},
               {"description", version.description},
               {"source", version.source},
               {"location", version.location},
               {"run_id", version.run_id},
               {"run_link", version.run_link},
               {"logged_model_id", version.model_id},
               {"stage", version.stage},
               {"user_id", version.user_id},
               {"created_at", version.created_at},
               {"updated_at", version.updated_at},
               {"tags", version.tags}};
  if (json from = FilesFrom(version); !from.is_null()) body["files_from"] = std::move(from);
  return body;
}

}  // namespace

json ToJson(const Experiment& experiment, const Source& source) {
  const bool stays = source.StaysThere(experiment.artifact_location);
  return {{"name", experiment.name},
          {"description", experiment.description},
          {"artifact_location", stays ? experiment.artifact_location : ""},
          {"tags", experiment.tags},
          {"deleted", experiment.deleted},
          {"created_at", experiment.created_at},
          {"updated_at", experiment.updated_at}};
}

json ToJson(const LoggedModel& model) {
  json metrics = json::array();
  for (const ModelPoint& point : model.metrics) {
    metrics.push_back({{"name", point.name},
                       {"value", NumberJson(point.point.value)},
                       {"time", point.point.time},
                       {"step", point.point.step},
                       {"dataset_name", point.dataset_name},
                       {"dataset_digest", point.dataset_digest},
                       {"run_id", point.run_id}});
  }
  return {{"id", model.files.id},           {"name", model.name},
          {"status", model.status},         {"status_message", model.status_message},
          {"model_type", model.model_type}, {"source_run_id", model.source_run_id},
          {"deleted", model.deleted},       {"created_at", model.created_at},
          {"updated_at", model.updated_at}, {"tags", model.tags},
          {"params", model.params},         {"metrics", std::move(metrics)}};
}

json ToJson(const RegisteredModel& model) {
  json versions = json::array();
  for (const Version& version : model.versions) versions.push_back(ToJson(version));
  return {{"name", model.name},
          {"description", model.description},
          {"tags", model.tags},
          {"aliases", model.aliases},
          {"created_at", model.created_at},
          {"updated_at", model.updated_at},
          {"versions", std::move(versions)}};
}

}  // namespace roost::cli::mlflow
