#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"
#include "store/hash_thread.h"

namespace roost::store {

// Content on its way into a file, hashed while it is written; large content on a thread of its own
// beside the writing. Belongs to one thread at a time.
class BlobContent {
 public:
  // `size` bytes were written before, by nobody knows whom: then the file is read again at the end.
  explicit BlobContent(std::uint64_t size = 0)
      : size_(size), started_(size), is_hashed_(size == 0) {}

  Status Write(int file, std::string_view piece, const fs::path& path);
  std::uint64_t size() const { return size_; }  // of the file
  // Of the whole file. Requires: called once, after the last Write.
  Result<Digest> FinishHash(const fs::path& path);

 private:
  void Hash(std::string_view piece);

  std::uint64_t size_;
  std::uint64_t started_;  // bytes that were handed to the disk
  const bool is_hashed_;   // while it is written
  Hasher hasher_;
  std::string collected_;  // not yet given to the thread
  std::optional<HashThread> thread_;
};

}  // namespace roost::store
