#include <nlohmann/json.hpp>

#include "api/mlflow/file_place.h"
#include "api/mlflow/handlers.h"
#include "api/mlflow/logged_model_objects.h"
#include "api/mlflow/objects.h"
#include "base/digest.h"
#include "base/strings.h"
#include "spec/mlflow_search.h"
#include "spec/run_definition.h"

// Logged models: made, read, finished, tagged, searched and deleted.
namespace roost::api::mlflow {
namespace {

using store::LoggedModel;
using store::LoggedModelStatus;

constexpr std::int64_t kModelsOnPage = 50;
constexpr std::int64_t kMostModelsOnPage = 50'000;

Status CheckName(const std::string& name) {
  if (name.find_first_of("/:.%\"'") == std::string::npos) return {};
  return Invalid("Invalid model name ('" + name +
                 "') provided. Model name must be a non-empty string and cannot contain the "
                 "following characters: ('/', ':', '.', '%', '\"', \"'\")");
}

Result<std::map<std::string, std::string>> ReadPairs(const Call& call, std::string_view field) {
  ROOST_ASSIGN(const auto pairs, call.message.Pairs(field));
  std::map<std::string, std::string> map;
  for (const auto& [key, value] : pairs) {
    const auto [at, is_new] = map.emplace(key, value);
    if (!is_new && at->second != value) {
      return Invalid("The key '" + key + "' stands in " + std::string(field) +
                     " twice, with different values.");
    }
  }
  return map;
}

// The run that a model comes from. With a run's own token it is that run, or a child of it.
Result<std::string> ReadSourceRun(const Call& call) {
  ROOST_ASSIGN(std::string id, call.message.TextOr("source_run_id", ""));
  if (!call.http.token.run) return id;
  if (id.empty()) {
    ROOST_ASSIGN(const store::Run own, call.store().runs().Get(*call.http.token.run));
    return own.id.value();
  }
  ROOST_TRY(MayWriteModel(call.services, call.http.token, id));
  return id;
}

// The model of the path, which the caller may change. Also one that is deleted, as long as it is
// there.
Result<LoggedModel> RequireModelForWrite(const Call& call) {
  ROOST_ASSIGN(LoggedModel model, call.store().logged_models().Get(
                                      call.Parameter(0), store::LoggedModels::Deleted::kShown));
  ROOST_TRY(MayWriteModel(call.services, call.http.token, model.source_run_id));
  return model;
}

// The body names the model once more.
Status CheckModelId(const Call& call) {
  ROOST_ASSIGN(const std::string id, call.message.RequiredText("model_id"));
  if (id == call.Parameter(0)) return {};
  return Invalid("The model_id '" + id + "' is not the one in the path, '" + call.Parameter(0) +
                 "'.");
}

// A name or a number, as protocol buffers allow both.
Result<LoggedModelStatus> ReadStatus(const Call& call) {
  const nlohmann::json* value = call.message.Find("status");
  if (value == nullptr) return MissingValue("status");
  const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
  const std::pair<std::string_view, std::string_view> names[] = {
      {"LOGGED_MODEL_STATUS_UNSPECIFIED", "0"},
      {"LOGGED_MODEL_PENDING", "1"},
      {"LOGGED_MODEL_READY", "2"},
      {"LOGGED_MODEL_UPLOAD_FAILED", "3"}};
  int status = 0;
  for (const auto& [name, number] : names) {
    if (text == name || text == number) return static_cast<LoggedModelStatus>(status);
    ++status;
  }
  return InvalidValue("status", *value,
                      "It must be LOGGED_MODEL_PENDING, LOGGED_MODEL_READY or "
                      "LOGGED_MODEL_UPLOAD_FAILED.");
}

// --- Search ---

Result<std::vector<ExperimentId>> ReadExperiments(const std::vector<std::string>& ids) {
  std::vector<ExperimentId> experiments;
  for (const std::string& id : ids) {
    const bool is_number =
        !id.empty() && id.size() < 19 && id.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number) {
      return Invalid("Invalid experiment ID '" + id + "'. Experiment ID must be a valid integer.");
    }
    experiments.emplace_back(std::stoll(id));
  }
  return experiments;
}

Result<store::LoggedModelDataset> ReadDataset(const Message& item) {
  ROOST_ASSIGN(std::string name, item.TextOr("dataset_name", ""));
  ROOST_ASSIGN(std::string digest, item.TextOr("dataset_digest", ""));
  return store::LoggedModelDataset{std::move(name), std::move(digest)};
}

Result<store::LoggedModelSearch::Order> ReadOrder(const Message& item) {
  ROOST_ASSIGN(const std::string field, item.TextOr("field_name", ""));
  ROOST_ASSIGN(const bool ascending, item.BooleanOr("ascending", true));
  store::LoggedModelSearch::Order order;
  ROOST_ASSIGN(order.field, spec::ParseLoggedModelOrder(field));
  order.descending = !ascending;
  ROOST_ASSIGN(order.dataset, ReadDataset(item));
  return order;
}

// A page token belongs to one search: it carries digests of what the search asked, and an offset.
class SearchToken {
 public:
  explicit SearchToken(const Message& message)
      : experiments_(DigestOfField(message, "experiment_ids")),
        filter_(DigestOfField(message, "filter")),
        order_(DigestOfField(message, "order_by")) {}

