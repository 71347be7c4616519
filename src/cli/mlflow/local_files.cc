#include "cli/mlflow/local_files.h"

#include "spec/model_source.h"

namespace roost::cli::mlflow {
namespace {

constexpr std::string_view kProxy = "mlflow-artifacts:";

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// "/1/0c6f.../artifacts" of "mlflow-artifacts://host/1/0c6f.../artifacts", without the slash.
std::string ProxyPath(std::string_view uri) {
  uri.remove_prefix(kProxy.size());
  if (uri.starts_with("//")) {
    uri.remove_prefix(2);
    const std::size_t slash = uri.find('/');
    uri.remove_prefix(slash == std::string_view::npos ? uri.size() : slash);
  }
  while (uri.starts_with('/')) uri.remove_prefix(1);
  return std::string(uri);
}

// Where MLflow puts the files of an owner below a root.
fs::path UsualPlace(const fs::path& root, const Owner& owner) {
  fs::path place = root / owner.experiment_id;
  if (owner.kind == Owner::Kind::kModel) place /= "models";
  return place / owner.id / "artifacts";
}

std::string SchemeOf(const std::string& uri) {
  const std::size_t colon = uri.find("://");
  return colon == std::string::npos ? "" : uri.substr(0, colon);
}

}  // namespace

bool LocalFiles::StaysThere(const std::string& location) {
  const std::string scheme = SchemeOf(location);
  return !scheme.empty() && scheme != "file" && scheme != "http" && scheme != "https" &&
         scheme != "mlflow-artifacts";
}

Result<fs::path> LocalFiles::FolderOf(const Owner& owner) const {
  if (owner.uri.starts_with(kProxy)) {
    if (artifacts_.empty()) {
      return Fail(ErrorCode::kNotFound,
                  "A server keeps these files (mlflow-artifacts:). Name its folder with "
                  "--artifacts, or import from the server's address.");
    }
    const std::string path = ProxyPath(owner.uri);
    if (!IsSafeRelativePath(path)) {
      return Fail(ErrorCode::kInvalidArgument, "'" + owner.uri + "' is no address of files.");
    }
    return IsFolder(artifacts_ / path) ? artifacts_ / path : fs::path();
  }
  const auto local = spec::LocalPathOfSource(owner.uri);
  if (!local) {
    return Fail(ErrorCode::kNotFound,
                "Files behind " + SchemeOf(owner.uri) + ":// are not read from here.");
  }
  const fs::path folder(*local);
  if (IsFolder(folder)) return folder;
  for (const fs::path& root : {store_, artifacts_}) {
    if (!root.empty() && IsFolder(UsualPlace(root, owner))) return UsualPlace(root, owner);
  }
  // A run without files may have no folder; its experiment's tells whether this is the machine.
  const fs::path experiment = owner.kind == Owner::Kind::kModel
                                  ? folder.parent_path().parent_path().parent_path()
                                  : folder.parent_path().parent_path();
  if (IsFolder(experiment) || IsFolder(experiment.parent_path())) return fs::path();
  if (!store_.empty() && IsFolder(store_ / owner.experiment_id)) return fs::path();
  return Fail(ErrorCode::kNotFound, "The folder " + experiment.string() +
                                        " is not on this machine. --artifacts names where its "
                                        "files are now.");
}

Source::FileList LocalFiles::ListOf(const Owner& owner) const {
  ROOST_ASSIGN(const fs::path folder, FolderOf(owner));
  std::vector<SourceFile> files;
  if (folder.empty()) return files;
  ROOST_ASSIGN(const auto entries, ListTree(folder));
  for (const TreeEntry& entry : entries) files.push_back({entry.path, entry.size});
  return files;
}

std::vector<Source::FileList> LocalFiles::List(std::span<const Owner> owners) const {
  std::vector<Source::FileList> lists;
  for (const Owner& owner : owners) lists.push_back(ListOf(owner));
  return lists;
}

std::vector<Result<fs::path>> LocalFiles::Get(std::span<const WantedFile> files) const {
  std::vector<Result<fs::path>> paths;
  for (const WantedFile& file : files) {
    const auto folder = FolderOf(*file.owner);
    if (folder) {
      paths.emplace_back(*folder / file.path);
    } else {
      paths.emplace_back(Fail(folder.error()));
    }
  }
  return paths;
}

}  // namespace roost::cli::mlflow
