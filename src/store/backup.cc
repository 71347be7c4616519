#include <sqlite3.h>

#include <ctime>
#include <memory>
#include <set>

#include "base/clock.h"
#include "store/backup_format.h"
#include "store/blob_references.h"
#include "store/blobs.h"
#include "store/database.h"
#include "store/maintenance.h"
#include "store/maintenance_lock.h"
#include "store/run_removal.h"
#include "store/small_blobs.h"
#include "store/sqlite_error.h"
#include "store/store.h"

namespace roost::store {

namespace {

constexpr int kPagesAtOnce = 1024;  // 4 MiB

struct CloseBackup {
  void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
};

// The state of one moment, while the server writes on. An open read transaction keeps the moment:
// without it SQLite starts over whenever somebody commits, and never ends beside a busy writer.
Result<std::unique_ptr<Connection>> CopyDatabase(const fs::path& from, const fs::path& to,
                                                 const std::string& table) {
  ROOST_ASSIGN(const auto source, Connection::Open(from, Connection::Mode::kReadOnly));
  ROOST_TRY(source->Execute("BEGIN; SELECT 1 FROM " + table + " LIMIT 1"));
  ROOST_ASSIGN(auto target, Connection::Open(to, Connection::Mode::kReadWrite));
  // A copy that is cut off is thrown away, so it needs no journal, and it is synced in the end.
  ROOST_TRY(target->Execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF"));
  const std::unique_ptr<sqlite3_backup, CloseBackup> backup(
      sqlite3_backup_init(target->raw(), "main", source->raw(), "main"));
  if (!backup) return Fail(SqliteError(target->raw()));
  int code = SQLITE_OK;
  while (code == SQLITE_OK) code = sqlite3_backup_step(backup.get(), kPagesAtOnce);
  if (code != SQLITE_DONE) return Fail(SqliteError(target->raw()));
  return target;
}

class BackupWork {
 public:
  BackupWork(Store& store, const fs::path& folder) : store_(store), folder_(folder) {}

  Result<BackupReport> Run() {
    ROOST_TRY(MakeFolders(folder_, 0700));
    {
      ROOST_ASSIGN(const auto copy,
                   CopyDatabase(store_.database().file(), folder_ / kDatabaseFileName, "meta"));
      ROOST_TRY(CopyWhatItNames(*copy));
    }
    ROOST_TRY(Count(folder_ / kDatabaseFileName));
    ROOST_TRY(SyncFileSystem(folder_));
    manifest_.created_at = SystemClock().Now();
    manifest_.bytes = report_.bytes;
    ROOST_TRY(WriteFileAtomic(folder_ / kBackupManifestFile, ToJsonText(manifest_), 0600));
    return report_;
  }

  void RemoveHalf() {
    for (const char* name : {"blobs", "runs"}) (void)RemoveTree(folder_ / name);
    for (const char* end : {"", "-wal", "-shm", "-journal"}) {
      (void)RemoveTree(folder_ / (std::string(kDatabaseFileName) + end));
    }
  }

 private:
  Status CopyWhatItNames(Connection& copy) {
    ROOST_ASSIGN(const std::vector<Digest> digests, DigestsInUse(copy));
    manifest_.blobs = static_cast<std::int64_t>(digests.size());
    ROOST_TRY(CopySmallBlobs());
    for (const Digest& digest : digests) {
      ROOST_ASSIGN(const std::optional<std::uint64_t> small, store_.blobs().small().Size(digest));
      if (!small) ROOST_TRY(CopyOne(BlobPath(digest), digest.ToText()));
    }
    ROOST_ASSIGN(const std::vector<fs::path> run_folders, RunFoldersToKeep(copy));
    for (const fs::path& folder : run_folders) ROOST_TRY(CopyRunFolder(folder));
    return {};
  }

  // All of them: whatever the copy of the store names is among them, since nothing is removed while
  // the maintenance lock is held.
  Status CopySmallBlobs() {
    const fs::path to = folder_ / "blobs" / SmallBlobs::kFileName;
    ROOST_TRY(MakeFolderOf(to));
    ROOST_TRY(CopyDatabase(store_.blobs().small().file(), to, "small_blobs"));
    return Count(to);
  }

  Status CopyRunFolder(const fs::path& relative) {
    const Result<std::vector<TreeEntry>> files = ListTree(store_.data_folder() / relative);
    if (!files && files.error().code == ErrorCode::kNotFound) return {};
    ROOST_TRY(files);
    for (const TreeEntry& file : *files) {
      if (!IsWorthKeeping(file.path)) continue;
      const Status copied = CopyOne(relative / file.path, file.path);
      // A launch's files come and go while it lives.
      if (!copied && copied.error().code == ErrorCode::kNotFound) continue;
      ROOST_TRY(copied);
      ++manifest_.run_files;
    }
    return {};
  }

  Status CopyOne(const fs::path& relative, const std::string& name) {
    const fs::path to = folder_ / relative;
    ROOST_TRY(MakeFolderOf(to));
    const Status copied = CopyFile(store_.data_folder() / relative, to);
    if (!copied) {
      Error error = copied.error();
      error.message = "The backup of " + name + " failed: " + error.message;
      return Fail(std::move(error));
    }
    return Count(to);
  }

  Status MakeFolderOf(const fs::path& file) {
    if (!made_.insert(file.parent_path()).second) return {};
    return MakeFolders(file.parent_path(), 0700);
  }

  Status Count(const fs::path& file) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file, error);
    if (error) return Fail(ErrnoError("looking at " + file.string(), error.value()));
    ++report_.files;
    report_.bytes += size;
    return {};
  }

  Store& store_;
  const fs::path folder_;
  std::set<fs::path> made_;
  BackupManifest manifest_;
  BackupReport report_;
};

bool IsBelow(const fs::path& path, const fs::path& folder) {
  std::error_code error;
  const fs::path real_folder = fs::canonical(folder, error);
  if (error) return false;
  const fs::path real_path = fs::weakly_canonical(path, error);
  if (error) return false;
  const fs::path relative = real_path.lexically_relative(real_folder);
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

Result<BackupReport> Backup(Store& store, const fs::path& folder) {
  if (!folder.is_absolute()) {
    return Invalid("folder", "The folder for the backup must be an absolute path.");
  }
  if (IsBelow(folder, store.data_folder())) {
    return Invalid("folder", "The backup cannot lie in the data folder itself (" +
                                 store.data_folder().string() + ").");
  }
  ROOST_TRY(RequireEmptyFolder(folder, "A backup"));
  ROOST_ASSIGN(const FileLock lock, LockForMaintenance(store));
  ROOST_TRY(FinishRunRemovals(store));  // so that the copy holds no half-removed run
  BackupWork work(store, folder);
  Result<BackupReport> report = work.Run();
  if (!report) work.RemoveHalf();
  return report;
}

}  // namespace roost::store
