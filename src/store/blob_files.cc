#include "store/blob_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace roost::store {

Result<TemporaryFile> TemporaryFile::Create(const fs::path& path) {
  ROOST_ASSIGN(Fd fd, OpenFile(path, O_RDWR | O_CREAT | O_EXCL, kBlobMode));
  return TemporaryFile(path, std::move(fd));
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::move(other.fd_)) {
  other.path_.clear();
}

TemporaryFile::~TemporaryFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

Status TemporaryFile::Sync() {
  if (fdatasync(fd_.get()) == 0) return {};
  return Fail(ErrnoError("syncing " + path_.string(), errno));
}

Status TemporaryFile::Close() {
  if (close(fd_.Release()) == 0 || errno == EINTR) return {};
  return Fail(ErrnoError("closing " + path_.string(), errno));
}

Status TemporaryFile::RenameTo(const fs::path& final_path) {
  if (rename(path_.c_str(), final_path.c_str()) != 0) {
    return Fail(ErrnoError("renaming " + path_.string() + " to " + final_path.string(), errno));
  }
  path_.clear();
  return {};
}

bool FreshenBlob(const fs::path& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return false;
  if (std::time(nullptr) - info.st_mtim.tv_sec < kFreshSeconds) return true;
  // Gone in between: garbage collection was faster. Any other failure leaves a blob that is there.
  return utimensat(AT_FDCWD, file.c_str(), nullptr, 0) == 0 || errno != ENOENT;
}

Error OtherContent(const Digest& expected, const Digest& found) {
  return {ErrorCode::kInvalidArgument,
          "The content was announced as " + expected.ToText() + " but is " + found.ToText() +
              "; it may have changed on its way.",
          {}};
}

}  // namespace roost::store
