#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace roost {

namespace fs = std::filesystem;

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd();
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_ = -1;
};

// All errors name the path. Every descriptor is opened close-on-exec.
Result<Fd> OpenFile(const fs::path& path, int flags, unsigned mode = 0644);
// A file without a name, held in memory, with `content`; its position is at the start.
Result<Fd> MemoryFile(std::string_view content);
Status WriteAll(int fd, std::string_view data, const fs::path& path_for_error);

// Reads a whole file; more than `limit` bytes is kTooLarge.
Result<std::string> ReadFile(const fs::path& path, std::uint64_t limit = 64ULL << 20);
// Up to `count` bytes from `offset`; fewer at the end of the file.
Result<std::string> ReadRange(const fs::path& path, std::uint64_t offset, std::uint64_t count);

// Writes beside the target, syncs the file, renames it into place, syncs the folder.
Status WriteFileAtomic(const fs::path& path, std::string_view data, unsigned mode = 0644);
// The same, but fails with kConflict when the target exists (link, not rename).
Status WriteFileExclusive(const fs::path& path, std::string_view data, unsigned mode = 0644);
Status SyncFolder(const fs::path& folder);

// Makes the folder and those above it; one that is there is fine.
Status MakeFolders(const fs::path& folder, unsigned mode = 0755);
// Removes a tree, also one whose folders have lost their write permission; a missing one is fine.
// Symbolic links are removed and never followed.
Status RemoveTree(const fs::path& path);

// Copies content and permission bits (or sets `mode`, whatever the umask); a reflink where the file
// system has them, never a hard link. What stands at `to` is replaced at once, never written
// through; it is not synced.
// `stop` is asked between large pieces; a copy that it ends is kUnavailable and leaves nothing.
Status CopyFile(const fs::path& from, const fs::path& to, std::optional<unsigned> mode = {},
                const std::function<bool()>& stop = {});

struct TreeEntry {
  std::string path;  // relative, '/' separated
  std::uint64_t size = 0;
  bool executable = false;  // for its owner
  std::int64_t modified_us = 0;
};
// Regular files below `folder`, sorted by path. Symbolic links are followed to files and folders
// inside `folder` only; others, loops, special files and what vanishes meanwhile are left out.
Result<std::vector<TreeEntry>> ListTree(const fs::path& folder);

// True for a non-empty relative path without "..", ".", empty parts (so no '/' at either end) and
// control characters (NUL included): one that stays below the folder it is joined to.
bool IsSafeRelativePath(std::string_view path);

struct DiskSpace {
  std::uint64_t free_bytes = 0;  // for an unprivileged user
  std::uint64_t total_bytes = 0;
};
Result<DiskSpace> GetDiskSpace(const fs::path& path);

// An exclusive lock on a file (open file description lock) for the life of the object; kUnavailable
// when another process holds it. The file is made when missing.
class FileLock {
 public:
  static Result<FileLock> Acquire(const fs::path& path);
  // True when some process holds the lock now; does not take it.
  static Result<bool> IsHeld(const fs::path& path);
  // A child that gets a copy of it shares the lock, which then ends with the last of both.
  int fd() const { return fd_.get(); }

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// A folder under the system's temporary folder, removed with the object. For tests and staging.
class TempFolder {
 public:
  explicit TempFolder(std::string_view prefix = "roost");
  ~TempFolder();
  TempFolder(TempFolder&&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace roost
