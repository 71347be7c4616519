#include <nlohmann/json.hpp>

#include "api/mlflow/handlers.h"
#include "api/mlflow/limits.h"
#include "store/run_inputs.h"

// What runs used and made: datasets and logged models.
namespace roost::api::mlflow {
namespace {

constexpr std::size_t kMaxDatasetName = 500;
constexpr std::size_t kMaxDatasetDigest = 36;
constexpr std::size_t kMaxDatasetSource = 65'535;
constexpr std::size_t kMaxDatasetSchema = 1'048'575;
constexpr std::size_t kMaxDatasetProfile = 16'777'215;
constexpr std::size_t kMaxInputTagKey = 255;
constexpr std::size_t kMaxInputTagValue = 500;
constexpr std::size_t kMostExperiments = 20;
constexpr std::size_t kMostDatasets = 1000;

constexpr const char* kModelHistoryTag = "mlflow.log-model.history";

Result<store::InputDataset> ReadDataset(const Message& message) {
  store::InputDataset dataset;
  ROOST_ASSIGN(dataset.name, message.TextOr("name", ""));
  ROOST_ASSIGN(dataset.digest, message.TextOr("digest", ""));
  ROOST_ASSIGN(dataset.source_type, message.TextOr("source_type", ""));
  ROOST_ASSIGN(dataset.source, message.TextOr("source", ""));
  ROOST_ASSIGN(dataset.schema, message.Text("schema"));
  ROOST_ASSIGN(dataset.profile, message.Text("profile"));
  ROOST_TRY(CheckLength("name", dataset.name, kMaxDatasetName));
  ROOST_TRY(CheckLength("digest", dataset.digest, kMaxDatasetDigest));
  ROOST_TRY(CheckLength("source", dataset.source, kMaxDatasetSource));
  ROOST_TRY(CheckLength("schema", dataset.schema.value_or(""), kMaxDatasetSchema));
  ROOST_TRY(CheckLength("profile", dataset.profile.value_or(""), kMaxDatasetProfile));
  return dataset;
}

Result<store::DatasetInput> ReadInput(const Message& message) {
  const nlohmann::json* dataset = message.Find("dataset");
  if (dataset == nullptr) return MissingValue(message.PathOf("dataset"));
  if (!dataset->is_object()) return InvalidValue(message.PathOf("dataset"), *dataset, "");
  store::DatasetInput input;
  ROOST_ASSIGN(input.dataset, ReadDataset(Message(*dataset, message.PathOf("dataset"))));
  ROOST_ASSIGN(const auto tags, message.Pairs("tags"));
  for (const auto& [key, value] : tags) {
    ROOST_TRY(CheckLength("key", key, kMaxInputTagKey));
    ROOST_TRY(CheckLength("value", value, kMaxInputTagValue));
    input.tags[key] = value;
  }
  return input;
}

Result<std::vector<store::RunModel>> ReadModels(const Message& message) {
  ROOST_ASSIGN(const auto items, message.Messages("models"));
  std::vector<store::RunModel> models;
  for (const Message& item : items) {
    ROOST_ASSIGN(std::string id, item.RequiredText("model_id"));
    ROOST_ASSIGN(const std::int64_t step, item.IntegerOr("step", 0));
    models.push_back({std::move(id), step});
  }
  return models;
}

// What the run's history of models keeps of one.
Result<Answer> ReadModel(const std::string& text) {
  Answer model = Answer::parse(text, nullptr, false);
  if (model.is_discarded() || !model.is_object()) {
    return Invalid("Malformed model info. \n " + text + " \n is not a valid JSON.");
  }
  std::string missing;
  for (const char* field : {"artifact_path", "flavors", "utc_time_created", "run_id"}) {
    if (model.contains(field)) continue;
    missing += (missing.empty() ? "'" : ", '") + std::string(field) + "'";
  }
  if (!missing.empty()) {
    return Invalid("Model json is missing mandatory fields: {" + missing + "}");
  }
  Answer kept = Answer::object();
  for (const char* field :
       {"run_id", "artifact_path", "utc_time_created", "model_uuid", "flavors"}) {
    if (model.contains(field)) kept[field] = model[field];
  }
  if (!kept["flavors"].is_object()) return InvalidValue("flavors", kept["flavors"], "");
  // How to load it matters here; what it was configured with may be long.
  for (auto& flavor : kept["flavors"]) {
    if (flavor.is_object()) flavor.erase("config");
  }
  return kept;
}

}  // namespace

Result<Answer> LogInputs(Call& call) {
  ROOST_ASSIGN(const std::string run_id, call.message.RequiredText("run_id"));
  if (!IsRunIdForm(run_id)) return InvalidValue("run_id", run_id, "");
  ROOST_ASSIGN(const auto items, call.message.Messages("datasets"));
  std::vector<store::DatasetInput> datasets;
  for (const Message& item : items) {
    ROOST_ASSIGN(store::DatasetInput input, ReadInput(item));
    datasets.push_back(std::move(input));
  }
  ROOST_ASSIGN(const auto models, ReadModels(call.message));
  ROOST_ASSIGN(const store::Run run, RequireWritableRun(call));
  ROOST_TRY(call.store().run_inputs().Add(run.key, datasets, models));
  return Answer::object();
}

Result<Answer> LogOutputs(Call& call) {
  ROOST_TRY(call.message.RequiredText("run_id"));
  if (!call.message.Has("models")) return MissingValue("models");
  ROOST_ASSIGN(const auto models, ReadModels(call.message));
  ROOST_ASSIGN(const store::Run run, RequireWritableRun(call));
  ROOST_TRY(call.store().run_inputs().AddOutputs(run.key, models));
  return Answer::object();
}

Result<Answer> LogModel(Call& call) {
  ROOST_TRY(call.message.RequiredText("run_id"));
  ROOST_ASSIGN(const std::string text, call.message.RequiredText("model_json"));
  ROOST_ASSIGN(Answer model, ReadModel(text));
  ROOST_ASSIGN(const store::Run run, RequireWritableRun(call));
  Answer history = Answer::array();
  if (const auto known = run.tags.find(kModelHistoryTag); known != run.tags.end()) {
    history = Answer::parse(known->second.value_or("[]"), nullptr, false);
    if (!history.is_array()) history = Answer::array();
  }
  history.push_back(std::move(model));
  // Of any length: a history goes on for as long as its run does.
  ROOST_TRY(call.store().runs().SetTags(run.key, {{kModelHistoryTag, ToTagText(history)}}));
  return Answer::object();
}

Result<Answer> SearchDatasets(Call& call) {
  ROOST_ASSIGN(const auto ids, call.message.Texts("experiment_ids"));
  if (ids.empty()) {
    return Invalid("SearchDatasets request must specify at least one experiment_id.");
  }
  if (ids.size() > kMostExperiments) {
    return Invalid("SearchDatasets request cannot specify more than 20 experiment_ids. Received " +
                   std::to_string(ids.size()) + " experiment_ids.");
  }
  std::vector<ExperimentId> experiments;
  for (const std::string& id : ids) {
    const auto experiment = FindExperiment(call.services, id);
    if (experiment) {
      experiments.push_back(experiment->id);
    } else if (CodeOf(experiment.error()) != Code::kResourceDoesNotExist) {
      return tl::unexpected<Error>(experiment.error());
    }
  }
  ROOST_ASSIGN(const auto uses, call.store().run_inputs().DatasetsOf(experiments, kMostDatasets));
  Answer answer = Answer::object();
  for (const store::DatasetUse& use : uses) {
    Answer summary = {{"experiment_id", std::to_string(use.experiment.value())},
                      {"name", use.name},
                      {"digest", use.digest}};
    if (!use.context.empty()) summary["context"] = use.context;
    answer["dataset_summaries"].push_back(std::move(summary));
  }
  return answer;
}

}  // namespace roost::api::mlflow
