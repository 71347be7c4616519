#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "spec/data_definition.h"

namespace roost::store {

class Database;

struct DatasetFile {
  std::string path;  // relative to the dataset's common folder
  Digest digest;
  std::uint64_t size = 0;
};

// One of a dataset's paths, as it was understood when the dataset was made.
struct DatasetPath {
  spec::DataPath place;
  std::string base;              // the folder that its files' paths are relative to
  std::optional<Digest> digest;  // of what an address gave
  std::uint64_t size = 0;        // of that
};

// A fixed definition of data. What lies in datastores of type "store" is pinned by its contents;
// when one of the paths is in a folder, the folder is read anew each time (`tree` is empty).
struct Dataset {
  std::string id;
  std::string name;          // empty: not registered
  std::int64_t version = 0;  // 1, 2, 3... of a registered one
  std::string description;
  std::map<std::string, std::string> tags;
  std::vector<DatasetPath> paths;
  std::optional<Digest> tree;
  std::int64_t file_count = 0;
  std::uint64_t bytes = 0;
  bool single_file = false;
  Micros created_at = 0;
};

struct NewDataset {
  std::string name;  // empty: not registered
  std::string description;
  std::map<std::string, std::string> tags;
  std::vector<DatasetPath> paths;
  std::optional<std::vector<DatasetFile>> files;  // sorted; none: read anew each time
  std::int64_t file_count = 0;
  std::uint64_t bytes = 0;
  bool single_file = false;
  bool create_new_version = false;
};

class Datasets {
 public:
  explicit Datasets(Database& database) : database_(database) {}

  // The same data under the same name (its newest version), or without one, is what is there
  // already. Another definition under a name that exists is kConflict without create_new_version.
  // Requires: the files' blobs are named by a row or were just looked at.
  struct Created {
    Dataset dataset;
    bool created = true;
  };
  Result<Created> Create(const NewDataset& dataset);

  // The newest version of each name (or of one), after `after_name`.
  Result<std::vector<Dataset>> List(const std::string& after_name, std::size_t limit) const;
  Result<std::vector<Dataset>> Versions(const std::string& name) const;  // newest first
  Result<Dataset> Get(const std::string& name, std::optional<std::int64_t> version) const;
  Result<Dataset> GetById(const std::string& id) const;
  // Of a registered version; tags with no value are removed.
  Result<Dataset> Update(const std::string& name, std::optional<std::int64_t> version,
                         const std::optional<std::string>& description,
                         const std::map<std::string, std::optional<std::string>>& tags);
  // All versions lose their name; runs that read them go on naming them by id.
  Status Unregister(const std::string& name);
  // So that collection spares it for a while.
  Status Touch(const std::string& id);

  Result<std::vector<DatasetFile>> Files(const Digest& tree, const std::string& after,
                                         std::size_t limit) const;
  Result<DatasetFile> GetFile(const Digest& tree, const std::string& path) const;

 private:
  Database& database_;
};

}  // namespace roost::store
