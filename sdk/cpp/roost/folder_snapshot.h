#pragma once

#include <filesystem>

#include "base/result.h"
#include "spec/snapshot.h"

namespace roost::client {

// What a folder holds, ready to be sent.
struct FolderSnapshot {
  std::filesystem::path folder;  // absolute
  spec::SnapshotManifest manifest;
};

// Reads a source folder: what .amlignore in its root (or, without one, .gitignore there) leaves
// out, and `.git` anywhere, is not part of it. Links are followed as long as they stay inside the
// folder. All links that leave it, all files that cannot be read and all names that are not UTF-8
// are named in one kInvalidArgument error; over the limits it is kTooLarge, before anything is
// hashed. Sockets, pipes and devices are left out.
Result<FolderSnapshot> ReadFolder(const std::filesystem::path& folder,
                                  const spec::SnapshotLimits& limits = {});
// Reads data: no file is left out but what lies in `.git`, and there is no limit. `path` may be one
// file. Problems are as above.
Result<FolderSnapshot> ReadDataFolder(const std::filesystem::path& path);

}  // namespace roost::client