  std::string At(std::size_t offset) const {
    return std::to_string(offset) + "." + experiments_ + "." + filter_ + "." + order_;
  }
  Result<std::size_t> Read(const std::string& token) const {
    const std::vector<std::string> parts = Split(token, '.');
    const bool has_offset = parts.size() == 4 && !parts[0].empty() && parts[0].size() < 16 &&
                            parts[0].find_first_not_of("0123456789") == std::string::npos;
    if (!has_offset) return Invalid("Invalid page token: " + token + ".");
    if (parts[1] != experiments_) return Mismatch("Experiment IDs", "experiment IDs");
    if (parts[2] != filter_) return Mismatch("Filter string", "filter string");
    if (parts[3] != order_) return Mismatch("Order by", "order by");
    return static_cast<std::size_t>(std::stoull(parts[0]));
  }

 private:
  static std::string DigestOfField(const Message& message, std::string_view name) {
    const nlohmann::json* value = message.Find(name);
    const bool is_empty = value == nullptr || value->empty() || *value == "";
    const std::string text =
        is_empty ? "" : value->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return DigestOf(text).Hex().substr(0, 16);
  }
  static tl::unexpected<Error> Mismatch(const std::string& what, const std::string& asked) {
    return Invalid(what + " in the page token do" + (what == "Experiment IDs" ? "" : "es") +
                   " not match the requested " + asked + ".");
  }

  const std::string experiments_;
  const std::string filter_;
  const std::string order_;
};

Result<store::LoggedModelSearch> ReadSearch(const Message& message) {
  if (!message.Has("experiment_ids")) return MissingValue("experiment_ids");
  store::LoggedModelSearch search;
  ROOST_ASSIGN(const auto ids, message.Texts("experiment_ids"));
  ROOST_ASSIGN(search.experiments, ReadExperiments(ids));
  ROOST_ASSIGN(const std::string filter, message.TextOr("filter", ""));
  ROOST_ASSIGN(search.filter, spec::ParseMlflowFilter(spec::MlflowNoun::kLoggedModel, filter));
  ROOST_ASSIGN(const auto datasets, message.Messages("datasets"));
  for (const Message& item : datasets) {
    ROOST_ASSIGN(store::LoggedModelDataset dataset, ReadDataset(item));
    if (dataset.name.empty()) {
      return Invalid("`dataset_name` in the `datasets` clause must be specified.");
    }
    search.datasets.push_back(std::move(dataset));
  }
  ROOST_ASSIGN(const auto order, message.Messages("order_by"));
  for (const Message& item : order) {
    ROOST_ASSIGN(store::LoggedModelSearch::Order key, ReadOrder(item));
    search.order.push_back(std::move(key));
  }
  ROOST_ASSIGN(const std::int64_t asked, message.IntegerOr("max_results", kModelsOnPage));
  if (asked < 0) {
    return InvalidValue("max_results", asked, "It must be a positive number.");
  }
  search.limit =
      static_cast<std::size_t>(asked == 0 ? kModelsOnPage : std::min(asked, kMostModelsOnPage));
  return search;
}

}  // namespace

