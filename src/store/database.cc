#include "store/database.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <condition_variable>
#include <mutex>

#include "base/check.h"
#include "store/checkpointer.h"
#include "store/sqlite_error.h"
#include "store/writer.h"

namespace roost::store {
namespace {

// A check of every page is quick only for a small database; a larger one is believed, and damage is
// told by the statement that meets it.
constexpr std::uint64_t kLargestCheckedBytes = 8ULL << 20;

std::uint64_t SizeOf(const fs::path& file) {
  struct stat info {};
  return stat(file.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

// A clean stop leaves no log behind.
bool DeservesCheck(const fs::path& file) {
  const std::uint64_t log_bytes = SizeOf(file.string() + "-wal");
  return log_bytes > 0 && log_bytes + SizeOf(file) <= kLargestCheckedBytes;
}

Status QuickCheck(Connection& connection, const fs::path& file) {
  ROOST_ASSIGN(Statement check, connection.PrepareOnce("PRAGMA quick_check(1)"));
  ROOST_ASSIGN(const bool row, check.Step());
  const std::string verdict = row ? check.Text(0) : "no answer";
  if (verdict != "ok") return Fail(DamagedDatabase(file, verdict));
  return {};
}

// Before any connection that may write: opening one sets the journal's mode, and closing one moves
// the log into the file.
Status CheckUntouched(const fs::path& file) {
  const bool deserves_check = DeservesCheck(file);
  ROOST_ASSIGN(std::unique_ptr<Connection> reading,
               Connection::Open(file, Connection::Mode::kReadOnly));
  ROOST_TRY(CheckIdentity(*reading));
  return deserves_check ? QuickCheck(*reading, file) : Status();
}

Status CheckLogMode(Connection& connection, const fs::path& file) {
  ROOST_ASSIGN(Statement mode, connection.PrepareOnce("PRAGMA journal_mode"));
  ROOST_TRY(mode.Step());
  if (mode.TextView(0) == "wal") return {};
  return Fail(ErrorCode::kInvalidArgument,
              "The database " + file.string() +
                  " cannot have a write-ahead log there. Choose a data folder on a local disk.");
}

}  // namespace

struct Database::State {
  fs::path file;
  Clock* clock = nullptr;
  std::unique_ptr<Checkpointer> checkpointer;
  std::unique_ptr<Writer> writer;

  std::size_t most_readers = 0;
  std::mutex mutex;  // guards the readers
  std::condition_variable reader_is_back;
  std::vector<std::unique_ptr<Connection>> readers;  // all that were opened
  std::vector<Connection*> idle_readers;             // the last one used is taken first
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Database>> Database::Open(const fs::path& file, Clock& clock,
                                                 std::size_t readers) {
  if (SizeOf(file) > 0) ROOST_TRY(CheckUntouched(file));
  ROOST_ASSIGN(std::unique_ptr<Connection> writing,
               Connection::Open(file, Connection::Mode::kReadWrite));
  ROOST_TRY(CheckLogMode(*writing, file));
  ROOST_TRY(Migrate(*writing));
  ROOST_ASSIGN(std::unique_ptr<Connection> checkpointing,
               Connection::Open(file, Connection::Mode::kReadWrite));

  auto state = std::make_unique<State>();
  state->file = file;
  state->clock = &clock;
  state->most_readers = std::max<std::size_t>(readers, 1);
  state->checkpointer = std::make_unique<Checkpointer>(std::move(checkpointing));
  state->writer = std::make_unique<Writer>(std::move(writing), clock, *state->checkpointer);
  return std::unique_ptr<Database>(new Database(std::move(state)));
}

Database::~Database() {
  state_->writer.reset();
  state_->readers.clear();
  state_->checkpointer->Finish();
}

void Database::Submit(Lane lane, WriteFunction write, Done done) {
  state_->writer->Submit(lane, std::move(write), std::move(done));
}

Status Database::Write(Lane lane, WriteFunction write) {
  ROOST_CHECK(!state_->writer->OnThisThread());  // it would wait for itself
  std::promise<Status> promise;
  auto future = promise.get_future();
  Submit(lane, std::move(write), [&](Status status) { promise.set_value(std::move(status)); });
  return future.get();
}

void Database::SetBeforeCommit(std::function<Status(WriteContext&)> hook) {
  state_->writer->ChangeHooks([&](Writer::Hooks& hooks) { hooks.before_commit = std::move(hook); });
  WaitForOldHooks();
}

void Database::SetAfterGroup(std::function<void(bool)> hook) {
  state_->writer->ChangeHooks([&](Writer::Hooks& hooks) { hooks.after_group = std::move(hook); });
  WaitForOldHooks();
}

void Database::SetCommitListener(std::function<void(const CommitNotice&)> listener) {
  state_->writer->ChangeHooks([&](Writer::Hooks& hooks) { hooks.listener = std::move(listener); });
  WaitForOldHooks();
}

// The first write may join a group that began with the old hooks; the second one's group begins
// after that group's listener has returned.
void Database::WaitForOldHooks() {
  if (state_->writer->OnThisThread()) return;
  for (int i = 0; i < 2; ++i) (void)Write(Lane::kState, [](WriteContext&) { return Status(); });
}

Status Database::Health() const { return state_->writer->Health(); }
Micros Database::Now() const { return state_->clock->Now(); }
const fs::path& Database::file() const { return state_->file; }

// --- Readers ---

Database::Lease::Lease(const Database& database) : database_(database) {
  State& state = *database.state_;
  std::unique_lock lock(state.mutex);
  state.reader_is_back.wait(lock, [&] {
    return !state.idle_readers.empty() || state.readers.size() < state.most_readers;
  });
  if (state.idle_readers.empty()) {
    auto opened = Connection::Open(state.file, Connection::Mode::kReadOnly);
    if (!opened) {
      error_ = opened.error();
      return;
    }
    state.readers.push_back(std::move(*opened));
    connection_ = state.readers.back().get();
  } else {
    connection_ = state.idle_readers.back();
    state.idle_readers.pop_back();
  }
  lock.unlock();

  auto begin = connection_->Prepare("BEGIN DEFERRED");
  const Status begun = begin ? begin->Run() : Status(Fail(begin.error()));
  if (begun) return;
  error_ = begun.error();
  lock.lock();
  state.idle_readers.push_back(connection_);
  connection_ = nullptr;
}

Database::Lease::~Lease() {
  if (connection_ == nullptr) return;
  // A read that failed may have lost its transaction already; there is nothing to keep in any case.
  if (sqlite3_get_autocommit(connection_->raw()) == 0) {
    auto commit = connection_->Prepare("COMMIT");
    if (!commit || !commit->Run()) (void)connection_->Execute("ROLLBACK");
  }
  State& state = *database_.state_;
  {
    std::lock_guard lock(state.mutex);
    state.idle_readers.push_back(connection_);
  }
  state.reader_is_back.notify_one();
}

}  // namespace roost::store
