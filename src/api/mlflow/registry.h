#pragma once

#include <string>
#include <vector>

#include "api/mlflow/call.h"
#include "store/models.h"

// What the calls of the model registry share: names, tags, versions and their objects.
namespace roost::api::mlflow {

inline constexpr std::size_t kMaxRegistryTagValue = 100'000;

// `field` names it in errors.
Status CheckModelName(std::string_view field, const std::string& name);
Status CheckRegistryTag(const std::string& key, const std::string& value);

Result<std::string> RequireModelName(const Message& message);
// A number, or a text that is one.
Result<std::int64_t> RequireVersion(const Message& message);
struct VersionRef {
  std::string name;
  std::int64_t version = 0;
};
Result<VersionRef> RequireVersionRef(const Message& message);
// The fields `tags` of new models and versions, checked.
Result<std::map<std::string, std::string>> ReadRegistryTags(const Message& message);
// The fields `key` and `value`, checked.
Result<Message::Pair> RequireRegistryTag(const Message& message);
// "staging" is Staging.
Result<spec::ModelStage> ReadStage(const std::string& text);
inline bool IsPrompt(const std::map<std::string, std::string>& tags) {
  const auto found = tags.find(store::kPromptTag);
  return found != tags.end() && found->second == "true";
}

// What was not found, in MLflow's words.
tl::unexpected<Error> NoSuchModel(const std::string& name);
tl::unexpected<Error> NoSuchVersion(const VersionRef& ref);
template <class T>
Result<T> OfModel(const std::string& name, Result<T> result) {
  if (!result && result.error().code == ErrorCode::kNotFound) return NoSuchModel(name);
  return result;
}
template <class T>
Result<T> OfVersion(const VersionRef& ref, Result<T> result) {
  if (!result && result.error().code == ErrorCode::kNotFound) return NoSuchVersion(ref);
  return result;
}

Answer ModelVersionObject(const store::ModelVersion& version);
Answer ModelVersionList(const std::vector<store::ModelVersion>& versions);
// With the newest versions of their stages.
Result<std::vector<Answer>> RegisteredModelObjects(Call& call,
                                                   const std::vector<store::Model>& models);
Result<Answer> RegisteredModelAnswer(Call& call, const store::Model& model);

}  // namespace roost::api::mlflow
