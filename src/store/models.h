#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/result.h"

namespace roost::store {

class Database;

struct ModelFile {
  std::string path;  // relative to the model's root
  Digest digest;
  std::uint64_t size = 0;
};

// A version pins the digests of its files, so deleting the run breaks no model.
struct ModelVersion {
  std::string name;
  std::int64_t version = 0;  // 1, 2, 3...
  std::string description;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> properties;
  std::string framework;
  std::string framework_version;
  std::string source;  // as given: "outputs/model.pt", "/home/me/model"
  std::string run_id;  // lineage; empty: none
  std::string experiment_name;
  std::optional<Digest> snapshot;  // of that run
  std::string submitter;
  Digest tree;  // digest of the file list
  std::uint64_t bytes = 0;
  std::int64_t file_count = 0;
  Micros created_at = 0;
  Micros updated_at = 0;
};

struct NewModelVersion {
  std::string name;
  std::string description;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> properties;
  std::string framework;
  std::string framework_version;
  std::string source;
  std::string run_id;
  std::string submitter;
  std::vector<ModelFile> files;
  // A retry with the same key gives the version that it made the first time. Empty: none.
  std::string idempotency_key;
};

struct Model {
  std::string name;
  std::int64_t latest_version = 0;
  Micros created_at = 0;
  Micros updated_at = 0;
};

class Models {
 public:
  explicit Models(Database& database) : database_(database) {}

  // Requires: the files' blobs are durable. The next version number of that name, or what a known
  // idempotency key made the first time (`created` is false).
  struct Registered {
    ModelVersion version;
    bool created = true;
  };
  Result<Registered> Register(const NewModelVersion& model);
  Result<std::vector<Model>> List(const std::string& after_name, std::size_t limit) const;
  Result<std::vector<ModelVersion>> Versions(const std::string& name) const;  // newest first
  Result<std::vector<ModelVersion>> OfRun(const std::string& run_id) const;
  Result<ModelVersion> Get(const std::string& name,
                           std::optional<std::int64_t> version) const;  // none: latest
  Result<std::vector<ModelFile>> Files(const std::string& name, std::int64_t version) const;
  // Tags with no value are removed.
  Status Update(const std::string& name, std::int64_t version,
                const std::optional<std::string>& description,
                const std::map<std::string, std::optional<std::string>>& tags);
  Status Delete(const std::string& name, std::int64_t version);  // the number is never used again

 private:
  Database& database_;
};

}  // namespace roost::store
