#include "api/mlflow/file_place.h"

#include <algorithm>

#include "api/mlflow/artifact_path.h"
#include "api/mlflow/errors.h"
#include "api/run_access.h"
#include "api/run_logs.h"
#include "base/strings.h"
#include "spec/data_definition.h"
#include "store/artifacts.h"
#include "store/datastores.h"
#include "store/models.h"

namespace roost::api::mlflow {
namespace {

constexpr std::size_t kFilesAtOnce = 1000;

tl::unexpected<Error> NoSuchArtifact(const std::string& path) {
  return Fail(Code::kResourceDoesNotExist, "No such artifact: '" + path + "'");
}

FileAnswer BlobAnswer(Services& services, const Digest& digest, const std::string& path) {
  return {FromBlob(services.store.blobs(), digest), path, digest.Hex()};
}

template <class T>
std::vector<FilePlace::File> FilesOfRows(const std::vector<T>& rows) {
  std::vector<FilePlace::File> files;
  files.reserve(rows.size());
  for (const T& row : rows) files.push_back({row.path, row.size});
  return files;
}

// A run's artifacts, and its logs while they are still written.
class RunFiles : public FilePlace {
 public:
  RunFiles(Services& services, store::Run run) : services_(services), run_(std::move(run)) {}

  Result<std::vector<File>> List(const std::string& prefix, const std::string& after,
                                 std::size_t limit) override {
    ROOST_ASSIGN(const auto rows, services_.store.artifacts().List(run_.key, prefix, after, limit));
    std::vector<File> files = FilesOfRows(rows);
    ROOST_ASSIGN(const auto logs, LogsBesideArtifacts(services_.store, run_, prefix, after));
    for (const RunLog& log : logs) files.push_back({log.path, log.size});
    std::sort(files.begin(), files.end(),
              [](const File& a, const File& b) { return a.path < b.path; });
    if (files.size() > limit) files.resize(limit);
    return files;
  }

  Result<FileAnswer> Open(const std::string& path) override {
    const auto row = services_.store.artifacts().Get(run_.key, path);
    if (row) return BlobAnswer(services_, row->digest, path);
    if (row.error().code != ErrorCode::kNotFound) return tl::unexpected<Error>(row.error());
    std::error_code missing;
    const auto log = RunLogPath(services_.store, run_, path, 0);
    if (log && fs::is_regular_file(*log, missing)) return FileAnswer{FromDisk(*log), path, ""};
    return NoSuchArtifact(path);
  }

  Status Put(const std::string& path, const store::BlobInfo& blob) override {
    return services_.store.artifacts().Add(run_.key, {{path, blob.digest, blob.size, 0}},
                                           store::Artifacts::Overwrite::kReplace);
  }

  Result<std::size_t> Remove(const std::string& path) override {
    store::Artifacts& artifacts = services_.store.artifacts();
    std::size_t removed = 0;
    if (artifacts.Get(run_.key, path)) {
      ROOST_TRY(artifacts.Remove(run_.key, path));
      ++removed;
    }
    while (true) {
      ROOST_ASSIGN(const auto rows, artifacts.List(run_.key, path + "/", "", kFilesAtOnce));
      if (rows.empty()) return removed;
      for (const store::Artifact& row : rows) ROOST_TRY(artifacts.Remove(run_.key, row.path));
      removed += rows.size();
    }
  }

  Status MayWrite(const store::Token& token) override {
    return services_.run_access.Check(token, run_.id.value());
  }

 private:
  Services& services_;
  const store::Run run_;
};

class LoggedModelFiles : public FilePlace {
 public:
  LoggedModelFiles(Services& services, const store::LoggedModel& model)
      : services_(services), id_(model.id), source_run_id_(model.source_run_id) {}

  Result<std::vector<File>> List(const std::string& prefix, const std::string& after,
                                 std::size_t limit) override {
    ROOST_ASSIGN(const auto rows, models().ListFiles(id_, prefix, after, limit));
    return FilesOfRows(rows);
  }
  Result<FileAnswer> Open(const std::string& path) override {
    const auto row = models().GetFile(id_, path);
    if (!row && row.error().code == ErrorCode::kNotFound) return NoSuchArtifact(path);
    ROOST_TRY(row);
    return BlobAnswer(services_, row->digest, path);
  }
  Status Put(const std::string& path, const store::BlobInfo& blob) override {
    return models().AddFile(id_, {path, blob.digest, blob.size, 0});
  }
  Result<std::size_t> Remove(const std::string& path) override {
    return models().RemoveFiles(id_, path);
  }
  Status MayWrite(const store::Token& token) override {
    return MayWriteModel(services_, token, source_run_id_);
  }

