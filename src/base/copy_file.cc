#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/digest.h"
#include "base/files.h"

namespace roost {
namespace {

constexpr std::size_t kBlock = 1 << 20;
constexpr std::size_t kLargeBlock = 64 << 20;  // takes a tenth of a second or so

struct Copy {
  int from;
  int to;
  const fs::path& from_path;
  const fs::path& to_path;
  const std::function<bool()>& stop;

  Status Check() const {
    if (!stop || !stop()) return {};
    return Fail(ErrorCode::kUnavailable, "The copying of " + from_path.string() + " was stopped.");
  }
};

bool IsUnsupported(int error) {
  return error == EXDEV || error == EINVAL || error == EOPNOTSUPP || error == ENOSYS ||
         error == EPERM || error == EBADF || error == EIO;
}

Status CopyByReading(const Copy& copy) {
  std::vector<char> block(kBlock);
  while (true) {
    ROOST_TRY(copy.Check());
    const ssize_t got = read(copy.from, block.data(), block.size());
    if (got == 0) return {};
    if (got < 0) {
      if (errno == EINTR) continue;
      return Fail(ErrnoError("reading " + copy.from_path.string(), errno));
    }
    ROOST_TRY(WriteAll(copy.to, {block.data(), static_cast<std::size_t>(got)}, copy.to_path));
  }
}

// The kernel moves the bytes. Both descriptors keep their place, so that reading goes on where
// this is refused; it also finishes what files with a wrong size (as in /proc) leave.
Status CopyContent(const Copy& copy) {
  if (ioctl(copy.to, FICLONE, copy.from) == 0) return {};
  while (true) {
    ROOST_TRY(copy.Check());
    const ssize_t moved = copy_file_range(copy.from, nullptr, copy.to, nullptr, kLargeBlock, 0);
    if (moved == 0) break;
    if (moved < 0 && errno != EINTR) {
      if (IsUnsupported(errno)) break;
      return Fail(
          ErrnoError("copying " + copy.from_path.string() + " to " + copy.to_path.string(), errno));
    }
  }
  return CopyByReading(copy);
}

Status CopyInto(const Fd& from, const fs::path& from_path, const fs::path& to, unsigned mode,
                const std::function<bool()>& stop) {
  ROOST_ASSIGN(Fd target, OpenFile(to, O_WRONLY | O_CREAT | O_EXCL, 0600));
  ROOST_TRY(CopyContent({from.get(), target.get(), from_path, to, stop}));
  if (fchmod(target.get(), mode) != 0) {
    return Fail(ErrnoError("setting the permissions of " + to.string(), errno));
  }
  if (close(target.Release()) != 0 && errno != EINTR) {
    return Fail(ErrnoError("closing " + to.string(), errno));
  }
  return {};
}

}  // namespace

Status CopyFile(const fs::path& from, const fs::path& to, std::optional<unsigned> mode,
                const std::function<bool()>& stop) {
  // Non-blocking, so that a pipe is refused below and not waited for.
  ROOST_ASSIGN(const Fd source, OpenFile(from, O_RDONLY | O_NONBLOCK));
  struct stat info {};
  if (fstat(source.get(), &info) != 0) {
    return Fail(ErrnoError("reading " + from.string(), errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kInvalidArgument,
                from.string() + " is not a regular file and cannot be copied.");
  }

  // Written beside and renamed: what stands at `to` (perhaps a link to something else) is replaced
  // and never written through.
  const fs::path temporary = to.parent_path() / (".tmp-" + RandomHex(8));
  Status copied = CopyInto(source, from, temporary, mode.value_or(info.st_mode & 0777), stop);
  if (copied && rename(temporary.c_str(), to.c_str()) != 0) {
    copied = Fail(ErrnoError("copying " + from.string() + " to " + to.string(), errno));
  }
  if (!copied) unlink(temporary.c_str());
  return copied;
}

}  // namespace roost
