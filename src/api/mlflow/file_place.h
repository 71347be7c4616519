#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/file_source.h"
#include "api/services.h"
#include "store/blobs.h"
#include "store/logged_models.h"
#include "store/runs.h"
#include "store/tokens.h"

namespace roost::api::mlflow {

// The files of one owner (a run, a logged model, a version of a registered model, the server's own
// datastore), whatever the owner is. Paths are those that SafePath gives.
class FilePlace {
 public:
  struct File {
    std::string path;
    std::uint64_t size = 0;
  };

  virtual ~FilePlace() = default;
  // By path, those that start with `prefix`, after `after`.
  virtual Result<std::vector<File>> List(const std::string& prefix, const std::string& after,
                                         std::size_t limit) = 0;
  virtual Result<FileAnswer> Open(const std::string& path) = 0;
  // Replaces what is there. Requires: CheckPut and MayWrite.
  virtual Status Put(const std::string& path, const store::BlobInfo& blob) = 0;
  // The file, or all below the folder; how many they were.
  virtual Result<std::size_t> Remove(const std::string& path) = 0;
  // Whether the token's owner may put files here, and take them away.
  virtual Status MayWrite(const store::Token& token) = 0;
  virtual Status MayRemove(const store::Token& token) { return MayWrite(token); }

  // A path is either a file or a folder.
  Status CheckPut(const std::string& path);
};

std::unique_ptr<FilePlace> FilesOf(Services& services, const store::Run& run);
std::unique_ptr<FilePlace> FilesOf(Services& services, const store::LoggedModel& model);
Result<std::unique_ptr<FilePlace>> FilesOfVersion(Services& services, const std::string& name,
                                                  std::int64_t version);

// A run's own token may change the logged models of its run and of that run's children.
Status MayWriteModel(Services& services, const store::Token& token,
                     const std::string& source_run_id);

// What a path of the artifact proxy names: `.../<run id>/artifacts/<path>` lies with the run,
// `.../models/<model id>/artifacts/<path>` with the logged model, all else with the server.
struct ProxyPath {
  std::unique_ptr<FilePlace> place;
  std::string path;  // within the place
};
Result<ProxyPath> FindProxyPath(Services& services, std::string_view sent);

// One level of a folder, by name.
struct FolderEntry {
  std::string name;
  bool is_folder = false;
  std::uint64_t size = 0;
};
Result<std::vector<FolderEntry>> ListFolder(FilePlace& place, const std::string& folder);

}  // namespace roost::api::mlflow
