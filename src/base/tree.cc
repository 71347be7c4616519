#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/files.h"
#include "base/tree_page.h"

namespace roost {
namespace {

struct Entry {
  std::string name;
  unsigned char type;  // DT_..., a hint: some file systems always say DT_UNKNOWN
};

// Takes the folder's descriptor; names come in no order.
Result<std::vector<Entry>> ReadFolder(Fd folder, const fs::path& path) {
  DIR* stream = fdopendir(folder.get());
  if (stream == nullptr) return Fail(ErrnoError("reading the folder " + path.string(), errno));
  folder.Release();
  const std::unique_ptr<DIR, int (*)(DIR*)> closer(stream, closedir);

  std::vector<Entry> entries;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(stream);
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({std::move(name), entry->d_type});
  }
  if (errno != 0) return Fail(ErrnoError("reading the folder " + path.string(), errno));
  return entries;
}

// Removes what a folder holds. Scripts can make folders nested deeper than paths, stacks and
// descriptors reach; what lies deeper than kMaxDepth is moved up to the top folder first.
class TreeRemover {
 public:
  TreeRemover(int top, fs::path top_path) : top_(top), top_path_(std::move(top_path)) {}

  Status EmptyTop() {
    do {
      moved_up_ = false;
      ROOST_TRY(EmptyFolder(top_, top_path_, 0));
    } while (moved_up_);
    return {};
  }

 private:
  static constexpr int kMaxDepth = 64;

  Status EmptyFolder(int folder, const fs::path& path, int depth) {
    const int listing = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (listing < 0) return Fail(ErrnoError("opening " + path.string(), errno));
    ROOST_ASSIGN(const std::vector<Entry> entries, ReadFolder(Fd(listing), path));
    for (const Entry& entry : entries) {
      ROOST_TRY(Remove(folder, entry.name, path / entry.name, depth));
    }
    return {};
  }

  Status Remove(int folder, const std::string& name, const fs::path& path, int depth) {
    if (unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    // POSIX says EPERM for a folder, Linux EISDIR.
    if (errno != EISDIR && errno != EPERM) {
      return Fail(ErrnoError("removing " + path.string(), errno));
    }
    const int refused = errno;
    if (unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno == ENOTDIR) return Fail(ErrnoError("removing " + path.string(), refused));

    ROOST_ASSIGN(const Fd inner, OpenWritable(folder, name, path));
    if (depth >= kMaxDepth) return MoveUp(folder, name, path);
    ROOST_TRY(EmptyFolder(inner.get(), path, depth + 1));
    if (unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      return Fail(ErrnoError("removing " + path.string(), errno));
    }
    return {};
  }

  // Opens a folder, never through a link, after giving its owner all permissions.
  static Result<Fd> OpenWritable(int parent, const std::string& name, const fs::path& path) {
    struct stat info {};
    if (fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode) &&
        (info.st_mode & S_IRWXU) != S_IRWXU) {
      // A failure shows when the folder is opened or emptied.
      fchmodat(parent, name.c_str(), (info.st_mode & 07777) | S_IRWXU, AT_SYMLINK_NOFOLLOW);
    }
    const int fd = openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return Fail(ErrnoError("opening " + path.string(), errno));
    return Fd(fd);
  }

  Status MoveUp(int folder, const std::string& name, const fs::path& path) {
    while (true) {
      const std::string free_name = fmt::format(".deep-{}", ++moves_);
      if (renameat2(folder, name.c_str(), top_, free_name.c_str(), RENAME_NOREPLACE) == 0) break;
      if (errno != EEXIST) return Fail(ErrnoError("removing " + path.string(), errno));
    }
    moved_up_ = true;
    return {};
  }

  int top_;
  fs::path top_path_;
  bool moved_up_ = false;
  std::uint64_t moves_ = 0;
};

// Folders linked to each other can multiply without any loop; nobody lists this many on purpose.
constexpr std::size_t kMaxEntries = 5'000'000;

struct FolderId {
  dev_t device;
  ino_t inode;
  bool operator==(const FolderId&) const = default;
};

class TreeLister {
 public:
  TreeLister(const fs::path& folder, const TreePage& page) : folder_(folder), page_(page) {}

  Result<std::vector<TreeEntry>> List() {
    const std::unique_ptr<char, void (*)(void*)> real(realpath(folder_.c_str(), nullptr),
                                                      std::free);
    if (real == nullptr) return Fail(ErrnoError("opening " + folder_.string(), errno));
    inside_ = real.get();
    if (!inside_.ends_with('/')) inside_ += '/';
    ROOST_TRY(ListFolder(folder_, ""));
    return std::move(entries_);
  }

