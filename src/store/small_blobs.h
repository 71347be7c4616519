#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"
#include "store/database.h"

namespace roost::store {

// Small contents, many to a file: a source folder of ten thousand files costs one sync and a few
// megabytes of one SQLite file instead of ten thousand new inodes. A database of its own, so that
// an upload never waits behind the store's writer nor holds it up. Thread-safe.
class SmallBlobs {
 public:
  // Contents up to this many bytes belong here; above it a file of their own is faster to read.
  static constexpr std::uint64_t kLargest = 64 << 10;
  static constexpr const char* kFileName = "small.db";

  // Makes the file when it is missing; refuses one of a newer program.
  static Result<std::unique_ptr<SmallBlobs>> Open(const fs::path& file);

  // Durable, all together, when it returns. A content that is there is made young.
  Status Put(const std::vector<std::pair<Digest, std::string>>& contents);
  // Those of `digests` that are not here. The others are made young, see Blobs.
  Result<std::vector<Digest>> Missing(const std::vector<Digest>& digests);
  Result<std::optional<std::string>> Read(const Digest& digest);
  Result<std::optional<std::uint64_t>> Size(const Digest& digest);

  struct Entry {
    Digest digest;
    std::uint64_t size = 0;
  };
  Result<std::vector<Entry>> SeenBefore(std::time_t before);
  // Removes those of `digests` that nobody has looked at since `before`; says which.
  Result<std::vector<Entry>> RemoveIfStillOld(const std::vector<Digest>& digests,
                                              std::time_t before);
  // Gives the space of removed contents back when it is most of the file.
  Status Compact();

  const fs::path& file() const { return file_; }

 private:
  SmallBlobs(fs::path file, std::unique_ptr<Connection> writer) : file_(std::move(file)) {
    writer_ = std::move(writer);
  }
  Status MakeYoung(const std::vector<Digest>& digests, std::vector<Digest>* gone);

  const fs::path file_;
  std::mutex write_mutex_;
  std::unique_ptr<Connection> writer_;
  std::mutex read_mutex_;  // never held while waiting for the other
  std::unique_ptr<Connection> reader_;
};

}  // namespace roost::store