Result<Answer> CreateLoggedModel(Call& call) {
  store::NewLoggedModel model;
  ROOST_ASSIGN(model.name, call.message.TextOr("name", ""));
  ROOST_ASSIGN(model.model_type, call.message.TextOr("model_type", ""));
  ROOST_ASSIGN(model.tags, ReadPairs(call, "tags"));
  ROOST_ASSIGN(model.params, ReadPairs(call, "params"));
  ROOST_ASSIGN(const store::Experiment experiment, RequireExperiment(call));
  ROOST_ASSIGN(model.source_run_id, ReadSourceRun(call));
  ROOST_TRY(CheckName(model.name));
  if (experiment.lifecycle == spec::Lifecycle::kDeleted) {
    return Invalid("The experiment " + std::to_string(experiment.id.value()) +
                   " must be in the 'active' state. Current state is deleted.");
  }
  if (model.name.empty()) model.name = spec::MakeDisplayName();
  model.experiment = experiment.id;
  ROOST_ASSIGN(const LoggedModel made, call.store().logged_models().Create(model));
  ROOST_ASSIGN(Answer object, LoggedModelObject(call.services, made));
  return Answer{{"model", std::move(object)}};
}

Result<Answer> GetLoggedModel(Call& call) {
  ROOST_ASSIGN(const std::string deleted, call.message.TextOr("allow_deleted", "false"));
  using Deleted = store::LoggedModels::Deleted;
  const bool shown = deleted == "true" || deleted == "True";
  ROOST_ASSIGN(const LoggedModel model,
               call.store().logged_models().Get(call.Parameter(0),
                                                shown ? Deleted::kShown : Deleted::kHidden));
  ROOST_ASSIGN(Answer object, LoggedModelObject(call.services, model));
  return Answer{{"model", std::move(object)}};
}

Result<Answer> FinalizeLoggedModel(Call& call) {
  ROOST_TRY(CheckModelId(call));
  ROOST_ASSIGN(const LoggedModelStatus status, ReadStatus(call));
  ROOST_ASSIGN(const std::string message, call.message.TextOr("status_message", ""));
  ROOST_ASSIGN(const LoggedModel known, RequireModelForWrite(call));
  ROOST_TRY(call.store().logged_models().SetStatus(known.id, status, message));
  ROOST_ASSIGN(const LoggedModel model,
               call.store().logged_models().Get(known.id, store::LoggedModels::Deleted::kShown));
  ROOST_ASSIGN(Answer object, LoggedModelObject(call.services, model));
  return Answer{{"model", std::move(object)}};
}

Result<Answer> DeleteLoggedModel(Call& call) {
  ROOST_ASSIGN(const LoggedModel model, RequireModelForWrite(call));
  ROOST_TRY(call.store().logged_models().Delete(model.id));
  return Answer::object();
}

Result<Answer> SetLoggedModelTags(Call& call) {
  ROOST_ASSIGN(const auto pairs, call.message.Pairs("tags"));
  std::map<std::string, std::string> tags;
  for (const auto& [key, value] : pairs) tags[key] = value;
  ROOST_ASSIGN(const LoggedModel model, RequireModelForWrite(call));
  ROOST_TRY(call.store().logged_models().SetTags(model.id, tags));
  return Answer::object();
}

Result<Answer> DeleteLoggedModelTag(Call& call) {
  ROOST_ASSIGN(const LoggedModel model, RequireModelForWrite(call));
  ROOST_TRY(call.store().logged_models().RemoveTag(model.id, call.Parameter(1)));
  return Answer::object();
}

Result<Answer> LogLoggedModelParams(Call& call) {
  ROOST_TRY(CheckModelId(call));
  ROOST_ASSIGN(const auto params, ReadPairs(call, "params"));
  ROOST_ASSIGN(const LoggedModel model, RequireModelForWrite(call));
  ROOST_TRY(call.store().logged_models().AddParams(model.id, params));
  return Answer::object();
}

Result<Answer> SearchLoggedModels(Call& call) {
  ROOST_ASSIGN(store::LoggedModelSearch search, ReadSearch(call.message));
  const SearchToken token(call.message);
  ROOST_ASSIGN(const std::string page, call.message.TextOr("page_token", ""));
  if (!page.empty()) {
    ROOST_ASSIGN(search.offset, token.Read(page));
  }
  const std::size_t limit = search.limit++;
  ROOST_ASSIGN(auto models, call.store().logged_models().Search(search));
  const bool more = models.size() > limit;
  if (more) models.resize(limit);
  Answer answer = Answer::object();
  for (const LoggedModel& model : models) {
    ROOST_ASSIGN(Answer object, LoggedModelObject(call.services, model));
    answer["models"].push_back(std::move(object));
  }
  if (more) answer["next_page_token"] = token.At(search.offset + limit);
  return answer;
}

}  // namespace roost::api::mlflow
