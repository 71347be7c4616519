#pragma once

#include <cstdint>

#include "base/files.h"
#include "base/result.h"

namespace roost::store {

class Store;

struct GcReport {
  std::int64_t runs_removed = 0;  // deleted runs whose rows and folders are gone now
  std::int64_t blobs_removed = 0;
  std::uint64_t bytes_freed = 0;
};
// Removes deleted runs for good, then every blob that nothing refers to and that is older than
// `grace_seconds` (uploads not yet named by a row). Runs beside live work in small steps; never
// removes a blob in use. With `dry_run` only counts.
Result<GcReport> CollectGarbage(Store& store, std::int64_t grace_seconds, bool dry_run);

struct BackupReport {
  std::int64_t files = 0;
  std::uint64_t bytes = 0;
};
// A consistent copy of a running store in a new folder: the database by SQLite's backup, then every
// blob and log that it refers to. kConflict when `folder` exists and is not empty.
Result<BackupReport> Backup(Store& store, const fs::path& folder);
// Makes a data folder from a backup, checks the database and that every blob is there, gives it a
// new epoch. Runs that were live in the backup are found and ended by the server's recovery.
Status Restore(const fs::path& backup_folder, const fs::path& data_folder);

}  // namespace roost::store
