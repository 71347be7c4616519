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

// A content that is larger goes by itself, so that only what did not arrive is sent again.
constexpr std::uint64_t kLargeBytes = 64ULL << 20;
// How long nothing may arrive before a large content is given up: the server itself notices only
// after a minute that a connection is dead.
constexpr std::chrono::seconds kLargePatience{90};

Error BecameShorter(const BlobSource& blob) {
  return {ErrorCode::kConflict,
          blob.file.string() +
              " became shorter while it was sent. Try again when nothing writes to it.",
          {}};
}

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
      return Fail(BecameShorter(*blob_));
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

// Sends one content over as many connections as it takes.
class LargeBlob {
 public:
  LargeBlob(Client& client, const BlobSource& blob, std::function<void(std::uint64_t)> arrived)
      : client_(client),
        blob_(blob),
        path_("/blobs/" + blob.digest.ToText()),
        arrived_(std::move(arrived)) {}

  Status Send() {
    Backoff backoff(kLargePatience);
    std::uint64_t most = 0;
    bool anew = false;
    while (true) {
      const auto state = client_.Get(path_);
      if (!state && state.error().code != ErrorCode::kUnavailable) return Fail(state.error());
      Error why = state ? Error{} : state.error();
      if (state) {
        if (state->value("complete", false)) return {};
        const auto received = state->value("received", std::uint64_t{0});
        if (received > most) backoff.Reset();
        most = std::max(most, received);
        const std::uint64_t offset = anew || received > blob_.size ? 0 : received;
        const Status sent = SendFrom(offset);
        if (sent) return {};
        why = sent.error();
        if (why.code == ErrorCode::kInvalidArgument && offset > 0) {
          anew = true;  // somebody had sent another beginning
          continue;
        }
        anew = false;
      }
      const bool may_go_on = !file_failed_ && (why.code == ErrorCode::kUnavailable ||
                                               why.code == ErrorCode::kConflict);
      if (!may_go_on || client_.http().interrupted() || !backoff.Wait()) {
        if (why.code == ErrorCode::kInvalidArgument) why.message = Changed(why);
        return Fail(std::move(why));
      }
    }
  }

 private:
  Status SendFrom(std::uint64_t offset) {
    ROOST_ASSIGN(const Fd file, OpenFile(blob_.file, O_RDONLY | O_CLOEXEC));
    if (::lseek(file.get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
      return Fail(ErrnoError("reading " + blob_.file.string(), errno));
    }
    std::uint64_t done = offset;
    HttpRequest request;
    request.method = "PUT";
    request.target = path_ + "?offset=" + std::to_string(offset);
    request.headers.emplace_back("Content-Type", "application/octet-stream");
    request.stream_size = blob_.size - offset;
    request.stall_limit = std::chrono::seconds(300);  // the final check and sync are silent
    request.read_body = [&](char* buffer, std::size_t capacity) -> Result<std::size_t> {
      const ssize_t got = ::read(file.get(), buffer, capacity);
      if (got <= 0) file_failed_ = true;
      if (got < 0) return Fail(ErrnoError("reading " + blob_.file.string(), errno));
      if (got == 0) return Fail(BecameShorter(blob_));
      done += static_cast<std::uint64_t>(got);
      arrived_(done);
      return static_cast<std::size_t>(got);
    };
    ROOST_TRY(client_.Send(std::move(request), false));
    return {};
  }

  std::string Changed(const Error& why) const {
    return blob_.file.string() +
           " changed while it was sent. Try again when nothing writes to it. (" + why.message + ")";
  }

  Client& client_;
  const BlobSource& blob_;
  const std::string path_;
  const std::function<void(std::uint64_t)> arrived_;
  bool file_failed_ = false;
};

}  // namespace

Status SendBlobs(Client& client, const std::vector<BlobSource>& blobs, const Progress& progress) {
  const std::uint64_t total = BlobStream::SizeOf(blobs);
  std::uint64_t done = 0;
  std::span<const BlobSource> rest(blobs);
  while (!rest.empty()) {
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    if (rest.front().size > kLargeBytes) {
      LargeBlob large(client, rest.front(), [&](std::uint64_t arrived) {
        if (progress) progress(done + arrived, total);
      });
      ROOST_TRY(large.Send());
      done += kHeaderBytes + rest.front().size;
      rest = rest.subspan(1);
      continue;
    }
    while (count < rest.size() && rest[count].size <= kLargeBytes &&
           (count == 0 || bytes + rest[count].size <= kStreamBytes)) {
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
