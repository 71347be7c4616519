#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/result.h"
#include "spec/model_stage.h"
#include "spec/run_query.h"

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
  std::string source;    // as given: "outputs/model.pt", "/home/me/model"
  std::string location;  // where MLflow's clients fetch what `source` names; empty: at the source
  std::string run_id;    // lineage; empty: none
  std::string run_link;
  std::string logged_model_id;  // empty: none
  std::string experiment_name;
  std::optional<Digest> snapshot;  // of that run
  std::string submitter;
  spec::ModelStage stage = spec::ModelStage::kNone;
  std::vector<std::string> aliases;  // sorted
  Digest tree;                       // digest of the file list
  std::uint64_t bytes = 0;
  std::int64_t file_count = 0;
  Micros created_at = 0;
  Micros updated_at = 0;
};

// What registering a version takes for granted.
enum class Origin {
  // Files that are here: at least one. The model is made with its first version, and the run that
  // is named is here.
  kNative,
  // Files may lie elsewhere: what is here of them is pinned. The model must be there, the run may
  // be another server's.
  kMlflow
};

struct NewModelVersion {
  std::string name;
  Origin origin = Origin::kNative;
  std::string description;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> properties;
  std::string framework;
  std::string framework_version;
  std::string source;
  std::string location;
  std::string run_id;
  std::string run_link;
  std::string logged_model_id;
  std::string submitter;
  std::vector<ModelFile> files;
  // A retry with the same key gives the version that it made the first time. Empty: none.
  std::string idempotency_key;
};

struct ModelAlias {
  std::string alias;
  std::int64_t version = 0;
  bool operator==(const ModelAlias&) const = default;
};

// A model is there as long as it has versions; one that was given something of its own (it was made
// without versions, described, tagged, renamed) stays without them until it is deleted.
struct Model {
  std::string name;
  std::string description;
  std::map<std::string, std::string> tags;
  std::vector<ModelAlias> aliases;  // by alias
  std::string submitter;
  std::int64_t latest_version = 0;  // 0: it has none
  Micros created_at = 0;
  Micros updated_at = 0;
};

struct NewModel {
  std::string name;
  std::string description;
  std::map<std::string, std::string> tags;
  std::string submitter;
};

// A page of models or versions. Attributes of models: name, last_updated_timestamp; of versions:
// name, version_number, run_id, source_path, creation_timestamp, last_updated_timestamp (times only
// in orders). Prompts are models with a tag that says so.
struct ModelSearch {
  std::vector<spec::Condition> conditions;
  std::vector<spec::OrderBy> order;  // empty: models by name, versions the last changed first
  bool hide_prompts = false;
  std::int64_t offset = 0;
  std::int64_t limit = 100;
};
inline constexpr const char* kPromptTag = "mlflow.prompt.is_prompt";

class Models {
 public:
  explicit Models(Database& database) : database_(database) {}

  // --- Models ---

  Result<Model> Create(const NewModel& model);  // kConflict when the name is taken
  Result<Model> GetModel(const std::string& name) const;
  Result<std::vector<Model>> List(const std::string& after_name, std::size_t limit) const;
  Result<std::vector<Model>> Search(const ModelSearch& search) const;
  Result<Model> Describe(const std::string& name, const std::string& description);
  Result<Model> Rename(const std::string& name, const std::string& new_name);  // kConflict: taken
  // With all versions; a model of that name made later begins with version 1.
  Status DeleteModel(const std::string& name);
  Status SetTag(const std::string& name, const std::string& key, const std::string& value);
  Status DeleteTag(const std::string& name, const std::string& key);
  // An alias names one version, and goes with it.
  Status SetAlias(const std::string& name, const std::string& alias, std::int64_t version);
  Status DeleteAlias(const std::string& name, const std::string& alias);
  // Of each of these models the newest version of each stage, the stage of its oldest version
  // first.
  Result<std::vector<ModelVersion>> LatestOfStages(const std::vector<std::string>& names) const;

  // --- Versions ---

  // Requires: the files' blobs are durable. The next version number of that name, or what a known
  // idempotency key made the first time (`created` is false).
  struct Registered {
    ModelVersion version;
    bool created = true;
  };
  Result<Registered> Register(const NewModelVersion& model);
  Result<std::vector<ModelVersion>> Versions(const std::string& name) const;  // newest first
  Result<std::vector<ModelVersion>> OfRun(const std::string& run_id) const;
  Result<ModelVersion> Get(const std::string& name,
                           std::optional<std::int64_t> version) const;  // none: latest
  Result<std::vector<ModelFile>> Files(const std::string& name, std::int64_t version) const;
  Result<std::vector<ModelVersion>> SearchVersions(const ModelSearch& search) const;
  // Tags with no value are removed. Properties are added; another value of one that is there is
  // kConflict, and nothing changes.
  Status Update(const std::string& name, std::int64_t version,
                const std::optional<std::string>& description,
                const std::map<std::string, std::optional<std::string>>& tags,
                const std::map<std::string, std::string>& properties = {});
  // A change of the version alone: its model's `updated_at` stays.
  Result<ModelVersion> DescribeVersion(const std::string& name, std::int64_t version,
                                       const std::string& description);
  // Tags are no change of the version: its `updated_at` stays.
  Status SetVersionTag(const std::string& name, std::int64_t version, const std::string& key,
                       const std::string& value);
  Status DeleteVersionTag(const std::string& name, std::int64_t version, const std::string& key);
  enum class Others { kStay, kAreArchived };  // the other versions in that stage
  Result<ModelVersion> MoveToStage(const std::string& name, std::int64_t version,
                                   spec::ModelStage stage, Others others);
  // The number is never used again.
  enum class LastVersion { kTakesModelAlong, kLeavesModel };
  Status Delete(const std::string& name, std::int64_t version,
                LastVersion last = LastVersion::kTakesModelAlong);

 private:
  Database& database_;
};

}  // namespace roost::store