 private:
  store::LoggedModels& models() { return services_.store.logged_models(); }

  Services& services_;
  const std::string id_;
  const std::string source_run_id_;
};

// A registered version's files never change.
class VersionFiles : public FilePlace {
 public:
  VersionFiles(Services& services, std::string name, std::int64_t version,
               std::vector<store::ModelFile> files)
      : services_(services), name_(std::move(name)), version_(version), files_(std::move(files)) {}

  Result<std::vector<File>> List(const std::string& prefix, const std::string& after,
                                 std::size_t limit) override {
    std::vector<File> files;
    for (const store::ModelFile& file : files_) {
      if (files.size() == limit) break;
      if (file.path.starts_with(prefix) && file.path > after) {
        files.push_back({file.path, file.size});
      }
    }
    return files;
  }
  Result<FileAnswer> Open(const std::string& path) override {
    for (const store::ModelFile& file : files_) {
      if (file.path == path) return BlobAnswer(services_, file.digest, path);
    }
    return NoSuchArtifact(path);
  }
  Status Put(const std::string&, const store::BlobInfo&) override { return Fixed(); }
  Result<std::size_t> Remove(const std::string&) override { return Fixed(); }
  Status MayWrite(const store::Token&) override { return Fixed(); }

 private:
  tl::unexpected<Error> Fixed() const {
    return Invalid("The files of version " + std::to_string(version_) + " of model " + name_ +
                   " never change. Register another version.");
  }

  Services& services_;
  const std::string name_;
  const std::int64_t version_;
  const std::vector<store::ModelFile> files_;  // by path
};

// What lies with no run and no model.
class ServerFiles : public FilePlace {
 public:
  explicit ServerFiles(Services& services) : services_(services) {}

  Result<std::vector<File>> List(const std::string& prefix, const std::string& after,
                                 std::size_t limit) override {
    ROOST_ASSIGN(const auto rows, store().ListFiles(kName, prefix, after, limit));
    return FilesOfRows(rows);
  }
  Result<FileAnswer> Open(const std::string& path) override {
    const auto row = store().GetFile(kName, path);
    if (!row && row.error().code == ErrorCode::kNotFound) return NoSuchArtifact(path);
    ROOST_TRY(row);
    return BlobAnswer(services_, row->digest, path);
  }
  Status Put(const std::string& path, const store::BlobInfo& blob) override {
    using Overwrite = store::Datastores::Overwrite;
    ROOST_TRY(store().AddFiles(kName, {{path, blob.digest, blob.size, 0}}, Overwrite::kReplace));
    return {};
  }
  Result<std::size_t> Remove(const std::string& path) override {
    std::size_t removed = 0;
    if (store().GetFile(kName, path)) {
      ROOST_TRY(store().RemoveFile(kName, path));
      ++removed;
    }
    while (true) {
      ROOST_ASSIGN(const auto rows, store().ListFiles(kName, path + "/", "", kFilesAtOnce));
      if (rows.empty()) return removed;
      for (const store::DatastoreFile& row : rows) ROOST_TRY(store().RemoveFile(kName, row.path));
      removed += rows.size();
    }
  }
  Status MayWrite(const store::Token&) override {
    ROOST_ASSIGN(const store::Datastore datastore, store().Get(kName));
    if (!datastore.is_folder()) return {};
    return Fail(Code::kNotImplemented,
                std::string("The datastore ") + kName + " is a folder here (" +
                    datastore.folder.string() +
                    ") and takes no artifacts. Remove it and give the folder another name.");
  }
  Status MayRemove(const store::Token& token) override {
    if (!token.run) return {};
    return Fail(Code::kPermissionDenied,
                "A run's own token may only touch its run and its children.");
  }

 private:
  static constexpr const char* kName = spec::kArtifactDatastore;

  store::Datastores& store() { return services_.store.datastores(); }

