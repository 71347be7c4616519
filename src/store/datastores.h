#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"

namespace roost::store {

class Blobs;
class Database;

// A named place for data. One of type "store" is rows that name blobs; one of type "folder" is a
// folder of this machine that the operator gave, and only its name and path are kept here.
struct Datastore {
  std::string name;
  fs::path folder;  // empty: of type "store"
  bool is_default = false;
  bool read_only = false;
  Micros created_at = 0;
  bool is_folder() const { return !folder.empty(); }
};

// A file of a datastore of type "store".
struct DatastoreFile {
  std::string path;
  Digest digest;
  std::uint64_t size = 0;
  Micros modified_at = 0;
};

class Datastores {
 public:
  Datastores(Database& database, Blobs& blobs) : database_(database), blobs_(blobs) {}

  Result<std::vector<Datastore>> List() const;  // by name
  Result<Datastore> Get(const std::string& name) const;
  Result<Datastore> Default() const;
  // A folder. Requires: the name and the folder were checked. The same name with other settings is
  // kConflict.
  struct Created {
    Datastore datastore;
    bool created = true;
  };
  Result<Created> Create(const Datastore& datastore);
  Status SetDefault(const std::string& name);
  // Forgets a folder; its files stay. The built-in ones and the default one are kConflict.
  Status Remove(const std::string& name);

  enum class Overwrite { kRefuse, kReplace };
  // All or nothing, in one transaction. With kRefuse a path with another content is kConflict, and
  // details name every such path; so is a path that would be both file and folder. Contents that
  // are not here are listed in `missing`; then nothing was changed.
  struct Added {
    std::size_t added = 0;
    std::size_t unchanged = 0;
    std::vector<Digest> missing;
  };
  Result<Added> AddFiles(const std::string& name, const std::vector<DatastoreFile>& files,
                         Overwrite overwrite);
  Result<DatastoreFile> GetFile(const std::string& name, const std::string& path) const;
  // By path, those that start with `prefix`, after `after`.
  Result<std::vector<DatastoreFile>> ListFiles(const std::string& name, const std::string& prefix,
                                               const std::string& after, std::size_t limit) const;
  Status RemoveFile(const std::string& name, const std::string& path);

 private:
  Database& database_;
  Blobs& blobs_;
};

}  // namespace roost::store
