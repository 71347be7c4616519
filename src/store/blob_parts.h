#pragma once

#include <ctime>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"
#include "store/blobs.h"

namespace roost::store {

// Large contents that arrive over several connections: `<folder>/<64 hex digits of the digest>` has
// what came so far, from the start. One writer at a time goes on with it; the last one checks the
// whole and makes it a blob. Kept over restarts; garbage collection removes what nobody went on
// with. Thread-safe.
class BlobParts {
 public:
  explicit BlobParts(fs::path folder) : folder_(std::move(folder)) {}

  std::uint64_t Received(const Digest& digest) const;

  // Goes on behind the first `offset` bytes, or with 0 begins anew; `final_path` is the blob's.
  // Another offset than Received is kConflict, a content that another writer has kUnavailable. What
  // was written stays when the writer is dropped; Finish with another content removes it.
  Result<std::unique_ptr<Blobs::Writer>> Continue(const Digest& digest, std::uint64_t offset,
                                                  fs::path final_path);

  struct Old {
    fs::path file;
    std::uint64_t size = 0;
  };
  // Those that nobody has written to since, and nobody writes now.
  std::vector<Old> NotWrittenSince(std::time_t before) const;
  bool RemoveIfStillOld(const fs::path& file, std::time_t before);

 private:
  class PartWriter;
  bool Claim(const std::string& name);
  void Release(const std::string& name);

  const fs::path folder_;
  mutable std::mutex mutex_;
  std::set<std::string> written_;  // guarded by mutex_: names that have a writer
};

}  // namespace roost::store
