#include "roost/upload.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <unordered_set>

namespace roost::client {
namespace {

// One stream's size: large enough that its sync costs little, small enough to repeat.
constexpr std::uint64_t kStreamBytes = 256ULL << 20;
constexpr std::size_t kHeaderBytes = 40;  // digest, length

// Makes the body of one POST /blobs piece by piece.
class BlobStream {
 public:
  explicit BlobStream(std::span<const BlobSource> blobs) : blobs_(blobs) {}

  static std::uint64_t SizeOf(std::span<const BlobSource> blobs) {
    std::uint64_t size = 0;
    for (const BlobSource& blob : blobs) size += kHeaderBytes + blob.size;
    return size;
  }

  Result<std::size_t> Read(char* buffer, std::size_t capacity) {
    std::size_t filled = 0;
    while (filled < capacity && (in_blob_ || next_ < blobs_.size())) {
      if (!in_blob_) ROOST_TRY(OpenNext());
      if (!header_.empty()) {
        filled += TakeHeader(buffer + filled, capacity - filled);
        continue;
      }
      if (left_ == 0) {
        in_blob_ = false;
        continue;
      }
      ROOST_ASSIGN(const std::size_t got, ReadFile(buffer + filled, capacity - filled));
      filled += got;
    }
    return filled;
  }

 private:
  Status OpenNext() {
    blob_ = &blobs_[next_++];
    ROOST_ASSIGN(file_, OpenFile(blob_->file, O_RDONLY | O_CLOEXEC));
    in_blob_ = true;
    left_ = blob_->size;
    header_.assign(reinterpret_cast<const char*>(blob_->digest.bytes.data()),
                   blob_->digest.bytes.size());
    for (int byte = 0; byte < 8; ++byte) {
      header_.push_back(static_cast<char>((blob_->size >> (8 * byte)) & 0xff));
    }
    return {};
  }

  std::size_t TakeHeader(char* buffer, std::size_t capacity) {
    const std::size_t length = std::min(capacity, header_.size());
    std::memcpy(buffer, header_.data(), length);
    header_.erase(0, length);
    return length;
  }

  Result<std::size_t> ReadFile(char* buffer, std::size_t capacity) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(capacity, left_));
    const ssize_t got = ::read(file_.get(), buffer, wanted);
    if (got < 0) return Fail(ErrnoError("reading " + blob_->file.string(), errno));
    if (got == 0) {
      return Fail(ErrorCode::kConflict, blob_->file.string() +
                                            " became shorter while it was sent. Try again when "
                                            "nothing writes to it.");
    }
    left_ -= static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }

  std::span<const BlobSource> blobs_;
  std::size_t next_ = 0;
  const BlobSource* blob_ = nullptr;
  bool in_blob_ = false;
  std::string header_;
  std::uint64_t left_ = 0;
  Fd file_;
};

Status SendStream(Client& client, std::span<const BlobSource> blobs, std::uint64_t done_before,
                  std::uint64_t total, const Progress& progress) {
  Backoff backoff(std::chrono::seconds(30));
  while (true) {
    BlobStream stream(blobs);
    std::uint64_t done = done_before;
    HttpRequest request;
    request.method = "POST";
    request.target = "/blobs";
    request.headers.emplace_back("Content-Type", "application/vnd.roost.blobs");
    request.stream_size = BlobStream::SizeOf(blobs);
    request.stall_limit = std::chrono::seconds(300);  // the final sync is silent
    request.read_body = [&](char* buffer, std::size_t capacity) -> Result<std::size_t> {
      ROOST_ASSIGN(const std::size_t got, stream.Read(buffer, capacity));
      done += got;
      if (progress) progress(done, total);
      return got;
    };
    auto sent = client.Send(std::move(request), false);
    if (sent) return {};
    if (sent.error().code != ErrorCode::kUnavailable || client.http().interrupted() ||
        !backoff.Wait()) {
      return Fail(sent.error());
    }
  }
}

}  // namespace

Status SendBlobs(Client& client, const std::vector<BlobSource>& blobs, const Progress& progress) {
  const std::uint64_t total = BlobStream::SizeOf(blobs);
  std::uint64_t done = 0;
  std::span<const BlobSource> rest(blobs);
  while (!rest.empty()) {
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    while (count < rest.size() && (count == 0 || bytes + rest[count].size <= kStreamBytes)) {
      bytes += kHeaderBytes + rest[count].size;
      ++count;
    }
    ROOST_TRY(SendStream(client, rest.first(count), done, total, progress));
    done += bytes;
    rest = rest.subspan(count);
  }
  return {};
}

Result<SentSnapshot> SendSnapshot(Client& client, const FolderSnapshot& snapshot,
                                  const Progress& progress) {
  const nlohmann::json manifest = spec::ToJson(snapshot.manifest);
  SentSnapshot sent;
  // The second round follows the upload. A third one can be needed when the server's gc removed old
  // blobs in between.
  for (int round = 0; round < 3; ++round) {
    ROOST_ASSIGN(const auto answer, client.PostRepeatable("/snapshots", manifest));
    if (answer.contains("id") && answer["id"].is_string()) {
      sent.id = answer["id"].get<std::string>();
      return sent;
    }
    std::unordered_set<std::string> missing;
    for (const auto& digest : answer.value("missing", nlohmann::json::array())) {
      if (digest.is_string()) missing.insert(digest.get<std::string>());
    }
    std::vector<BlobSource> blobs;
    for (const spec::SnapshotFile& file : snapshot.manifest.files) {
      if (missing.erase(file.digest.ToText()) == 0) continue;
      blobs.push_back({file.digest, file.size, snapshot.folder / file.path});
      sent.bytes_sent += file.size;
    }
    sent.blobs_sent += blobs.size();
    ROOST_TRY(SendBlobs(client, blobs, progress));
  }
  return Fail(ErrorCode::kUnavailable, "The server did not keep what was sent of " +
                                           snapshot.folder.string() +
                                           ". Try again; if it goes on, look at the server's log.");
}

}  // namespace roost::client
