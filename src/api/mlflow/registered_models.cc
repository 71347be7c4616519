#include <algorithm>

#include "api/mlflow/handlers.h"
#include "api/mlflow/limits.h"
#include "api/mlflow/registry.h"
#include "spec/text.h"

// Registered models: made, described, renamed, deleted, tagged; their aliases and newest versions.
namespace roost::api::mlflow {
namespace {

constexpr std::size_t kMaxAlias = 255;

bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80U;
}

bool IsLatest(const std::string& alias) { return spec::EqualsInAnyCase(alias, "latest"); }

// v12: a version's other name.
bool IsVersionAlias(const std::string& alias) {
  return alias.size() > 1 && (alias[0] == 'v' || alias[0] == 'V') &&
         alias.find_first_not_of("0123456789", 1) == std::string::npos;
}

Result<std::string> RequireAlias(const Message& message) {
  ROOST_ASSIGN(std::string alias, message.RequiredText("alias"));
  const bool is_fine = std::all_of(alias.begin(), alias.end(),
                                   [](char c) { return IsWordCharacter(c) || c == '-'; });
  if (!is_fine) {
    return Invalid("Invalid alias name: '" + alias +
                   "'. Names may only contain alphanumerics, underscores (_), and dashes (-).");
  }
  ROOST_TRY(CheckLength("Registered model alias name", alias, kMaxAlias));
  return alias;
}

Result<store::Model> FindModel(Call& call, const std::string& name) {
  return OfModel(name, call.store().models().GetModel(name));
}

tl::unexpected<Error> NameIsTaken(const store::Model& by, bool for_prompt) {
  const bool is_prompt = IsPrompt(by.tags);
  const auto noun = [](bool prompt, bool capital) {
    if (prompt) return capital ? "Prompt" : "prompt";
    return capital ? "Registered Model" : "registered model";
  };
  if (is_prompt == for_prompt) {
    return Fail(Code::kResourceAlreadyExists,
                std::string(noun(is_prompt, true)) + " (name=" + by.name + ") already exists.");
  }
  return Fail(Code::kResourceAlreadyExists,
              std::string("Tried to create a ") + noun(for_prompt, false) + " with name '" +
                  by.name + "', but the name is already taken by a " + noun(is_prompt, false) +
                  ". MLflow does not allow creating a model and a prompt with the same name.");
}

Result<std::vector<spec::ModelStage>> ReadStages(const Message& message) {
  ROOST_ASSIGN(const std::vector<std::string> texts, message.Texts("stages"));
  std::vector<spec::ModelStage> stages;
  for (const std::string& text : texts) {
    ROOST_ASSIGN(const spec::ModelStage stage, ReadStage(text));
    stages.push_back(stage);
  }
  if (stages.empty()) stages.assign(spec::kModelStages.begin(), spec::kModelStages.end());
  return stages;
}

}  // namespace

Result<Answer> CreateRegisteredModel(Call& call) {
  store::NewModel model;
  ROOST_ASSIGN(model.name, RequireModelName(call.message));
  ROOST_ASSIGN(model.tags, ReadRegistryTags(call.message));
  ROOST_ASSIGN(model.description, call.message.TextOr("description", ""));
  model.submitter = call.http.token.name;
  auto made = call.store().models().Create(model);
  if (!made && made.error().code == ErrorCode::kConflict) {
    ROOST_ASSIGN(const store::Model known, FindModel(call, model.name));
    return NameIsTaken(known, IsPrompt(model.tags));
  }
  ROOST_TRY(made);
  return RegisteredModelAnswer(call, *made);
}

Result<Answer> GetRegisteredModel(Call& call) {
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_ASSIGN(const store::Model model, FindModel(call, name));
  return RegisteredModelAnswer(call, model);
}

Result<Answer> UpdateRegisteredModel(Call& call) {
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_ASSIGN(const std::string description, call.message.TextOr("description", ""));
  ROOST_ASSIGN(const store::Model model,
               OfModel(name, call.store().models().Describe(name, description)));
  return RegisteredModelAnswer(call, model);
}

