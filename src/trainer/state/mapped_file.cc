#include "trainer/state/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace roost::trainer {

Result<std::shared_ptr<const MappedFile>> MappedFile::Open(const fs::path& path) {
  // Non-blocking: opening a named pipe must not wait for its writer.
  ROOST_ASSIGN(const Fd file, OpenFile(path, O_RDONLY | O_NONBLOCK));
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return Fail(ErrnoError("reading " + path.string(), errno));
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kInvalidArgument, path.string() + " is not a regular file.");
  }
  if (info.st_size == 0) {
    return Fail(ErrorCode::kInvalidArgument, path.string() + " is empty.");
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return Fail(ErrnoError("mapping " + path.string(), errno));
  return std::shared_ptr<const MappedFile>(
      new MappedFile(std::string_view(static_cast<const char*>(data), size)));
}

MappedFile::~MappedFile() { munmap(const_cast<char*>(bytes_.data()), bytes_.size()); }

}  // namespace roost::trainer
