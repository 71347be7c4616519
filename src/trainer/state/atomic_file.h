#pragma once

#include <string_view>

#include "base/files.h"

namespace roost::trainer {

// Writes a large file beside its target and puts it in place whole: until Commit() has succeeded
// what stood there before stays, and a file that is dropped without it leaves nothing behind.
class AtomicFile {
 public:
  static Result<AtomicFile> Create(const fs::path& target, unsigned mode = 0644);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;

  Status Write(std::string_view data);
  // Syncs the file, renames it into place and syncs the folder.
  Status Commit();

 private:
  AtomicFile(fs::path target, fs::path temporary, Fd file);
  fs::path target_;
  fs::path temporary_;  // empty once it is gone
  Fd file_;
};

}  // namespace roost::trainer
