#include <fcntl.h>

#include <cerrno>

#include "base/files.h"

namespace roost {
namespace {

// The whole file. Locks of the open file description, unlike those of the process, are not lost
// when some other part of the program closes the same file.
struct flock WholeFile() {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return range;
}

}  // namespace

Result<FileLock> FileLock::Acquire(const fs::path& path) {
  ROOST_ASSIGN(Fd fd, OpenFile(path, O_RDWR | O_CREAT));
  struct flock range = WholeFile();
  if (fcntl(fd.get(), F_OFD_SETLK, &range) == 0) return FileLock(std::move(fd));
  if (errno == EAGAIN || errno == EACCES) {
    return Fail(ErrorCode::kUnavailable, path.string() + " is locked by another process.");
  }
  return Fail(ErrnoError("locking " + path.string(), errno));
}

Result<bool> FileLock::IsHeld(const fs::path& path) {
  Result<Fd> fd = OpenFile(path, O_RDONLY);
  if (!fd && fd.error().code == ErrorCode::kNotFound) return false;
  ROOST_TRY(fd);
  struct flock range = WholeFile();
  if (fcntl(fd->get(), F_OFD_GETLK, &range) != 0) {
    return Fail(ErrnoError("looking at the lock of " + path.string(), errno));
  }
  return range.l_type != F_UNLCK;
}

}  // namespace roost
