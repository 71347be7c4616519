#pragma once

#include <cstdint>
#include <ctime>
#include <string_view>

#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"

// The steps by which a file becomes a blob, shared by single blobs and batches.
namespace roost::store {

// A blob's file is never written again, not even by us.
inline constexpr unsigned kBlobMode = 0444;

// A file that is removed again unless Keep is called.
class TemporaryFile {
 public:
  static Result<TemporaryFile> Create(const fs::path& path);
  ~TemporaryFile();
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;

  int fd() const { return fd_.get(); }
  const fs::path& path() const { return path_; }
  Status Sync();   // content and size
  Status Close();  // reports what the file system tells only then
  Status RenameTo(const fs::path& final_path);

 private:
  TemporaryFile(fs::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  fs::path path_;
  Fd fd_;
};

// Making a blob young costs a write, so it is done only when it makes a difference; far below any
// sensible grace time of garbage collection.
inline constexpr std::time_t kFreshSeconds = 300;

// True when the blob is there. It is made young, so that it is no garbage for a while.
bool FreshenBlob(const fs::path& file);

// A content that is not what its sender announced.
Error OtherContent(const Digest& expected, const Digest& found);

}  // namespace roost::store
