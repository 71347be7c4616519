#include "api/mlflow/logged_model_objects.h"

#include "api/mlflow/objects.h"

namespace roost::api::mlflow {
namespace {

Answer PointObject(const store::LoggedModel& model, const store::LoggedModelPoint& point) {
  Answer object = {{"key", point.name},
                   {"value", NumberOf(point.value)},
                   {"timestamp", Milliseconds(point.time)},
                   {"step", point.step}};
  if (!point.dataset_name.empty()) {
    object["dataset_name"] = point.dataset_name;
    object["dataset_digest"] = point.dataset_digest;
  }
  object["model_id"] = model.id;
  object["run_id"] = point.run_id;
  return object;
}

Answer DatasetObject(const store::InputDataset& dataset) {
  Answer object = {{"name", dataset.name},
                   {"digest", dataset.digest},
                   {"source_type", dataset.source_type},
                   {"source", dataset.source}};
  if (dataset.schema) object["schema"] = *dataset.schema;
  if (dataset.profile) object["profile"] = *dataset.profile;
  return object;
}

}  // namespace

Result<store::LoggedModel> FindLoggedModel(Services& services, const std::string& id) {
  return services.store.logged_models().Get(id);
}

Result<std::string> LoggedModelUri(Services& services, const store::LoggedModel& model) {
  ROOST_ASSIGN(const store::Experiment experiment,
               services.store.experiments().Get(model.experiment));
  return BelowLocation(ArtifactLocationOf(experiment), "models/" + model.id + "/artifacts");
}

Result<Answer> LoggedModelObject(Services& services, const store::LoggedModel& model) {
  ROOST_ASSIGN(const std::string uri, LoggedModelUri(services, model));
  const std::string_view status = model.status == store::LoggedModelStatus::kUnspecified
                                      ? "STATUS_UNSPECIFIED"
                                      : store::ToString(model.status);
  Answer info = {{"model_id", model.id},
                 {"experiment_id", std::to_string(model.experiment.value())},
                 {"name", model.name},
                 {"creation_timestamp_ms", Milliseconds(model.created_at)},
                 {"last_updated_timestamp_ms", Milliseconds(model.updated_at)},
                 {"artifact_uri", uri},
                 {"status", "LOGGED_MODEL_" + std::string(status)},
                 {"model_type", model.model_type},
                 {"source_run_id", model.source_run_id}};
  if (!model.status_message.empty()) info["status_message"] = model.status_message;
  if (!model.tags.empty()) info["tags"] = PairList(model.tags);
  Answer data = Answer::object();
  if (!model.params.empty()) data["params"] = PairList(model.params);
  for (const store::LoggedModelPoint& point : model.metrics) {
    data["metrics"].push_back(PointObject(model, point));
  }
  return Answer{{"info", std::move(info)}, {"data", std::move(data)}};
}

Answer InputsObject(const store::RunLinks& links) {
  Answer inputs = Answer::object();
  for (const store::DatasetInput& input : links.datasets) {
    Answer object = Answer::object();
    if (!input.tags.empty()) object["tags"] = PairList(input.tags);
    object["dataset"] = DatasetObject(input.dataset);
    inputs["dataset_inputs"].push_back(std::move(object));
  }
  for (const store::RunModel& model : links.models_in) {
    inputs["model_inputs"].push_back({{"model_id", model.model_id}});
  }
  return inputs;
}

Answer OutputsObject(const store::RunLinks& links) {
  Answer outputs = Answer::object();
  for (const store::RunModel& model : links.models_out) {
    outputs["model_outputs"].push_back({{"model_id", model.model_id}, {"step", model.step}});
  }
  return outputs;
}

}  // namespace roost::api::mlflow
