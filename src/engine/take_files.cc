#include "engine/take_files.h"

#include "base/digest.h"
#include "base/strings.h"
#include "spec/run_definition.h"
#include "store/blobs.h"

namespace roost::engine {
namespace {

// A batch is held in memory until its sync; larger files are streamed instead.
constexpr std::uint64_t kSmallFile = 256 << 10;
constexpr std::uint64_t kBatchBytes = 8 << 20;

// The file's own fault, as opposed to the disk's or ours.
bool IsFaultOfFile(const Error& error) {
  return error.code == ErrorCode::kPermissionDenied || error.code == ErrorCode::kNotFound;
}

// Small files on their way into blobs.
class SmallFiles {
 public:
  SmallFiles(store::Store& store, TakenFiles& taken) : store_(store), taken_(taken) {}

  Status Add(const FileToTake& file, Micros now) {
    auto content = ReadFile(file.file);
    if (!content) return Fail(std::move(content.error()));
    if (!batch_) batch_ = store_.blobs().NewBatch();
    const Digest digest = DigestOf(*content);
    ROOST_TRY(batch_->Add(digest, *content));
    bytes_ += content->size();
    pending_.push_back({file.path, digest, content->size(), now});
    return bytes_ < kBatchBytes ? Status() : Commit();
  }

  Status Commit() {
    if (!batch_) return {};
    ROOST_TRY(batch_->Commit());
    batch_.reset();
    bytes_ = 0;
    taken_.artifacts.insert(taken_.artifacts.end(), pending_.begin(), pending_.end());
    pending_.clear();
    return {};
  }

 private:
  store::Store& store_;
  TakenFiles& taken_;
  std::unique_ptr<store::Blobs::Batch> batch_;
  std::vector<store::Artifact> pending_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Result<TakenFiles> TakeFilesIntoBlobs(store::Store& store, const std::vector<FileToTake>& files,
                                      Micros now, const std::function<bool()>& stop) {
  TakenFiles taken;
  SmallFiles small(store, taken);
  for (const FileToTake& file : files) {
    if (stop()) return Fail(ErrorCode::kUnavailable, "the server is stopping");
    Status done = spec::CheckArtifactPath(file.path);
    if (!done) {
      taken.skipped.push_back(ToValidUtf8(file.path) + ": " + done.error().message);
      continue;
    }
    if (file.size <= kSmallFile) {
      done = small.Add(file, now);
    } else if (auto blob = store.blobs().PutFile(file.file); blob) {
      taken.artifacts.push_back({file.path, blob->digest, blob->size, now});
    } else {
      done = Fail(std::move(blob.error()));
    }
    if (!done && IsFaultOfFile(done.error())) {
      taken.skipped.push_back(file.path + ": " + done.error().message);
    } else if (!done) {
      return Fail(std::move(done.error()));
    }
  }
  ROOST_TRY(small.Commit());
  return taken;
}

}  // namespace roost::engine
