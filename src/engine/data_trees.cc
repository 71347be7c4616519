#include "engine/data_trees.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <set>

#include "base/digest.h"
#include "spec/snapshot.h"
#include "store/blobs.h"
#include "store/mount_trees.h"

namespace roost::engine {
namespace {

constexpr const char* kMounts = "mounts";

Status MakeFolderOf(const fs::path& file, std::set<fs::path>* made) {
  if (!made->insert(file.parent_path()).second) return {};
  return MakeFolders(file.parent_path());
}

Status CheckPath(const store::DataFile& file) {
  if (IsSafeRelativePath(file.path)) return {};
  return Fail(ErrorCode::kInternal, "The data has a file outside its folder: " + file.path);
}

Status Stopping() {
  return Fail(ErrorCode::kUnavailable, "the run was cancelled, or the server is stopping");
}

Status FillTree(store::Store& store, const std::vector<store::DataFile>& files, TreeFiles kind,
                const fs::path& to, const std::function<bool()>& stop) {
  std::set<fs::path> made;
  for (const store::DataFile& file : files) {
    if (stop()) return Stopping();
    ROOST_TRY(CheckPath(file));
    const fs::path target = to / file.path;
    ROOST_TRY(MakeFolderOf(target, &made));
    if (kind == TreeFiles::kForMounts) {
      const Status linked = store.blobs().LinkTo(*file.digest, target);
      if (linked) continue;
      // Small contents have no file; and no file system takes any number of links to one.
    }
    ROOST_TRY(store.blobs().CopyTo(*file.digest, target, false, stop));
    if (chmod(target.c_str(), 0444) != 0) {
      return Fail(ErrnoError("writing " + target.string(), errno));
    }
  }
  return {};
}

fs::path MarkOf(const fs::path& tree) { return tree.string() + ".made"; }

bool IsLater(const timespec& one, const timespec& other) {
  return one.tv_sec > other.tv_sec || (one.tv_sec == other.tv_sec && one.tv_nsec > other.tv_nsec);
}

// The user of the server is the user of the runs, so a run that insists can make a file of its own
// inode writable. What was touched since the tree was made is made anew, before another run reads.
Status Mend(store::Store& store, const fs::path& tree, const std::vector<store::DataFile>& files,
            const std::function<bool()>& stop) {
  struct stat mark {};
  const bool has_mark = stat(MarkOf(tree).c_str(), &mark) == 0;
  bool mended = false;
  for (const store::DataFile& file : files) {
    if (stop()) return Stopping();
    const fs::path path = tree / file.path;
    struct stat info {};
    const bool untouched = has_mark && lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
                           (info.st_mode & 07777) == 0444 && !IsLater(info.st_ctim, mark.st_mtim);
    if (untouched) continue;
    mended = true;
    ROOST_TRY(MakeFolders(path.parent_path()));
    ROOST_TRY(store.blobs().CopyTo(*file.digest, path, false, stop));
    if (chmod(path.c_str(), 0444) != 0) return Fail(ErrnoError("writing " + path.string(), errno));
  }
  return mended ? WriteFileAtomic(MarkOf(tree), "") : Status();
}

}  // namespace

std::string TreeName(const std::vector<store::DataFile>& files, TreeFiles kind) {
  spec::SnapshotManifest manifest;
  manifest.files.reserve(files.size());
  for (const store::DataFile& file : files) {
    manifest.files.push_back({file.path, *file.digest, file.size, false});
  }
  return manifest.Id().Hex() + (kind == TreeFiles::kForMounts ? "-mount" : "-copy");
}

Result<fs::path> MakeTree(store::Store& store, const std::string& name,
                          const std::vector<store::DataFile>& files, TreeFiles kind,
                          const std::function<bool()>& stop) {
  const fs::path folder = store.data_folder() / kMounts;
  const fs::path tree = folder / name;
  // Its time is that of its last use.
  if (utimensat(AT_FDCWD, tree.c_str(), nullptr, 0) == 0) {
    if (kind == TreeFiles::kOwnCopies) ROOST_TRY(Mend(store, tree, files, stop));
    return tree;
  }
  ROOST_TRY(MakeFolders(folder, 0700));
  const fs::path unfinished = folder / store::UnfinishedTree(name);
  ROOST_TRY(MakeFolders(unfinished));
  Status made = FillTree(store, files, kind, unfinished, stop);
  if (made && kind == TreeFiles::kOwnCopies) made = WriteFileAtomic(MarkOf(tree), "");
  if (made) {
    // After a power failure there must be no tree with empty files.
    const Result<Fd> opened = OpenFile(unfinished, O_RDONLY | O_DIRECTORY);
    if (!opened || syncfs(opened->get()) != 0) {
      made = Fail(ErrnoError("syncing " + unfinished.string(), errno));
    } else if (std::rename(unfinished.c_str(), tree.c_str()) != 0) {
      made = Fail(ErrnoError("naming " + tree.string(), errno));
    }
  }
  if (!made) {
    (void)RemoveTree(unfinished);
    // Another run may have been faster.
    if (utimensat(AT_FDCWD, tree.c_str(), nullptr, 0) == 0) return tree;
    return Fail(made.error());
  }
  return tree;
}

Status CopyFiles(store::Store& store, const std::vector<store::DataFile>& files, const fs::path& to,
                 const std::function<bool()>& stop) {
  std::set<fs::path> made;
  ROOST_TRY(MakeFolders(to));
  for (const store::DataFile& file : files) {
    if (stop()) return Stopping();
    ROOST_TRY(CheckPath(file));
    const fs::path target = to / file.path;
    ROOST_TRY(MakeFolderOf(target, &made));
    if (file.digest) {
      ROOST_TRY(store.blobs().CopyTo(*file.digest, target, false, stop));
    } else {
      ROOST_TRY(CopyFile(file.file, target, 0644, stop));
    }
  }
  return {};
}

Status LinkFiles(const fs::path& tree, const std::vector<store::DataFile>& files,
                 const fs::path& to, const std::function<bool()>& stop) {
  std::set<fs::path> made;
  ROOST_TRY(MakeFolders(to));
  for (const store::DataFile& file : files) {
    if (stop()) return Stopping();
    ROOST_TRY(CheckPath(file));
    const fs::path target = to / file.path;
    ROOST_TRY(MakeFolderOf(target, &made));
    const fs::path source = tree / file.path;
    bool linked = symlink(source.c_str(), target.c_str()) == 0;
    if (!linked && errno == EEXIST && unlink(target.c_str()) == 0) {
      linked = symlink(source.c_str(), target.c_str()) == 0;
    }
    if (!linked) {
      return Fail(ErrnoError("linking " + target.string(), errno));
    }
  }
  return {};
}

}  // namespace roost::engine
