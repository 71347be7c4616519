#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/result.h"
#include "store/datastores.h"

namespace roost::store {

class Store;

// Datastores that are folders of this machine.

// Files with this ending are ours and half written; no listing shows them.
inline constexpr std::string_view kPartEnding = ".roost-part";

struct FolderFile {
  std::string path;
  std::uint64_t size = 0;
  Micros modified_at = 0;
};
// As Datastores::ListFiles.
Result<std::vector<FolderFile>> ListFolder(const Datastore& datastore, const std::string& prefix,
                                           const std::string& after, std::size_t limit);
Status RemoveFromFolder(const Datastore& datastore, const std::string& path);
// Moves a finished file into its place, whose folders are made. A file with another content that
// is there is kConflict with kRefuse; with the same one it is left, and `false` is given.
Result<bool> MoveIntoFolder(const Datastore& datastore, const std::string& path,
                            const fs::path& finished, Datastores::Overwrite overwrite);
// A name beside the place for a file that is being written; its folders are made.
Result<fs::path> PartInFolder(const Datastore& datastore, const std::string& path);

// What PartInFolder named and a server that was killed left behind, last written before `before`:
// removed, or only counted.
struct OldParts {
  std::int64_t count = 0;
  std::uint64_t bytes = 0;
};
OldParts RemoveOldParts(const Datastore& datastore, std::time_t before, bool dry_run);

// Datastores::AddFiles for every type: into a folder the contents are written as files.
Result<Datastores::Added> AddToDatastore(Store& store, const Datastore& datastore,
                                         const std::vector<DatastoreFile>& files,
                                         Datastores::Overwrite overwrite);

}  // namespace roost::store
