#include "api/mlflow/model_source.h"

#include <filesystem>

#include "api/mlflow/call.h"
#include "api/mlflow/limits.h"
#include "api/mlflow/logged_model_objects.h"
#include "api/mlflow/objects.h"
#include "api/mlflow/registry.h"
#include "engine/register.h"
#include "spec/model_source.h"

namespace roost::api::mlflow {
namespace {

// Longer ones are no addresses, and undoing the escapes of one takes time.
constexpr std::size_t kMaxSource = 5000;
constexpr std::size_t kFilesAtOnce = 1000;
// A logged model's tag with the versions that were made of it.
constexpr const char* kVersionsTag = "mlflow.modelVersions";

bool IsBelow(const std::string& path, const std::string& folder) {
  std::error_code error;
  const fs::path inner = fs::weakly_canonical(path, error);
  const fs::path outer = fs::weakly_canonical(folder, error);
  if (error || !inner.is_absolute()) return false;
  const fs::path relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

// A path of the machine: of a run whose artifacts are not kept here, since its experiment has a
// folder as its place.
Status CheckLocalSource(Services& services, const store::NewModelVersion& version,
                        const std::string& path) {
  const std::string owner = version.logged_model_id.empty() ? "run_id" : "model_id";
  if (owner == "run_id" && !version.run_id.empty()) {
    ROOST_ASSIGN(const store::Run run, FindRun(services, version.run_id));
    const auto folder = spec::LocalPathOfSource(ArtifactUriOf(run));
    if (folder && IsBelow(path, *folder)) return {};
  }
  return Invalid("Invalid model version source: '" + version.source +
                 "'. To use a local path as a model version source, the " + owner +
                 " request parameter has to be specified and the local path has to be contained "
                 "within the artifact directory of the run specified by the " +
                 owner + ".");
}

// Prompts have no files: their source is a placeholder, which a path is not.
Status CheckPromptSource(const std::string& source, const std::optional<std::string>& local_path) {
  if (!local_path) return spec::CheckSourceAddress(source);
  const bool has_file_scheme = *local_path != source;
  if (!has_file_scheme && !source.starts_with('/')) return {};
  return Invalid("Invalid prompt source: '" + source +
                 "'. Local source paths are not allowed for prompts.");
}

tl::unexpected<Error> CannotFetch(Code code, const std::string& source, const std::string& why) {
  return Fail(code, "Unable to fetch model from model URI source artifact location '" + source +
                        "'.Error: " + why);
}

// The files of a version are those of the version that it was made from.
Status TakeFromVersion(Services& services, const spec::RegisteredSource& from,
                       store::NewModelVersion* version) {
  const VersionRef ref{from.name, from.version};
  const auto source = OfVersion(ref, services.store.models().Get(from.name, from.version));
  if (!source) {
    return CannotFetch(CodeOf(source.error()), version->source, source.error().message);
  }
  version->location = source->location.empty() ? source->source : source->location;
  ROOST_ASSIGN(version->files, services.store.models().Files(from.name, from.version));
  return {};
}

// models:/m-... stands for the place of that model's files.
Status TakePlace(Services& services, const store::LoggedModel& model,
                 store::NewModelVersion* version) {
  ROOST_ASSIGN(version->location, LoggedModelUri(services, model));
  if (version->run_id.empty()) version->run_id = model.source_run_id;
  if (version->logged_model_id.empty()) version->logged_model_id = model.id;
  return {};
}

Status TakeFromLoggedModel(Services& services, const spec::LoggedModelSource& from,
                           store::NewModelVersion* version) {
  const auto model = FindLoggedModel(services, from.id);
  const bool must_be_there = spec::IsModelsAddress(version->source);
  if (!model && must_be_there) {
    return CannotFetch(CodeOf(model.error()), version->source, model.error().message);
  }
  if (!model) return {};
  if (must_be_there) ROOST_TRY(TakePlace(services, *model, version));
  std::string after;
  while (true) {
    ROOST_ASSIGN(const auto page, services.store.logged_models().ListFiles(model->id, from.path,
                                                                           after, kFilesAtOnce));
    if (page.empty()) return {};
    after = page.back().path;
    for (const store::LoggedModelFile& file : page) {
      if (auto path = engine::PathInModel(from.path, file.path)) {
        version->files.push_back({std::move(*path), file.digest, file.size});
      }
    }
  }
}

// Runs of other servers may be named, and files may come later: what is here is pinned.
Status TakeFromRun(Services& services, const spec::RunSource& from,
                   store::NewModelVersion* version) {
  const auto run = services.store.runs().Get(RunId(from.run_id));
  if (!run && run.error().code == ErrorCode::kNotFound) return {};
  ROOST_TRY(run);
  if (run->lifecycle == spec::Lifecycle::kDeleted) return {};
  ROOST_ASSIGN(version->files, engine::FilesOfRun(services.store, *run, from.path));
  return {};
}

}  // namespace

Status CheckSource(Services& services, const store::NewModelVersion& version) {
  ROOST_TRY(CheckLength("source", version.source, kMaxSource));
  const auto local_path = spec::LocalPathOfSource(version.source);
  if (version.tags.contains(store::kPromptTag)) {
    return CheckPromptSource(version.source, local_path);
  }
  if (local_path) return CheckLocalSource(services, version, *local_path);
  return spec::CheckSourceAddress(version.source);
}

Status ResolveSource(Services& services, store::NewModelVersion* version) {
  if (!version->logged_model_id.empty()) {
    ROOST_ASSIGN(const store::LoggedModel model,
                 FindLoggedModel(services, version->logged_model_id));
    if (version->run_id.empty()) version->run_id = model.source_run_id;
  }
  const spec::ModelSource source = spec::ParseModelSource(version->source);
  if (const auto* from = std::get_if<spec::RegisteredSource>(&source)) {
    return TakeFromVersion(services, *from, version);
  }
  if (const auto* from = std::get_if<spec::LoggedModelSource>(&source)) {
    return TakeFromLoggedModel(services, *from, version);
  }
  if (const auto* from = std::get_if<spec::RunSource>(&source)) {
    return TakeFromRun(services, *from, version);
  }
  if (!spec::IsModelsAddress(version->source)) return {};
  return CannotFetch(Code::kInvalidParameterValue, version->source,
                     "it must be models:/<name>/<version> or models:/<model id>.");
}

Status TellLoggedModel(Services& services, const store::ModelVersion& version) {
  if (version.logged_model_id.empty()) return {};
  ROOST_ASSIGN(const store::LoggedModel model, FindLoggedModel(services, version.logged_model_id));
  const auto known = model.tags.find(kVersionsTag);
  Answer versions =
      known == model.tags.end() ? Answer::array() : Answer::parse(known->second, nullptr, false);
  if (!versions.is_array()) versions = Answer::array();
  versions.push_back({{"name", version.name}, {"version", version.version}});
  return services.store.logged_models().SetTags(model.id, {{kVersionsTag, ToTagText(versions)}});
}

}  // namespace roost::api::mlflow
