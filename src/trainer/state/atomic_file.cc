#include "trainer/state/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/digest.h"

namespace roost::trainer {

AtomicFile::AtomicFile(fs::path target, fs::path temporary, Fd file)
    : target_(std::move(target)), temporary_(std::move(temporary)), file_(std::move(file)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::move(other.file_)) {}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<AtomicFile> AtomicFile::Create(const fs::path& target, unsigned mode) {
  const fs::path temporary = target.parent_path() / (".tmp-" + RandomHex(8));
  Result<Fd> file = OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (!file) {
    // The temporary name would tell the user nothing.
    Error error = file.error();
    error.message = "Writing " + target.string() + ": " + error.message;
    return Fail(std::move(error));
  }
  return AtomicFile(target, temporary, std::move(*file));
}

Status AtomicFile::Write(std::string_view data) { return WriteAll(file_.get(), data, target_); }

Status AtomicFile::Commit() {
  const auto failed = [this] { return Fail(ErrnoError("writing " + target_.string(), errno)); };
  if (fsync(file_.get()) != 0) return failed();
  // Some file systems report a full disk only here.
  if (close(file_.Release()) != 0 && errno != EINTR) return failed();
  if (rename(temporary_.c_str(), target_.c_str()) != 0) return failed();
  temporary_.clear();
  const fs::path folder = target_.parent_path();
  return SyncFolder(folder.empty() ? fs::path(".") : folder);
}

}  // namespace roost::trainer
