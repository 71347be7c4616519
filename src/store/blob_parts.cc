#include "store/blob_parts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "store/blob_content.h"
#include "store/blob_files.h"

namespace roost::store {

class BlobParts::PartWriter : public Blobs::Writer {
 public:
  PartWriter(BlobParts& parts, const Digest& digest, fs::path path, fs::path final_path, Fd file,
             std::uint64_t size)
      : parts_(parts),
        digest_(digest),
        path_(std::move(path)),
        final_path_(std::move(final_path)),
        file_(std::move(file)),
        content_(size) {}
  ~PartWriter() override { parts_.Release(path_.filename()); }

  Status Write(std::string_view piece) override {
    return content_.Write(file_.get(), piece, path_);
  }

  Result<BlobInfo> Finish(const Digest* expected) override {
    const Digest& wanted = expected != nullptr ? *expected : digest_;
    ROOST_ASSIGN(const Digest found, content_.FinishHash(path_));
    if (found != wanted) {
      unlink(path_.c_str());
      return Fail(OtherContent(wanted, found));
    }
    if (FreshenBlob(final_path_)) {
      unlink(path_.c_str());
    } else {
      ROOST_TRY(MakeBlob());
    }
    ROOST_TRY(SyncFolder(final_path_.parent_path()));
    return BlobInfo{found, content_.size()};
  }

 private:
  Status MakeBlob() {
    if (fchmod(file_.get(), kBlobMode) != 0 || fdatasync(file_.get()) != 0) {
      return Fail(ErrnoError("syncing " + path_.string(), errno));
    }
    if (rename(path_.c_str(), final_path_.c_str()) != 0) {
      return Fail(ErrnoError("renaming " + path_.string() + " to " + final_path_.string(), errno));
    }
    return {};
  }

  BlobParts& parts_;
  const Digest digest_;
  const fs::path path_;
  const fs::path final_path_;
  Fd file_;
  BlobContent content_;
};

std::uint64_t BlobParts::Received(const Digest& digest) const {
  struct stat info {};
  const fs::path path = folder_ / digest.Hex();
  return stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

Result<std::unique_ptr<Blobs::Writer>> BlobParts::Continue(const Digest& digest,
                                                           std::uint64_t offset,
                                                           fs::path final_path) {
  const std::string name = digest.Hex();
  if (!Claim(name)) {
    return Fail(ErrorCode::kUnavailable, "The content " + digest.ToText() +
                                             " is arriving over another connection. Try again.");
  }
  const std::uint64_t received = Received(digest);
  if (offset != 0 && offset != received) {
    Release(name);
    return Fail(ErrorCode::kConflict, "Of the content " + digest.ToText() + " there are " +
                                          std::to_string(received) +
                                          " bytes; go on behind them, or begin anew with 0.");
  }
  const fs::path path = folder_ / name;
  const int anew = offset == 0 ? O_TRUNC : 0;
  Result<Fd> file = OpenFile(path, O_WRONLY | O_CREAT | O_APPEND | anew, 0600);
  if (!file) {
    Release(name);
    return Fail(file.error());
  }
  return std::make_unique<PartWriter>(*this, digest, path, std::move(final_path), std::move(*file),
                                      offset);
}

std::vector<BlobParts::Old> BlobParts::NotWrittenSince(std::time_t before) const {
  std::vector<Old> old;
  std::error_code error;
  const std::lock_guard lock(mutex_);
  for (fs::directory_iterator entry(folder_, error), end; !error && entry != end;
       entry.increment(error)) {
    struct stat info {};
    if (written_.contains(entry->path().filename()) || stat(entry->path().c_str(), &info) != 0) {
      continue;
    }
    if (info.st_mtim.tv_sec >= before) continue;
    old.push_back({entry->path(), static_cast<std::uint64_t>(info.st_size)});
  }
  return old;
}

bool BlobParts::RemoveIfStillOld(const fs::path& file, std::time_t before) {
  const std::lock_guard lock(mutex_);  // no writer begins meanwhile
  struct stat info {};
  return !written_.contains(file.filename()) && stat(file.c_str(), &info) == 0 &&
         info.st_mtim.tv_sec < before && unlink(file.c_str()) == 0;
}

bool BlobParts::Claim(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return written_.insert(name).second;
}

void BlobParts::Release(const std::string& name) {
  const std::lock_guard lock(mutex_);
  written_.erase(name);
}

}  // namespace roost::store
