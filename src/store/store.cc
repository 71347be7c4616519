#include "store/store.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/strings.h"
#include "store/artifacts.h"
#include "store/blobs.h"
#include "store/compute_targets.h"
#include "store/database.h"
#include "store/datasets.h"
#include "store/datastores.h"
#include "store/environments.h"
#include "store/events.h"
#include "store/experiments.h"
#include "store/file_uploads.h"
#include "store/launches.h"
#include "store/logged_models.h"
#include "store/metrics.h"
#include "store/model_import.h"
#include "store/models.h"
#include "store/run_data.h"
#include "store/run_import.h"
#include "store/run_inputs.h"
#include "store/runs.h"
#include "store/snapshots.h"
#include "store/tokens.h"

namespace roost::store {
namespace {

constexpr const char* kDatabaseFile = "roost.db";

// The lock, with our process id in the file for those who find it taken.
Result<FileLock> LockFolder(const fs::path& data_folder) {
  const fs::path path = data_folder / "lock";
  Result<FileLock> lock = FileLock::Acquire(path);
  if (!lock && lock.error().code == ErrorCode::kUnavailable) {
    const std::string holder(Trim(ReadFile(path).value_or("")));
    return Fail(ErrorCode::kUnavailable,
                "The data folder " + data_folder.string() + " is in use by another server" +
                    (holder.empty() ? "" : " (process " + holder + ")") +
                    ". Stop it first, or choose another folder with --data.");
  }
  ROOST_TRY(lock);
  ROOST_ASSIGN(const Fd file, OpenFile(path, O_WRONLY | O_TRUNC));
  ROOST_TRY(WriteAll(file.get(), std::to_string(getpid()) + "\n", path));
  return lock;
}

Result<std::string> ReadEpoch(Database& database) {
  return database.Read<std::string>([](Connection& db) -> Result<std::string> {
    ROOST_ASSIGN(Statement query, db.Prepare("SELECT value FROM meta WHERE name = 'epoch'"));
    ROOST_TRY(query.Step());
    return query.Text(0);
  });
}

}  // namespace

// In the order in which they are made; taken down the other way round, the lock last.
struct Store::State {
  State(fs::path folder, FileLock held, std::unique_ptr<Database> opened,
        std::unique_ptr<Blobs> contents)
      : data_folder(std::move(folder)),
        lock(std::move(held)),
        database(std::move(opened)),
        blobs(std::move(contents)),
        snapshots(*database, *blobs),
        experiments(*database),
        runs(*database),
        metrics(*database),
        artifacts(*database),
        models(*database),
        datastores(*database, *blobs),
        datasets(*database),
        run_data(*database),
        compute_targets(*database),
        launches(*database),
        events(*database),
        tokens(*database),
        environments(*database),
        logged_models(*database),
        run_inputs(*database),
        file_uploads(*database),
        run_import(*database, runs, run_inputs, metrics, artifacts, *blobs),
        model_import(*database, *blobs) {}

  const fs::path data_folder;
  const FileLock lock;
  const std::unique_ptr<Database> database;
  const std::unique_ptr<Blobs> blobs;
  Snapshots snapshots;
  Experiments experiments;
  Runs runs;
  Metrics metrics;
  Artifacts artifacts;
  Models models;
  Datastores datastores;
  Datasets datasets;
  RunData run_data;
  ComputeTargets compute_targets;
  Launches launches;
  Events events;
  Tokens tokens;
  Environments environments;
  LoggedModels logged_models;
  RunInputs run_inputs;
  FileUploads file_uploads;
  RunImport run_import;
  ModelImport model_import;
  std::string epoch;
};

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::Open(const StoreOptions& options) {
  const fs::path& folder = options.data_folder;
  ROOST_TRY(MakeFolders(folder, 0700));
  ROOST_ASSIGN(FileLock lock, LockFolder(folder));
  ROOST_ASSIGN(std::unique_ptr<Database> database,
               Database::Open(folder / kDatabaseFile, *options.clock, options.reader_connections));
  ROOST_ASSIGN(std::unique_ptr<Blobs> blobs, Blobs::Open(folder / "blobs"));
  auto state =
      std::make_unique<State>(folder, std::move(lock), std::move(database), std::move(blobs));
  ROOST_ASSIGN(state->epoch, ReadEpoch(*state->database));
  ROOST_TRY(state->experiments.FinishLifecycleChanges());
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

Blobs& Store::blobs() { return *state_->blobs; }
Snapshots& Store::snapshots() { return state_->snapshots; }
Experiments& Store::experiments() { return state_->experiments; }
Runs& Store::runs() { return state_->runs; }
Metrics& Store::metrics() { return state_->metrics; }
Artifacts& Store::artifacts() { return state_->artifacts; }
Models& Store::models() { return state_->models; }
Datastores& Store::datastores() { return state_->datastores; }
Datasets& Store::datasets() { return state_->datasets; }
RunData& Store::run_data() { return state_->run_data; }
ComputeTargets& Store::compute_targets() { return state_->compute_targets; }
Launches& Store::launches() { return state_->launches; }
Events& Store::events() { return state_->events; }
Tokens& Store::tokens() { return state_->tokens; }
Environments& Store::environments() { return state_->environments; }
LoggedModels& Store::logged_models() { return state_->logged_models; }
RunInputs& Store::run_inputs() { return state_->run_inputs; }
FileUploads& Store::file_uploads() { return state_->file_uploads; }
RunImport& Store::run_import() { return state_->run_import; }
ModelImport& Store::model_import() { return state_->model_import; }
Database& Store::database() { return *state_->database; }

const fs::path& Store::data_folder() const { return state_->data_folder; }
const std::string& Store::epoch() const { return state_->epoch; }

void Store::SetCommitListener(std::function<void(const CommitNotice&)> listener) {
  state_->database->SetCommitListener(std::move(listener));
}

Status Store::Health() const { return state_->database->Health(); }

}  // namespace roost::store