  Services& services_;
};

bool IsLoggedModelId(const std::string& text) {
  return text.size() == 34 && text.starts_with("m-") &&
         text.find_first_not_of("0123456789abcdef", 2) == std::string::npos;
}

std::string JoinFrom(const std::vector<std::string>& parts, std::size_t from) {
  std::string path;
  for (std::size_t i = from; i < parts.size(); ++i) {
    if (i > from) path += '/';
    path += parts[i];
  }
  return path;
}

// The place that the parts before `artifacts` name; none when they name nothing here.
Result<std::unique_ptr<FilePlace>> FindOwner(Services& services,
                                             const std::vector<std::string>& parts,
                                             std::size_t artifacts) {
  const std::string& id = parts[artifacts - 1];
  if (artifacts >= 2 && parts[artifacts - 2] == "models" && IsLoggedModelId(id)) {
    ROOST_ASSIGN(const store::LoggedModel model, services.store.logged_models().Get(id));
    return FilesOf(services, model);
  }
  auto run = services.store.runs().Get(RunId(id));
  if (run) return FilesOf(services, *run);
  if (run.error().code == ErrorCode::kNotFound) return std::unique_ptr<FilePlace>();
  return tl::unexpected<Error>(run.error());
}

}  // namespace

Status FilePlace::CheckPut(const std::string& path) {
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    if (Open(above)) {
      return Invalid("The artifact '" + path + "' cannot lie below '" + above +
                     "', which is a file.");
    }
  }
  ROOST_ASSIGN(const auto below, List(path + "/", "", 1));
  if (below.empty()) return {};
  return Invalid("The artifact '" + path + "' cannot be a file: it is a folder.");
}

std::unique_ptr<FilePlace> FilesOf(Services& services, const store::Run& run) {
  return std::make_unique<RunFiles>(services, run);
}

std::unique_ptr<FilePlace> FilesOf(Services& services, const store::LoggedModel& model) {
  return std::make_unique<LoggedModelFiles>(services, model);
}

Result<std::unique_ptr<FilePlace>> FilesOfVersion(Services& services, const std::string& name,
                                                  std::int64_t version) {
  ROOST_ASSIGN(auto files, services.store.models().Files(name, version));
  return std::make_unique<VersionFiles>(services, name, version, std::move(files));
}

Status MayWriteModel(Services& services, const store::Token& token,
                     const std::string& source_run_id) {
  if (!token.run) return {};
  if (!source_run_id.empty()) return services.run_access.Check(token, source_run_id);
  return Fail(Code::kPermissionDenied,
              "A run's own token may only change logged models of its run and its children.");
}

Result<ProxyPath> FindProxyPath(Services& services, std::string_view sent) {
  ROOST_ASSIGN(const std::string path, SafePath(sent));
  const std::vector<std::string> parts = Split(path, '/');
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] != "artifacts") continue;
    ROOST_ASSIGN(auto place, FindOwner(services, parts, i));
    if (place) return ProxyPath{std::move(place), JoinFrom(parts, i + 1)};
  }
  return ProxyPath{std::make_unique<ServerFiles>(services), path};
}

Result<std::vector<FolderEntry>> ListFolder(FilePlace& place, const std::string& folder) {
  const std::string prefix = folder.empty() ? "" : folder + "/";
  std::vector<FolderEntry> entries;
  std::string after;
  while (true) {
    ROOST_ASSIGN(const auto files, place.List(prefix, after, kFilesAtOnce));
    for (const FilePlace::File& file : files) {
      const std::string rest = file.path.substr(prefix.size());
      const std::size_t slash = rest.find('/');
      const bool is_folder = slash != std::string::npos;
      const std::string name = rest.substr(0, slash);
      after = file.path;
      if (is_folder && !entries.empty() && entries.back().name == name) continue;
      entries.push_back({name, is_folder, is_folder ? 0 : file.size});
    }
    if (files.size() < kFilesAtOnce) break;
    // Past all that lies in the last folder, however much that is: no path has this byte.
    if (entries.back().is_folder) after = prefix + entries.back().name + "/\xff";
  }
  std::sort(entries.begin(), entries.end(),
            [](const FolderEntry& a, const FolderEntry& b) { return a.name < b.name; });
  return entries;
}

}  // namespace roost::api::mlflow
