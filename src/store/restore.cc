#include <memory>

#include "store/backup_format.h"
#include "store/blob_references.h"
#include "store/database.h"
#include "store/maintenance.h"
#include "store/small_blobs.h"

namespace roost::store {

namespace {

// Under this name the database is no data folder's yet; it gets its own as the last step, so that
// a restore that was cut off is not taken for a store.
constexpr const char* kUnfinished = "roost.db.restoring";

Status CheckDatabase(Connection& db, const fs::path& backup) {
  ROOST_TRY(CheckIdentity(db));
  ROOST_ASSIGN(auto check, db.PrepareOnce("PRAGMA integrity_check(1)"));
  ROOST_ASSIGN(const bool row, check.Step());
  const std::string verdict = row ? check.Text(0) : "no answer";
  if (verdict == "ok") return {};
  return Fail(ErrorCode::kInternal,
              "The database of the backup " + backup.string() + " is damaged: " + verdict + ".");
}

Result<Digest> DigestOfKept(const fs::path& data_folder, SmallBlobs& small, const Digest& digest) {
  ROOST_ASSIGN(const std::optional<std::string> content, small.Read(digest));
  if (content) return DigestOf(*content);
  return DigestOfFile(data_folder / BlobPath(digest));
}

Status CheckBlob(const fs::path& data_folder, SmallBlobs& small, const Digest& digest) {
  const Result<Digest> found = DigestOfKept(data_folder, small, digest);
  if (!found && found.error().code == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kInternal,
                "The backup is not complete: it lacks the content " + digest.ToText() + ".");
  }
  ROOST_TRY(found);
  if (*found == digest) return {};
  return Fail(ErrorCode::kInternal,
              "The backup is damaged: the content " + digest.ToText() + " has changed.");
}

Status CopyTree(const fs::path& from, const fs::path& to) {
  const Result<std::vector<TreeEntry>> files = ListTree(from);
  if (!files && files.error().code == ErrorCode::kNotFound) return {};
  ROOST_TRY(files);
  for (const TreeEntry& file : *files) {
    const fs::path target = to / file.path;
    ROOST_TRY(MakeFolders(target.parent_path(), 0700));
    ROOST_TRY(CopyFile(from / file.path, target));
  }
  return {};
}

// Streams of the copy must not go on from tokens of the original.
Status GiveNewEpoch(Connection& db) {
  return db.Execute("UPDATE meta SET value = lower(hex(randomblob(8))) WHERE name = 'epoch'");
}

Status RestoreInto(const fs::path& backup, const fs::path& data_folder) {
  ROOST_ASSIGN(const BackupManifest manifest, ReadBackupManifest(backup));
  ROOST_TRY(MakeFolders(data_folder, 0700));
  const fs::path unfinished = data_folder / kUnfinished;
  ROOST_TRY(CopyFile(backup / kDatabaseFileName, unfinished, 0600));
  {
    ROOST_ASSIGN(const auto db, Connection::Open(unfinished, Connection::Mode::kReadWrite));
    ROOST_TRY(CheckDatabase(*db, backup));
    ROOST_TRY(Migrate(*db));  // it may be of an older program
    ROOST_TRY(CopyTree(backup / "blobs", data_folder / "blobs"));
    ROOST_TRY(CopyTree(backup / "runs", data_folder / "runs"));
    ROOST_ASSIGN(const std::vector<Digest> digests, DigestsInUse(*db));
    if (static_cast<std::int64_t>(digests.size()) != manifest.blobs) {
      return Fail(ErrorCode::kInternal, "The database of the backup " + backup.string() +
                                            " and its " + kBackupManifestFile +
                                            " do not belong together.");
    }
    ROOST_ASSIGN(const auto small, SmallBlobs::Open(data_folder / "blobs" / SmallBlobs::kFileName));
    for (const Digest& digest : digests) ROOST_TRY(CheckBlob(data_folder, *small, digest));
    ROOST_TRY(GiveNewEpoch(*db));
  }
  ROOST_TRY(SyncFileSystem(data_folder));
  std::error_code error;
  fs::rename(unfinished, data_folder / kDatabaseFileName, error);
  if (error) return Fail(ErrnoError("renaming " + unfinished.string(), error.value()));
  return SyncFolder(data_folder);
}

}  // namespace

Status Restore(const fs::path& backup_folder, const fs::path& data_folder) {
  ROOST_TRY(RequireEmptyFolder(data_folder, "A restored store"));
  Status restored = RestoreInto(backup_folder, data_folder);
  if (!restored) {
    // All that is there is ours: the folder was empty.
    for (const char* name : {"blobs", "runs"}) (void)RemoveTree(data_folder / name);
    for (const char* end : {"", "-wal", "-shm", "-journal"}) {
      (void)RemoveTree(data_folder / (std::string(kUnfinished) + end));
    }
  }
  return restored;
}

}  // namespace roost::store