Result<Answer> RenameRegisteredModel(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_ASSIGN(const std::string new_name, call.message.RequiredText("new_name"));
  ROOST_TRY(CheckModelName("new_name", new_name));
  const auto renamed = OfModel(name, call.store().models().Rename(name, new_name));
  if (!renamed && renamed.error().code == ErrorCode::kConflict) {
    return Fail(Code::kResourceAlreadyExists,
                "Registered Model (name=" + new_name + ") already exists.");
  }
  ROOST_TRY(renamed);
  return RegisteredModelAnswer(call, *renamed);
}

Result<Answer> DeleteRegisteredModel(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_TRY(OfModel(name, call.store().models().DeleteModel(name)));
  return Answer::object();
}

Result<Answer> SetRegisteredModelTag(Call& call) {
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_ASSIGN(const auto tag, RequireRegistryTag(call.message));
  ROOST_TRY(OfModel(name, call.store().models().SetTag(name, tag.key, tag.value)));
  return Answer::object();
}

Result<Answer> DeleteRegisteredModelTag(Call& call) {
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_ASSIGN(const std::string key, call.message.RequiredText("key"));
  ROOST_TRY(CheckKey("key", key));
  ROOST_TRY(OfModel(name, call.store().models().DeleteTag(name, key)));
  return Answer::object();
}

Result<Answer> GetLatestVersions(Call& call) {
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_ASSIGN(const std::vector<spec::ModelStage> stages, ReadStages(call.message));
  ROOST_TRY(FindModel(call, name));
  ROOST_ASSIGN(auto versions, call.store().models().LatestOfStages({name}));
  std::erase_if(versions, [&](const store::ModelVersion& version) {
    return std::find(stages.begin(), stages.end(), version.stage) == stages.end();
  });
  Answer answer = Answer::object();
  if (!versions.empty()) answer["model_versions"] = ModelVersionList(versions);
  return answer;
}

Result<Answer> SetRegisteredModelAlias(Call& call) {
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_ASSIGN(const std::string alias, RequireAlias(call.message));
  if (IsLatest(alias)) return Invalid("'latest' alias name (case insensitive) is reserved.");
  if (IsVersionAlias(alias)) return Invalid("Version alias name '" + alias + "' is reserved.");
  ROOST_ASSIGN(const std::int64_t version, RequireVersion(call.message));
  ROOST_TRY(OfVersion({name, version}, call.store().models().SetAlias(name, alias, version)));
  return Answer::object();
}

Result<Answer> DeleteRegisteredModelAlias(Call& call) {
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_ASSIGN(const std::string alias, RequireAlias(call.message));
  ROOST_TRY(OfModel(name, call.store().models().DeleteAlias(name, alias)));
  return Answer::object();
}

Result<Answer> GetModelVersionByAlias(Call& call) {
  ROOST_ASSIGN(const std::string name, RequireModelName(call.message));
  ROOST_ASSIGN(const std::string alias, RequireAlias(call.message));
  ROOST_ASSIGN(const store::Model model, FindModel(call, name));
  std::int64_t version = model.latest_version;
  if (IsLatest(alias)) {
    if (version == 0) {
      return Fail(Code::kResourceDoesNotExist, "Latest version not found for model " + name + ".");
    }
  } else {
    const auto found = std::find_if(model.aliases.begin(), model.aliases.end(),
                                    [&](const auto& each) { return each.alias == alias; });
    if (found == model.aliases.end()) {
      return Invalid("Registered model alias " + alias + " not found.");
    }
    version = found->version;
  }
  ROOST_ASSIGN(const store::ModelVersion found,
               OfVersion({name, version}, call.store().models().Get(name, version)));
  return Answer{{"model_version", ModelVersionObject(found)}};
}

}  // namespace roost::api::mlflow
