#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"

namespace roost::store {

class BlobParts;
class SmallBlobs;

struct BlobInfo {
  Digest digest;
  std::uint64_t size = 0;
};

// Content by digest, kept once, never changed: a file `<folder>/ab/<62 more hex digits>`, or, for
// the small ones that come in a batch, a row of `<folder>/small.db` (SmallBlobs). A file is durable
// before its digest is given out: it is written under `<folder>/tmp`, synced, and then renamed.
// Nothing that a script can write ever shares an inode with a blob. Thread-safe; a Writer or a
// Batch belongs to one thread at a time.
//
// Garbage collection spares what is younger than its grace time. So that a blob which somebody is
// about to refer to is never taken for garbage, each look at one (Has, Missing, a write of the same
// content) makes it young again.
class Blobs {
 public:
  static Result<std::unique_ptr<Blobs>> Open(fs::path folder);  // removes half-written files
  ~Blobs();

  // A blob that is being written piece by piece. Dropped without Finish, it leaves nothing. Large
  // content is hashed on a thread of its own beside the writing.
  class Writer {
   public:
    virtual ~Writer() = default;
    virtual Status Write(std::string_view piece) = 0;
    // Syncs and names it. With `expected`, another content is kInvalidArgument. Requires: no Write
    // has failed.
    virtual Result<BlobInfo> Finish(const Digest* expected = nullptr) = 0;
  };
  Result<std::unique_ptr<Writer>> NewWriter();
  // How much of a content is here: all of it, or what came of it by Continue.
  std::uint64_t Received(const Digest& digest) const;
  // A large content that may come over several connections, see BlobParts. What was written stays
  // when the writer is dropped. Requires: the writer is dropped before the Blobs.
  Result<std::unique_ptr<Writer>> Continue(const Digest& digest, std::uint64_t offset);
  Result<BlobInfo> Put(std::string_view content);
  Result<BlobInfo> PutFile(const fs::path& file);  // copies (reflink where possible)

  // Many blobs with few syncs: Add them, then Commit makes all durable (syncfs, not a sync for each
  // file). Dropped without Commit, it leaves no file; small contents that were already written are
  // garbage, which collection takes. Commit ends a batch.
  class Batch {
   public:
    virtual ~Batch() = default;
    virtual Status Add(const Digest& digest, std::string_view content) = 0;  // checks the digest
    virtual Status Commit() = 0;
  };
  std::unique_ptr<Batch> NewBatch();

  bool Has(const Digest& digest) const;
  std::vector<Digest> Missing(const std::vector<Digest>& digests) const;
  Result<std::uint64_t> Size(const Digest& digest) const;
  // The content, to be read from its start: the blob's file, read-only, or a copy in memory.
  Result<Fd> OpenToRead(const Digest& digest) const;
  Result<std::string> Read(const Digest& digest, std::uint64_t limit = 64ULL << 20) const;
  // A copy at `to` (reflink where possible), writable by its owner. `stop` as for CopyFile.
  Status CopyTo(const Digest& digest, const fs::path& to, bool executable,
                const std::function<bool()>& stop = {}) const;

  // A hard link to a content that has a file of its own; kNotFound for the others. Requires:
  // nothing that a script can write to leads to `to`; it is for what is mounted read-only.
  Status LinkTo(const Digest& digest, const fs::path& to) const;

  const fs::path& folder() const { return folder_; }
  SmallBlobs& small() const { return *small_; }
  BlobParts& parts() const { return *parts_; }

 private:
  class FileWriter;
  class FileBatch;

  explicit Blobs(fs::path folder);
  fs::path FileOf(const Digest& digest) const;
  fs::path NewTemporary() const;

  const fs::path folder_;
  const std::unique_ptr<BlobParts> parts_;
  std::unique_ptr<SmallBlobs> small_;
};

}  // namespace roost::store
