#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"
#include "store/database.h"

namespace roost::store {

// What a backup's folder holds, besides the database, `blobs/` and `runs/` that lie in it as in a
// data folder. Written last, so that a backup without it is no backup. docs/on_disk.md shows it.
struct BackupManifest {
  static constexpr int kVersion = 1;
  std::int64_t created_at = 0;  // unix microseconds
  std::int64_t blobs = 0;
  std::int64_t run_files = 0;
  std::uint64_t bytes = 0;  // of all files but the manifest
};
inline constexpr const char* kBackupManifestFile = "backup.json";
inline constexpr const char* kDatabaseFileName = "roost.db";

std::string ToJsonText(const BackupManifest& manifest);
Result<BackupManifest> ReadBackupManifest(const fs::path& backup_folder);

// Where the blob lies below a data folder or a backup: "blobs/ab/<62 hex digits>".
fs::path BlobPath(const Digest& digest);

// The folders below `runs/` that a backup takes, relative to the data folder: of each attempt the
// logs and the launch folder. Working folders are left out; what they gave is kept as blobs.
Result<std::vector<fs::path>> RunFoldersToKeep(Connection& db);
// Of a launch folder, the shim's own copy of its program is no data.
bool IsWorthKeeping(const std::string& file_name);

// Empty, or not there at all; kConflict otherwise.
Status RequireEmptyFolder(const fs::path& folder, const std::string& what);
// All that was written to its file system, on disk.
Status SyncFileSystem(const fs::path& folder);

}  // namespace roost::store
