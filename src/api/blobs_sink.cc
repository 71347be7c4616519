#include "api/blobs_sink.h"

#include <cstring>

#include "api/json.h"

namespace roost::api {
namespace {

constexpr std::size_t kHeader = 40;
constexpr std::uint64_t kSmall = 1 << 20;       // held in memory until it is whole
constexpr std::uint64_t kLargest = 1ULL << 44;  // 16 TiB: a length beyond it is a mistake

class BlobsSink : public BodySink {
 public:
  explicit BlobsSink(store::Blobs& blobs) : blobs_(blobs), batch_(blobs.NewBatch()) {}

  Status Write(std::string_view piece) override {
    while (!piece.empty()) {
      if (header_.size() < kHeader) {
        const std::size_t taken = std::min(kHeader - header_.size(), piece.size());
        header_.append(piece.substr(0, taken));
        piece.remove_prefix(taken);
        if (header_.size() == kHeader) ROOST_TRY(Begin());
        continue;
      }
      const std::size_t taken =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece.size()));
      ROOST_TRY(Take(piece.substr(0, taken)));
      piece.remove_prefix(taken);
    }
    return {};
  }

  Result<Response> Finish() override {
    if (!header_.empty()) {
      return Fail(ErrorCode::kInvalidArgument, "The stream of blobs ends in the middle of blob " +
                                                   std::to_string(received_ + 1) + ".");
    }
    ROOST_TRY(batch_->Commit());
    return JsonResponse(200, {{"received", received_}, {"bytes", bytes_}});
  }

  // A client that begins anew asks what is missing first.
  void Interrupted() override { static_cast<void>(batch_->Commit()); }

 private:
  Status Begin() {
    std::memcpy(digest_.bytes.data(), header_.data(), digest_.bytes.size());
    left_ = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      left_ |= static_cast<std::uint64_t>(static_cast<unsigned char>(header_[32 + i])) << (8 * i);
    }
    if (left_ > kLargest) {
      return Fail(ErrorCode::kInvalidArgument, "Blob " + std::to_string(received_ + 1) +
                                                   " tells a length of " + std::to_string(left_) +
                                                   " bytes; the stream is not in the right form.");
    }
    bytes_ += left_;
    if (left_ > kSmall) {
      ROOST_ASSIGN(writer_, blobs_.NewWriter());
    } else {
      content_.reserve(static_cast<std::size_t>(left_));
    }
    return left_ == 0 ? End() : Status();
  }

  Status Take(std::string_view piece) {
    left_ -= piece.size();
    if (writer_) {
      ROOST_TRY(writer_->Write(piece));
    } else {
      content_.append(piece);
    }
    return left_ == 0 ? End() : Status();
  }

  Status End() {
    if (writer_) {
      ROOST_TRY(writer_->Finish(&digest_));
      writer_.reset();
    } else {
      ROOST_TRY(batch_->Add(digest_, content_));
      content_.clear();
    }
    ++received_;
    header_.clear();
    return {};
  }

  store::Blobs& blobs_;
  std::unique_ptr<store::Blobs::Batch> batch_;
  std::unique_ptr<store::Blobs::Writer> writer_;  // of a large blob
  std::string header_;                            // of the blob that is under way
  std::string content_;
  Digest digest_;
  std::uint64_t left_ = 0;
  std::int64_t received_ = 0;
  std::uint64_t bytes_ = 0;
};

// One content, from where an earlier connection left it.
class ContentSink : public BodySink {
 public:
  explicit ContentSink(std::unique_ptr<store::Blobs::Writer> writer) : writer_(std::move(writer)) {}

  Status Write(std::string_view piece) override { return writer_->Write(piece); }
  Result<Response> Finish() override {
    ROOST_ASSIGN(const store::BlobInfo blob, writer_->Finish());
    return JsonResponse(201, {{"digest", blob.digest.ToText()}, {"size", blob.size}});
  }

 private:
  std::unique_ptr<store::Blobs::Writer> writer_;
};

}  // namespace

Result<std::unique_ptr<BodySink>> MakeContentSink(store::Blobs& blobs, const Digest& digest,
                                                  std::uint64_t offset) {
  ROOST_ASSIGN(auto writer, blobs.Continue(digest, offset));
  return std::make_unique<ContentSink>(std::move(writer));
}

std::unique_ptr<BodySink> MakeBlobsSink(store::Blobs& blobs) {
  return std::make_unique<BlobsSink>(blobs);
}

}  // namespace roost::api
