#include "api/mlflow/handlers.h"
#include "api/mlflow/limits.h"
#include "api/mlflow/model_source.h"
#include "api/mlflow/registry.h"

// Versions of registered models: made from a source, described, tagged, moved between stages.
namespace roost::api::mlflow {
namespace {

Result<store::ModelVersion> FindVersion(Call& call, const VersionRef& ref) {
  return OfVersion(ref, call.store().models().Get(ref.name, ref.version));
}

Answer VersionAnswer(const store::ModelVersion& version) {
  return {{"model_version", ModelVersionObject(version)}};
}

Result<spec::ModelStage> RequireStage(const Message& message) {
  ROOST_ASSIGN(const std::string text, message.RequiredText("stage"));
  return ReadStage(text);
}

}  // namespace

Result<Answer> CreateModelVersion(Call& call) {
  store::NewModelVersion version;
  version.origin = store::Origin::kMlflow;
  ROOST_ASSIGN(version.name, RequireModelName(call.message));
  ROOST_ASSIGN(version.source, call.message.RequiredText("source"));
  ROOST_ASSIGN(version.run_id, call.message.TextOr("run_id", ""));
  ROOST_ASSIGN(version.run_link, call.message.TextOr("run_link", ""));
  ROOST_ASSIGN(version.description, call.message.TextOr("description", ""));
  ROOST_ASSIGN(version.logged_model_id, call.message.TextOr("model_id", ""));
  ROOST_ASSIGN(version.tags, ReadRegistryTags(call.message));
  version.submitter = call.http.token.name;
  ROOST_TRY(CheckSource(call.services, version));
  ROOST_TRY(ResolveSource(call.services, &version));
  ROOST_ASSIGN(const auto registered,
               OfModel(version.name, call.store().models().Register(version)));
  ROOST_TRY(TellLoggedModel(call.services, registered.version));
  return VersionAnswer(registered.version);
}

Result<Answer> GetModelVersion(Call& call) {
  ROOST_ASSIGN(const VersionRef ref, RequireVersionRef(call.message));
  ROOST_ASSIGN(const store::ModelVersion version, FindVersion(call, ref));
  return VersionAnswer(version);
}

Result<Answer> UpdateModelVersion(Call& call) {
  ROOST_ASSIGN(const VersionRef ref, RequireVersionRef(call.message));
  ROOST_ASSIGN(const std::string description, call.message.TextOr("description", ""));
  ROOST_ASSIGN(
      const store::ModelVersion version,
      OfVersion(ref, call.store().models().DescribeVersion(ref.name, ref.version, description)));
  return VersionAnswer(version);
}

Result<Answer> TransitionModelVersionStage(Call& call) {
  using Others = store::Models::Others;
  ROOST_ASSIGN(const VersionRef ref, RequireVersionRef(call.message));
  ROOST_ASSIGN(const spec::ModelStage stage, RequireStage(call.message));
  ROOST_ASSIGN(const bool archive, call.message.BooleanOr("archive_existing_versions", false));
  if (archive && !spec::IsActive(stage)) {
    return Invalid("Model version transition cannot archive existing model versions because '" +
                   std::string(spec::ToString(stage)) +
                   "' is not an Active stage. Valid stages are ['Staging', 'Production']");
  }
  const Others others = archive ? Others::kAreArchived : Others::kStay;
  ROOST_ASSIGN(
      const store::ModelVersion version,
      OfVersion(ref, call.store().models().MoveToStage(ref.name, ref.version, stage, others)));
  return VersionAnswer(version);
}

Result<Answer> DeleteModelVersion(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const VersionRef ref, RequireVersionRef(call.message));
  ROOST_TRY(OfVersion(ref, call.store().models().Delete(ref.name, ref.version,
                                                        store::Models::LastVersion::kLeavesModel)));
  return Answer::object();
}

Result<Answer> GetModelVersionDownloadUri(Call& call) {
  ROOST_ASSIGN(const VersionRef ref, RequireVersionRef(call.message));
  ROOST_ASSIGN(const store::ModelVersion version, FindVersion(call, ref));
  return Answer{{"artifact_uri", version.location.empty() ? version.source : version.location}};
}

Result<Answer> SetModelVersionTag(Call& call) {
  ROOST_ASSIGN(const VersionRef ref, RequireVersionRef(call.message));
  ROOST_ASSIGN(const auto tag, RequireRegistryTag(call.message));
  ROOST_TRY(OfVersion(
      ref, call.store().models().SetVersionTag(ref.name, ref.version, tag.key, tag.value)));
  return Answer::object();
}

Result<Answer> DeleteModelVersionTag(Call& call) {
  ROOST_ASSIGN(const VersionRef ref, RequireVersionRef(call.message));
  ROOST_ASSIGN(const std::string key, call.message.RequiredText("key"));
  ROOST_TRY(CheckKey("key", key));
  ROOST_TRY(OfVersion(ref, call.store().models().DeleteVersionTag(ref.name, ref.version, key)));
  return Answer::object();
}

}  // namespace roost::api::mlflow