 private:
  // `prefix` is the folder's relative path with its slash, empty for the top.
  Status ListFolder(const fs::path& path, const std::string& prefix) {
    Result<Fd> fd = OpenFile(path, O_RDONLY | O_DIRECTORY);
    if (!fd && fd.error().code == ErrorCode::kNotFound && !prefix.empty()) return {};
    ROOST_TRY(fd);
    struct stat info {};
    if (fstat(fd->get(), &info) != 0) return Fail(ErrnoError("reading " + path.string(), errno));
    const FolderId id{info.st_dev, info.st_ino};
    if (std::find(open_.begin(), open_.end(), id) != open_.end()) return {};  // a loop

    ROOST_ASSIGN(std::vector<Entry> found, ReadFolder(std::move(*fd), path));
    open_.push_back(id);
    SortAsPaths(&found, path);
    for (const Entry& entry : found) {
      if (entries_.size() >= page_.limit) break;
      ROOST_TRY(Visit(entry, path / entry.name, prefix));
    }
    open_.pop_back();
    return {};
  }

  // In the order of the paths that they give: a folder's name counts with its slash, so that "a.b"
  // comes before "a/b".
  static void SortAsPaths(std::vector<Entry>* entries, const fs::path& folder) {
    std::vector<std::pair<std::string, Entry>> keyed;
    keyed.reserve(entries->size());
    for (Entry& entry : *entries) {
      std::error_code error;
      const bool known = entry.type == DT_DIR || entry.type == DT_REG;
      const bool is_folder =
          known ? entry.type == DT_DIR : fs::is_directory(folder / entry.name, error);
      std::string key = entry.name + (is_folder ? "/" : "");
      keyed.emplace_back(std::move(key), std::move(entry));
    }
    std::sort(keyed.begin(), keyed.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < keyed.size(); ++i) (*entries)[i] = std::move(keyed[i].second);
  }

  bool HasPathsBelow(const std::string& folder) const {
    const bool wanted = folder.starts_with(page_.prefix) || page_.prefix.starts_with(folder);
    return wanted && (folder >= page_.after || page_.after.starts_with(folder));
  }
  bool IsOnPage(const std::string& path) const {
    return path > page_.after && path.starts_with(page_.prefix);
  }

  // What vanishes while the tree is listed (a running script's files) is left out.
  Status Visit(const Entry& entry, const fs::path& path, const std::string& prefix) {
    if (++visited_ > kMaxEntries) {
      return Fail(ErrorCode::kTooLarge,
                  fmt::format("{} holds more than {} files and folders, links to folders included.",
                              folder_.string(), kMaxEntries));
    }
    const std::string relative = prefix + entry.name;
    const bool may_be_folder = entry.type != DT_REG && HasPathsBelow(relative + "/");
    if (!IsOnPage(relative) && !may_be_folder) return {};
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) return Vanished(path);
    if (S_ISLNK(info.st_mode)) {
      if (!LeadsInside(path)) return {};
      if (stat(path.c_str(), &info) != 0) return Vanished(path);
    }
    if (S_ISDIR(info.st_mode)) {
      return may_be_folder ? ListFolder(path, relative + "/") : Status();
    }
    if (S_ISREG(info.st_mode) && IsOnPage(relative)) {
      entries_.push_back(
          {.path = relative,
           .size = static_cast<std::uint64_t>(info.st_size),
           .executable = (info.st_mode & S_IXUSR) != 0,
           .modified_us = info.st_mtim.tv_sec * 1'000'000 + info.st_mtim.tv_nsec / 1'000});
    }
    return {};
  }

  static Status Vanished(const fs::path& path) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return Fail(ErrnoError("reading " + path.string(), errno));
  }

  // False for links out of the folder, to nothing, and in a circle.
  bool LeadsInside(const fs::path& link) const {
    const std::unique_ptr<char, void (*)(void*)> real(realpath(link.c_str(), nullptr), std::free);
    if (real == nullptr) return false;
    return (std::string(real.get()) + '/').starts_with(inside_);
  }

  const fs::path& folder_;
  const TreePage& page_;
  std::string inside_;          // the folder's real path with its slash
  std::vector<FolderId> open_;  // the folders on the way down to the current one
  std::vector<TreeEntry> entries_;
  std::size_t visited_ = 0;
};

}  // namespace

Status RemoveTree(const fs::path& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return Fail(ErrnoError("removing " + path.string(), errno));
  }
  if (!S_ISDIR(info.st_mode)) {
    if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return Fail(ErrnoError("removing " + path.string(), errno));
  }
  if ((info.st_mode & S_IRWXU) != S_IRWXU) chmod(path.c_str(), (info.st_mode & 07777) | S_IRWXU);
  ROOST_ASSIGN(const Fd top, OpenFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  ROOST_TRY(TreeRemover(top.get(), path).EmptyTop());
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) {
    return Fail(ErrnoError("removing " + path.string(), errno));
  }
  return {};
}

Result<std::vector<TreeEntry>> ListTree(const fs::path& folder) { return ListTreePage(folder, {}); }

Result<std::vector<TreeEntry>> ListTreePage(const fs::path& folder, const TreePage& page) {
  return TreeLister(folder, page).List();
}

}  // namespace roost
