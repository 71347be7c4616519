#include "store/blob_content.h"

#include <fcntl.h>

#include <utility>

namespace roost::store {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
// Below it a thread costs more than it gains.
constexpr std::uint64_t kThreadFromBytes = 4 << 20;
// Written pages are handed to the disk early, so that the sync at the end has little left to do.
constexpr std::uint64_t kStartWritingBytes = 8 << 20;

}  // namespace

Status BlobContent::Write(int file, std::string_view piece, const fs::path& path) {
  ROOST_TRY(WriteAll(file, piece, path));
  size_ += piece.size();
  if (is_hashed_) Hash(piece);
  if (size_ - started_ >= kStartWritingBytes) {
    // Only a hint; a failure shows itself in the sync.
    (void)sync_file_range(file, static_cast<off64_t>(started_),
                          static_cast<off64_t>(size_ - started_), SYNC_FILE_RANGE_WRITE);
    started_ = size_;
  }
  return {};
}

void BlobContent::Hash(std::string_view piece) {
  if (thread_) {
    collected_.append(piece);
    if (collected_.size() < kPieceBytes) return;
    collected_ = thread_->Update(std::move(collected_));
    collected_.reserve(kPieceBytes);
    return;
  }
  hasher_.Update(piece);
  if (size_ >= kThreadFromBytes) thread_.emplace(std::move(hasher_));
}

Result<Digest> BlobContent::FinishHash(const fs::path& path) {
  if (!is_hashed_) return DigestOfFile(path);
  if (!thread_) return hasher_.Finish();
  if (!collected_.empty()) (void)thread_->Update(std::move(collected_));
  return thread_->Finish();
}

}  // namespace roost::store
