#include "store/mount_trees.h"

#include <sys/stat.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "store/database.h"
#include "store/store.h"

namespace roost::store {
namespace {

constexpr std::string_view kUnfinished = "tmp-";

Result<bool> IsSeen(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT 1 FROM run_data d JOIN runs r ON r.key = d.run WHERE d.tree = ? "
                          "AND r.state NOT IN ('Completed', 'Failed', 'Canceled') LIMIT 1"));
  return query.Bind(1, name).Step();
}

// The tree that a folder is or will be.
std::string TreeOf(const std::string& folder) {
  if (!folder.starts_with(kUnfinished)) return folder;
  const std::string rest = folder.substr(kUnfinished.size());
  return rest.substr(0, rest.rfind('-'));
}

}  // namespace

std::string UnfinishedTree(const std::string& name) {
  return std::string(kUnfinished) + name + "-" + RandomHex(8);
}

Status RemoveUnusedTrees(Store& store, std::time_t before) {
  const fs::path folder = store.data_folder() / "mounts";
  std::error_code error;
  std::vector<fs::path> old;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    struct stat info {};
    if (entry->path().extension() == ".made") continue;  // goes with its tree
    if (lstat(entry->path().c_str(), &info) == 0 && info.st_mtim.tv_sec < before) {
      old.push_back(entry->path());
    }
  }
  for (const fs::path& tree : old) {
    const fs::path aside = folder / ("gone-" + RandomHex(8));
    // On the writer's thread: a run names its tree in a row before it looks for the folder.
    const Status renamed =
        store.database().Write(Lane::kBulk, [&](WriteContext& context) -> Status {
          ROOST_ASSIGN(const bool seen, IsSeen(context.db, TreeOf(tree.filename().string())));
          if (!seen) std::rename(tree.c_str(), aside.c_str());
          return {};
        });
    ROOST_TRY(renamed);
    if (fs::exists(tree, error)) continue;
    fs::remove(tree.string() + ".made", error);
    ROOST_TRY(RemoveTree(aside));
  }
  return {};
}

}  // namespace roost::store
