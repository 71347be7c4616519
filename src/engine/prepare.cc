#include "engine/prepare.h"

#include <fmt/format.h>

#include <set>
#include <string>

#include "base/files.h"
#include "engine/run_inputs.h"
#include "store/blobs.h"
#include "store/snapshots.h"

namespace roost::engine {
namespace {

Status CopySnapshot(store::Store& store, const Digest& snapshot, const fs::path& to) {
  ROOST_ASSIGN(const spec::SnapshotManifest manifest, store.snapshots().Get(snapshot));
  std::set<fs::path> made = {to};
  for (const spec::SnapshotFile& file : manifest.files) {
    // The manifest was checked when it was kept. A path that leaves the working folder would write
    // anywhere, so it is checked again where it would do harm.
    if (!IsSafeRelativePath(file.path)) {
      return Fail(ErrorCode::kInternal,
                  fmt::format("the snapshot has a file outside its folder: {}", file.path));
    }
    const fs::path target = to / file.path;
    if (made.insert(target.parent_path()).second) ROOST_TRY(MakeFolders(target.parent_path()));
    ROOST_TRY(store.blobs().CopyTo(file.digest, target, file.executable));
  }
  return {};
}

// The log of the environment's build is the attempt's first part, written before this.
Status RemoveAllButBuildLog(const spec::RunLayout& layout) {
  RemoveDataLinks(layout);
  ROOST_TRY(RemoveTree(layout.launch_folder()));
  ROOST_TRY(RemoveTree(layout.scratch_folder()));
  std::error_code missing;
  if (!fs::is_directory(layout.log_folder(), missing)) return {};
  ROOST_ASSIGN(const auto logs, ListTree(layout.log_folder()));
  for (const TreeEntry& log : logs) {
    if (spec::kLogPrefix + log.path != spec::kImageBuildLog) {
      ROOST_TRY(RemoveTree(layout.log_folder() / log.path));
    }
  }
  return {};
}

Status MakeCollectedFolder(const fs::path& folder, const char* name) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the snapshot has a file named '{0}', but ./{0} is the folder that is "
                            "kept with the run; rename the file",
                            name));
  }
  return MakeFolders(folder);
}

}  // namespace

Status PrepareAttempt(store::Store& store, const spec::RunLayout& layout,
                      const std::optional<Digest>& snapshot) {
  ROOST_TRY(RemoveAllButBuildLog(layout));
  // The launch folder holds the run's token; nobody else on the machine may look.
  ROOST_TRY(MakeFolders(layout.attempt_folder(), 0700));
  ROOST_TRY(MakeFolders(layout.launch_folder(), 0700));
  ROOST_TRY(MakeFolders(layout.log_folder()));
  ROOST_TRY(MakeFolders(layout.working_folder()));
  if (snapshot) ROOST_TRY(CopySnapshot(store, *snapshot, layout.working_folder()));
  ROOST_TRY(MakeCollectedFolder(layout.outputs_folder(), "outputs"));
  return MakeCollectedFolder(layout.logs_folder(), "logs");
}

}  // namespace roost::engine
