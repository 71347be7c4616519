#include "api/mlflow/registry.h"

#include <charconv>
#include <map>

#include "api/mlflow/limits.h"
#include "api/mlflow/objects.h"
#include "base/strings.h"
#include "spec/run_definition.h"
#include "spec/text.h"

namespace roost::api::mlflow {
namespace {

std::optional<std::int64_t> WholeNumber(std::string_view text) {
  text = Trim(text);
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  return is_whole ? std::optional(number) : std::nullopt;
}

Answer AliasList(const std::vector<store::ModelAlias>& aliases) {
  Answer list = Answer::array();
  for (const store::ModelAlias& each : aliases) {
    list.push_back({{"alias", each.alias}, {"version", std::to_string(each.version)}});
  }
  return list;
}

Answer RegisteredModelObject(const store::Model& model, Answer latest_versions) {
  Answer object = {{"name", model.name},
                   {"creation_timestamp", Milliseconds(model.created_at)},
                   {"last_updated_timestamp", Milliseconds(model.updated_at)}};
  if (!model.submitter.empty()) object["user_id"] = model.submitter;
  if (!model.description.empty()) object["description"] = model.description;
  if (!latest_versions.empty()) object["latest_versions"] = std::move(latest_versions);
  if (!model.tags.empty()) object["tags"] = PairList(model.tags);
  if (!model.aliases.empty()) object["aliases"] = AliasList(model.aliases);
  return object;
}

}  // namespace

Status CheckModelName(std::string_view field, const std::string& name) {
  if (Trim(name).empty()) {
    return Invalid("Missing value for required parameter '" + std::string(field) + "'.");
  }
  if (name.find_first_of("/:") != std::string::npos || spec::HasNul(name)) {
    return Invalid("Invalid model name '" + name + "'. Names cannot contain '/' or ':'.");
  }
  if (name == "." || name.starts_with("..")) {
    return InvalidValue("name", name,
                        "Names may be treated as files in certain cases, and must not resolve to "
                        "other names when treated as such. This name would resolve to '" +
                            name + "'");
  }
  return CheckLength(field, name, spec::kMaxModelName);
}

Status CheckRegistryTag(const std::string& key, const std::string& value) {
  ROOST_TRY(CheckKey("key", key));
  return CheckLength("value", value, kMaxRegistryTagValue);
}

Result<std::string> RequireModelName(const Message& message) {
  ROOST_ASSIGN(std::string name, message.RequiredText("name"));
  ROOST_TRY(CheckModelName("name", name));
  return name;
}

Result<std::int64_t> RequireVersion(const Message& message) {
  const nlohmann::json* value = message.Find("version");
  if (value != nullptr && value->is_number_integer()) return message.RequiredInteger("version");
  ROOST_ASSIGN(const std::string text, message.RequiredText("version"));
  if (const auto number = WholeNumber(text)) return *number;
  return Invalid("Parameter 'version' must be an integer, got '" + text + "'.");
}

Result<VersionRef> RequireVersionRef(const Message& message) {
  ROOST_ASSIGN(std::string name, RequireModelName(message));
  ROOST_ASSIGN(const std::int64_t version, RequireVersion(message));
  return VersionRef{std::move(name), version};
}

Result<std::map<std::string, std::string>> ReadRegistryTags(const Message& message) {
  ROOST_ASSIGN(const auto pairs, message.Pairs("tags"));
  std::map<std::string, std::string> tags;
  for (const auto& [key, value] : pairs) {
    ROOST_TRY(CheckRegistryTag(key, value));
    tags[key] = value;
  }
  return tags;
}

Result<Message::Pair> RequireRegistryTag(const Message& message) {
  ROOST_ASSIGN(std::string key, message.RequiredText("key"));
  ROOST_ASSIGN(std::string value, message.TextOr("value", ""));
  ROOST_TRY(CheckRegistryTag(key, value));
  return Message::Pair{std::move(key), std::move(value)};
}

Result<spec::ModelStage> ReadStage(const std::string& text) {
  if (const auto stage = spec::ParseModelStage(text)) return *stage;
  return Invalid("Invalid Model Version stage: " + text +
                 ". Value must be one of None, Staging, Production, Archived.");
}

tl::unexpected<Error> NoSuchModel(const std::string& name) {
  return Fail(Code::kResourceDoesNotExist, "Registered Model with name=" + name + " not found");
}

tl::unexpected<Error> NoSuchVersion(const VersionRef& ref) {
  return Fail(Code::kResourceDoesNotExist, "Model Version (name=" + ref.name + ", version=" +
                                               std::to_string(ref.version) + ") not found");
}

Answer ModelVersionObject(const store::ModelVersion& version) {
  Answer object = {{"name", version.name},
                   {"version", std::to_string(version.version)},
                   {"creation_timestamp", Milliseconds(version.created_at)},
                   {"last_updated_timestamp", Milliseconds(version.updated_at)}};
  if (!version.submitter.empty()) object["user_id"] = version.submitter;
  object["current_stage"] = spec::ToString(version.stage);
  object["description"] = version.description;
  object["source"] = version.source;
  object["run_id"] = version.run_id;
  object["status"] = "READY";
  if (!version.tags.empty()) object["tags"] = PairList(version.tags);
  object["run_link"] = version.run_link;
  if (!version.aliases.empty()) object["aliases"] = version.aliases;
  if (!version.logged_model_id.empty()) object["model_id"] = version.logged_model_id;
  return object;
}

Answer ModelVersionList(const std::vector<store::ModelVersion>& versions) {
  Answer list = Answer::array();
  for (const store::ModelVersion& version : versions) list.push_back(ModelVersionObject(version));
  return list;
}

Result<std::vector<Answer>> RegisteredModelObjects(Call& call,
                                                   const std::vector<store::Model>& models) {
  std::vector<std::string> names;
  for (const store::Model& model : models) names.push_back(model.name);
  ROOST_ASSIGN(const auto latest, call.store().models().LatestOfStages(names));
  std::map<std::string, Answer> by_name;
  for (const store::ModelVersion& version : latest) {
    by_name[version.name].push_back(ModelVersionObject(version));
  }
  std::vector<Answer> objects;
  for (const store::Model& model : models) {
    objects.push_back(RegisteredModelObject(model, std::move(by_name[model.name])));
  }
  return objects;
}

Result<Answer> RegisteredModelAnswer(Call& call, const store::Model& model) {
  ROOST_ASSIGN(auto objects, RegisteredModelObjects(call, {model}));
  return Answer{{"registered_model", std::move(objects.front())}};
}

}  // namespace roost::api::mlflow
