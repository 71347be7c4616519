#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/result.h"

namespace roost::store {

class Database;  // connections, the single writer with its lanes, migrations (database.h)
class Blobs;
class Snapshots;
class Experiments;
class Runs;
class Metrics;
class Artifacts;
class Models;
class Datastores;
class Datasets;
class RunData;
class ComputeTargets;
class Launches;
class Events;
class Tokens;
class Environments;
class LoggedModels;
class RunInputs;
class FileUploads;
class RunImport;
class ModelImport;

// What one group commit changed; told on the writer's thread after the commit is durable. Listeners
// must return at once (post to their own loop).
struct CommitNotice {
  std::int64_t last_event_id = 0;         // 0: no event in this commit
  std::vector<RunKey> runs_with_metrics;  // metric points or entries arrived
};

struct StoreOptions {
  fs::path data_folder;
  Clock* clock = &SystemClock();
  std::size_t reader_connections = 4;
};

// Everything one server keeps. Opens or makes the data folder, takes its lock (kUnavailable and the
// holder's pid when another server has it), migrates the schema, refuses a newer one, names a
// corrupt database and leaves it alone. All tables below are thread-safe: writes go to the single
// writer and return when the commit is durable (synchronous=FULL), reads use their own connections.
class Store {
 public:
  static Result<std::unique_ptr<Store>> Open(const StoreOptions& options);
  ~Store();  // finishes queued writes, checkpoints, lets go of the lock

  Blobs& blobs();
  Snapshots& snapshots();
  Experiments& experiments();
  Runs& runs();
  Metrics& metrics();
  Artifacts& artifacts();
  Models& models();
  Datastores& datastores();
  Datasets& datasets();
  RunData& run_data();
  ComputeTargets& compute_targets();
  Launches& launches();
  Events& events();
  Tokens& tokens();
  Environments& environments();
  LoggedModels& logged_models();
  RunInputs& run_inputs();
  FileUploads& file_uploads();
  RunImport& run_import();
  ModelImport& model_import();
  Database& database();

  const fs::path& data_folder() const;
  const std::string& epoch() const;  // part of stream tokens; a restore makes a new one
  void SetCommitListener(std::function<void(const CommitNotice&)> listener);

  // True while the last write failed for want of space or the disk's errors; part of /healthz.
  Status Health() const;

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace roost::store
