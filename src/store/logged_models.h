#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/result.h"
#include "spec/run_query.h"
#include "spec/run_state.h"

namespace roost::store {

class Database;
struct WriteContext;

enum class LoggedModelStatus { kUnspecified, kPending, kReady, kUploadFailed };
std::string_view ToString(LoggedModelStatus status);  // "PENDING"

// A point that a run logged and that speaks of a model, perhaps as seen on a dataset.
struct LoggedModelPoint {
  std::string name;
  double value = 0;
  Micros time = 0;
  std::int64_t step = 0;
  std::string dataset_name;  // empty: of no dataset
  std::string dataset_digest;
  std::string run_id;
};

// A model that a client logged, with files of its own; it need not be registered.
struct LoggedModel {
  std::int64_t key = 0;
  std::string id;  // "m-" and 32 hex digits
  ExperimentId experiment;
  std::string name;
  LoggedModelStatus status = LoggedModelStatus::kPending;
  std::string status_message;
  std::string model_type;
  std::string source_run_id;  // empty: it comes from no run
  spec::Lifecycle lifecycle = spec::Lifecycle::kActive;
  Micros created_at = 0;
  Micros updated_at = 0;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> params;
  std::vector<LoggedModelPoint> metrics;  // by name, time and step
};

struct NewLoggedModel {
  ExperimentId experiment;
  std::string name;
  std::string model_type = {};
  std::string source_run_id = {};
  std::map<std::string, std::string> tags = {};
  std::map<std::string, std::string> params = {};
};

struct LoggedModelFile {
  std::string path;
  Digest digest;
  std::uint64_t size = 0;
  Micros created_at = 0;
};

// A dataset of a search; an empty digest: any version.
struct LoggedModelDataset {
  std::string name;
  std::string digest;
};

// Attributes of filters and orders: name, model_id, model_type, status, source_run_id,
// creation_timestamp, last_updated_timestamp (both in milliseconds).
struct LoggedModelSearch {
  std::vector<ExperimentId> experiments = {};  // none: nothing is found
  // A metric holds when any of its points on one of `datasets` does.
  std::vector<spec::Condition> filter = {};
  // Only models with points on one of them; none: all.
  std::vector<LoggedModelDataset> datasets = {};
  struct Order {
    spec::Field field;  // a metric counts with its newest point
    bool descending = false;
    LoggedModelDataset dataset;  // of a metric; an empty name: any
  };
  std::vector<Order> order = {};  // then the newest first
  std::size_t offset = 0;
  std::size_t limit = 100;
};

class LoggedModels {
 public:
  explicit LoggedModels(Database& database) : database_(database) {}

  // kNotFound without the experiment, kConflict when it is deleted.
  Result<LoggedModel> Create(const NewLoggedModel& model);
  enum class Deleted { kHidden, kShown };
  Result<LoggedModel> Get(const std::string& id, Deleted deleted = Deleted::kHidden) const;
  Result<std::vector<LoggedModel>> Search(const LoggedModelSearch& search) const;

  Status SetStatus(const std::string& id, LoggedModelStatus status, const std::string& message);
  Status SetTags(const std::string& id, const std::map<std::string, std::string>& tags);
  Status RemoveTag(const std::string& id, const std::string& tag);
  // The same value again is fine, another one is kConflict.
  Status AddParams(const std::string& id, const std::map<std::string, std::string>& params);
  // It and its files go with the next garbage collection.
  Status Delete(const std::string& id);

  // On the writer's thread, with the write that keeps the points in the run. kNotFound names a
  // model that is not there. What is there already is left.
  static Status AddPoints(WriteContext& context, RunKey run, const std::string& model_id,
                          const std::vector<LoggedModelPoint>& points);

  // Requires: the blob is durable. Replaces a file of the same path.
  Status AddFile(const std::string& id, const LoggedModelFile& file);
  Result<LoggedModelFile> GetFile(const std::string& id, const std::string& path) const;
  // By path, those that start with `prefix`, after `after`.
  Result<std::vector<LoggedModelFile>> ListFiles(const std::string& id, const std::string& prefix,
                                                 const std::string& after, std::size_t limit) const;
  // The file `path` and all below the folder `path`; how many they were.
  Result<std::size_t> RemoveFiles(const std::string& id, const std::string& path);

 private:
  Database& database_;
};

}  // namespace roost::store
