#include "api/mlflow/model_source.h"

#include <filesystem>

#include "api/mlflow/call.h"
#include "api/mlflow/limits.h"
#include "api/mlflow/objects.h"
#include "api/mlflow/registry.h"
#include "engine/register.h"
#include "spec/model_source.h"

namespace roost::api::mlflow {
namespace {

// Longer ones are no addresses, and undoing the escapes of one takes time.
constexpr std::size_t kMaxSource = 5000;

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

// Prompts have no files: their source is a placeholder.
Status CheckPromptSource(const store::NewModelVersion& version, bool is_local) {
  if (!is_local) return spec::CheckSourceAddress(version.source);
  const bool is_path =
      version.source.starts_with('/') || version.source.find(':') < version.source.find('/');
  if (!is_path) return {};
  return Invalid("Invalid prompt source: '" + version.source +
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
    return CheckPromptSource(version, local_path.has_value());
  }
  if (local_path) return CheckLocalSource(services, version, *local_path);
  return spec::CheckSourceAddress(version.source);
}

Status ResolveSource(Services& services, store::NewModelVersion* version) {
  const spec::ModelSource source = spec::ParseModelSource(version->source);
  if (const auto* from = std::get_if<spec::RegisteredSource>(&source)) {
    return TakeFromVersion(services, *from, version);
  }
  if (const auto* from = std::get_if<spec::RunSource>(&source)) {
    return TakeFromRun(services, *from, version);
  }
  if (!spec::IsModelsAddress(version->source)) return {};
  return CannotFetch(Code::kInvalidParameterValue, version->source,
                     "it must be models:/<name>/<version> or models:/<model id>.");
}

}  // namespace roost::api::mlflow
