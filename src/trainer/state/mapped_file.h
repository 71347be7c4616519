#pragma once

#include <memory>
#include <string_view>

#include "base/files.h"

namespace roost::trainer {

// A regular file mapped for reading: large checkpoints cost no copy, and only the pages that are
// used are read. The file must not be cut short by others while it is mapped (Roost's own writers
// replace files by renaming, which leaves the mapped one whole).
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> Open(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&&) = delete;

  std::string_view bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes_;
};

}  // namespace roost::trainer
