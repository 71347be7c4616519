#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "base/digest.h"
#include "base/strings.h"

namespace roost {
namespace {

constexpr std::size_t kBlock = 256 << 10;

Status CloseAfterWriting(Fd file, const fs::path& path) {
  // Some file systems report a full disk only here.
  if (close(file.Release()) != 0 && errno != EINTR) {
    return Fail(ErrnoError("closing " + path.string(), errno));
  }
  return {};
}

Status WriteSynced(const fs::path& path, std::string_view data, unsigned mode) {
  ROOST_ASSIGN(Fd file, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL, mode));
  ROOST_TRY(WriteAll(file.get(), data, path));
  if (fsync(file.get()) != 0) return Fail(ErrnoError("syncing " + path.string(), errno));
  return CloseAfterWriting(std::move(file), path);
}

fs::path FolderOf(const fs::path& path) {
  const fs::path folder = path.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

fs::path TemporaryBeside(const fs::path& path) { return FolderOf(path) / (".tmp-" + RandomHex(8)); }

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

Result<Fd> OpenFile(const fs::path& path, int flags, unsigned mode) {
  while (true) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) return Fail(ErrnoError("opening " + path.string(), errno));
  }
}

Result<Fd> MemoryFile(std::string_view content) {
  Fd file(memfd_create("roost", MFD_CLOEXEC));
  if (!file.valid()) return Fail(ErrnoError("making a memory file", errno));
  ROOST_TRY(WriteAll(file.get(), content, "a memory file"));
  if (lseek(file.get(), 0, SEEK_SET) != 0) {
    return Fail(ErrnoError("rewinding a memory file", errno));
  }
  return file;
}

Status WriteAll(int fd, std::string_view data, const fs::path& path_for_error) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written >= 0) {
      data.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return Fail(ErrnoError("writing " + path_for_error.string(), errno));
    }
  }
  return {};
}

Result<std::string> ReadFile(const fs::path& path, std::uint64_t limit) {
  ROOST_ASSIGN(const Fd file, OpenFile(path, O_RDONLY));
  std::string content;
  struct stat info {};
  if (fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode)) {
    content.reserve(std::min(static_cast<std::uint64_t>(info.st_size), limit) + 1);
  }
  // The size above is a hint: files grow, and those of /proc claim to be empty.
  while (true) {
    const std::size_t had = content.size();
    content.resize(std::max(content.capacity(), had + kBlock));
    const ssize_t got = read(file.get(), content.data() + had, content.size() - had);
    const int error = errno;
    content.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (content.size() > limit) {
      return Fail(ErrorCode::kTooLarge, fmt::format("{} is larger than the limit of {}.",
                                                    path.string(), FormatBytes(limit)));
    }
    if (got == 0) return content;
    if (got < 0 && error != EINTR) return Fail(ErrnoError("reading " + path.string(), error));
  }
}

Result<std::string> ReadRange(const fs::path& path, std::uint64_t offset, std::uint64_t count) {
  ROOST_ASSIGN(const Fd file, OpenFile(path, O_RDONLY));
  std::string content;
  while (content.size() < count) {
    const std::size_t had = content.size();
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(count - had, kBlock));
    content.resize(had + want);
    const ssize_t got =
        pread(file.get(), content.data() + had, want, static_cast<off_t>(offset + had));
    const int error = errno;
    content.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) break;
    if (got < 0 && error != EINTR) return Fail(ErrnoError("reading " + path.string(), error));
  }
  return content;
}

Status WriteFileAtomic(const fs::path& path, std::string_view data, unsigned mode) {
  const fs::path temporary = TemporaryBeside(path);
  Status written = WriteSynced(temporary, data, mode);
  if (written && rename(temporary.c_str(), path.c_str()) != 0) {
    written = Fail(ErrnoError("writing " + path.string(), errno));
  }
  if (!written) {
    unlink(temporary.c_str());
    return written;
  }
  return SyncFolder(FolderOf(path));
}

Status WriteFileExclusive(const fs::path& path, std::string_view data, unsigned mode) {
  const fs::path temporary = TemporaryBeside(path);
  Status written = WriteSynced(temporary, data, mode);
  if (written && link(temporary.c_str(), path.c_str()) != 0) {
    written = errno == EEXIST ? Fail(ErrorCode::kConflict, path.string() + " exists already.")
                              : Fail(ErrnoError("writing " + path.string(), errno));
  }
  unlink(temporary.c_str());
  ROOST_TRY(written);
  return SyncFolder(FolderOf(path));
}

Status SyncFolder(const fs::path& folder) {
  ROOST_ASSIGN(const Fd fd, OpenFile(folder, O_RDONLY | O_DIRECTORY));
  // EINVAL: a file system that cannot sync folders keeps their entries itself.
  if (fsync(fd.get()) != 0 && errno != EINVAL) {
    return Fail(ErrnoError("syncing " + folder.string(), errno));
  }
  return {};
}

Status MakeFolders(const fs::path& folder, unsigned mode) {
  if (folder.empty() || mkdir(folder.c_str(), mode) == 0) return {};
  if (errno == ENOENT && folder.has_parent_path()) {
    ROOST_TRY(MakeFolders(folder.parent_path(), mode));
    if (mkdir(folder.c_str(), mode) == 0) return {};
  }
  const int error = errno;
  struct stat info {};
  if (error == EEXIST && stat(folder.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    return Fail(ErrorCode::kConflict, folder.string() + " exists and is not a folder.");
  }
  return Fail(ErrnoError("making the folder " + folder.string(), error));
}

bool IsSafeRelativePath(std::string_view path) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::any_of(path.begin(), path.end(), is_control)) return false;
  const std::vector<std::string> parts = Split(path, '/');
  return std::none_of(parts.begin(), parts.end(), [](const std::string& part) {
    return part.empty() || part == "." || part == "..";
  });
}

Result<DiskSpace> GetDiskSpace(const fs::path& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) {
    return Fail(ErrnoError("asking for the free space of " + path.string(), errno));
  }
  return DiskSpace{.free_bytes = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize,
                   .total_bytes = static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize};
}

TempFolder::TempFolder(std::string_view prefix) {
  std::error_code error;
  fs::path base = fs::temp_directory_path(error);
  if (error) base = "/tmp";
  std::string name = (base / (std::string(prefix) + "-XXXXXX")).string();
  ROOST_CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempFolder::~TempFolder() { static_cast<void>(RemoveTree(path_)); }

}  // namespace roost
