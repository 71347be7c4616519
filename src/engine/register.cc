#include "engine/register.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "engine/take_files.h"
#include "spec/run_definition.h"
#include "spec/run_layout.h"
#include "store/artifacts.h"
#include "store/runs.h"

namespace roost::engine {
namespace {

constexpr std::size_t kPage = 1000;
constexpr std::size_t kFilesInError = 50;

// "./outputs/x/" is "outputs/x".
std::string NormalisedPath(std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

Result<std::vector<store::Artifact>> AllArtifacts(store::Store& store, RunKey run,
                                                  const std::string& prefix, std::size_t limit) {
  std::vector<store::Artifact> all;
  std::string after;
  while (all.size() < limit) {
    ROOST_ASSIGN(std::vector<store::Artifact> page,
                 store.artifacts().List(run, prefix, after, kPage));
    if (page.empty()) break;
    after = page.back().path;
    all.insert(all.end(), page.begin(), page.end());
  }
  return all;
}

// Outputs of a live run that are not artifacts yet.
Result<std::vector<FileToTake>> FilesInWorkingFolder(store::Store& store, const store::Run& run,
                                                     const std::string& model_path) {
  std::vector<FileToTake> files;
  if (run.kind != spec::RunKind::kManaged || spec::IsFinal(run.state) || run.attempt < 1 ||
      model_path.empty() || !IsSafeRelativePath(model_path)) {
    return files;
  }
  const std::string top = *fs::path(model_path).begin();
  if (top != "outputs" && top != "logs") return files;
  const spec::RunLayout layout(store.data_folder(), run.id, run.attempt);
  const fs::path folder = layout.working_folder() / top;
  std::error_code error;
  if (!fs::is_directory(folder, error)) return files;
  ROOST_ASSIGN(const std::vector<TreeEntry> entries, ListTree(folder));
  for (const TreeEntry& entry : entries) {
    const std::string path = top + "/" + entry.path;
    if (PathInModel(model_path, path)) files.push_back({folder / entry.path, path, entry.size});
  }
  return files;
}

Error NotLocated(store::Store& store, const store::Run& run, const std::string& model_path) {
  std::vector<std::string> names;
  if (const auto all = AllArtifacts(store, run.key, "", kFilesInError + 1)) {
    for (const store::Artifact& artifact : *all) names.push_back(artifact.path);
  }
  if (names.size() > kFilesInError) {
    names.resize(kFilesInError);
    names.push_back("...");
  }
  return {ErrorCode::kNotFound,
          fmt::format("Could not locate the provided model_path {} in the set of files uploaded to "
                      "the run: [{}]",
                      model_path, Join(names, ", ")),
          {}};
}

}  // namespace

std::optional<std::string> PathInModel(const std::string& model_path, const std::string& file) {
  if (model_path.empty()) return file;
  if (file == model_path) return fs::path(file).filename().string();
  if (file.starts_with(model_path + "/")) return file.substr(model_path.size() + 1);
  return {};
}

Result<std::vector<store::ModelFile>> FilesOfRun(store::Store& store, const store::Run& run,
                                                 const std::string& model_path) {
  std::vector<store::ModelFile> files;
  std::vector<std::string> uploaded;
  ROOST_ASSIGN(const std::vector<store::Artifact> artifacts,
               AllArtifacts(store, run.key, model_path, SIZE_MAX));
  for (const store::Artifact& artifact : artifacts) {
    if (auto path = PathInModel(model_path, artifact.path)) {
      files.push_back({*path, artifact.digest, artifact.size});
      uploaded.push_back(artifact.path);
    }
  }
  std::sort(uploaded.begin(), uploaded.end());
  ROOST_ASSIGN(std::vector<FileToTake> live, FilesInWorkingFolder(store, run, model_path));
  std::erase_if(live, [&](const FileToTake& file) {
    return std::binary_search(uploaded.begin(), uploaded.end(), file.path);
  });
  ROOST_ASSIGN(const TakenFiles taken, TakeFilesIntoBlobs(store, live, 0, [] { return false; }));
  if (!taken.skipped.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a file of the model cannot be read: " + taken.skipped.front());
  }
  for (const store::Artifact& file : taken.artifacts) {
    files.push_back({*PathInModel(model_path, file.path), file.digest, file.size});
  }
  std::sort(files.begin(), files.end(),
            [](const auto& one, const auto& other) { return one.path < other.path; });
  return files;
}

Result<store::Models::Registered> RegisterModel(store::Store& store, const RegisterFromRun& request,
                                                const std::string& submitter) {
  ROOST_TRY(spec::CheckModelName(request.model_name));
  ROOST_ASSIGN(const store::Run run, store.runs().Get(RunId(request.run_id)));
  if (run.lifecycle == spec::Lifecycle::kDeleted) {
    return Fail(ErrorCode::kConflict,
                fmt::format("run {} is deleted; restore it to register its files", request.run_id));
  }
  const std::string source = request.model_path.empty() ? request.model_name : request.model_path;
  const std::string model_path = NormalisedPath(source);
  ROOST_ASSIGN(std::vector<store::ModelFile> files, FilesOfRun(store, run, model_path));
  if (files.empty()) return Fail(NotLocated(store, run, model_path));

  store::NewModelVersion model;
  model.name = request.model_name;
  model.description = request.description;
  model.tags = request.tags;
  model.properties = request.properties;
  model.framework = request.framework;
  model.framework_version = request.framework_version;
  model.source = source;
  model.run_id = request.run_id;
  model.submitter = submitter;
  model.files = std::move(files);
  model.idempotency_key = request.idempotency_key;
  return store.models().Register(model);
}

}  // namespace roost::engine
