#include "store/blobs.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "store/blob_content.h"
#include "store/blob_files.h"
#include "store/blob_parts.h"
#include "store/small_blobs.h"

namespace roost::store {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
// A batch holds so much of its small contents in memory before it writes them.
constexpr std::size_t kSmallAtOnceBytes = 4 << 20;

std::string FolderName(int index) {
  constexpr const char* kHex = "0123456789abcdef";
  return {kHex[index / 16], kHex[index % 16]};
}

Error NoSuchBlob(const Digest& digest) {
  return {ErrorCode::kNotFound, "The content " + digest.ToText() + " is not in the store.", {}};
}

}  // namespace

// --- One blob ---

class Blobs::FileWriter : public Blobs::Writer {
 public:
  FileWriter(const Blobs& blobs, TemporaryFile file) : blobs_(blobs), file_(std::move(file)) {}

  Status Write(std::string_view piece) override {
    return content_.Write(file_.fd(), piece, file_.path());
  }

  Result<BlobInfo> Finish(const Digest* expected) override {
    ROOST_ASSIGN(const Digest digest, content_.FinishHash(file_.path()));
    if (expected != nullptr && *expected != digest) return Fail(OtherContent(*expected, digest));
    return Name(digest, content_.size());
  }

  // Takes all of `from` at once, sharing its blocks where the file system can. False: it cannot.
  bool TryClone(int from) { return ioctl(file_.fd(), FICLONE, from) == 0; }
  Result<BlobInfo> FinishClone() {
    struct stat info {};
    if (fstat(file_.fd(), &info) != 0) {
      return Fail(ErrnoError("reading " + file_.path().string(), errno));
    }
    ROOST_ASSIGN(const Digest digest, DigestOfFile(file_.path()));
    return Name(digest, static_cast<std::uint64_t>(info.st_size));
  }

 private:
  Result<BlobInfo> Name(const Digest& digest, std::uint64_t size) {
    const fs::path final_path = blobs_.FileOf(digest);
    if (!FreshenBlob(final_path)) {
      ROOST_TRY(file_.Sync());
      ROOST_TRY(file_.Close());
      ROOST_TRY(file_.RenameTo(final_path));
    }
    // Also when another has renamed the same content: its sync of the folder may be yet to come.
    ROOST_TRY(SyncFolder(final_path.parent_path()));
    return BlobInfo{digest, size};
  }

  const Blobs& blobs_;
  TemporaryFile file_;
  BlobContent content_;
};

// --- Many blobs ---

// A folder of temporary files named by their digests; one sync makes all contents durable before
// the first rename, another one all names.
class Blobs::FileBatch : public Blobs::Batch {
 public:
  FileBatch(const Blobs& blobs, fs::path folder) : blobs_(blobs), folder_(std::move(folder)) {}
  ~FileBatch() override { (void)RemoveTree(folder_); }

  Status Add(const Digest& digest, std::string_view content) override {
    const Digest found = DigestOf(content);
    if (found != digest) return Fail(OtherContent(digest, found));
    if (FreshenBlob(blobs_.FileOf(digest))) return {};
    if (content.size() <= SmallBlobs::kLargest) return AddSmall(digest, content);
    ROOST_TRY(MakeFolder());
    const fs::path path = folder_ / digest.Hex();
    Result<TemporaryFile> file = TemporaryFile::Create(path);
    if (!file && file.error().code == ErrorCode::kConflict) return {};  // twice in this batch
    ROOST_TRY(file);
    ROOST_TRY(WriteAll(file->fd(), content, path));
    ROOST_TRY(file->Close());
    added_.push_back(digest);
    files_.push_back(std::move(*file));
    return {};
  }

  Status Commit() override {
    ROOST_TRY(WriteSmall());
    ROOST_TRY(SyncAll());
    if (files_.empty()) return {};
    for (std::size_t i = 0; i < files_.size(); ++i) {
      ROOST_TRY(files_[i].RenameTo(blobs_.FileOf(added_[i])));
    }
    return SyncAll();
  }

 private:
  Status AddSmall(const Digest& digest, std::string_view content) {
    small_.emplace_back(digest, content);
    small_bytes_ += content.size();
    return small_bytes_ < kSmallAtOnceBytes ? Status() : WriteSmall();
  }

  Status WriteSmall() {
    if (small_.empty()) return {};
    ROOST_TRY(blobs_.small_->Put(small_));
    small_.clear();
    small_bytes_ = 0;
    return {};
  }

  Status MakeFolder() {
    if (has_folder_) return {};
    ROOST_TRY(MakeFolders(folder_, 0700));
    has_folder_ = true;
    return {};
  }

  Status SyncAll() const {
    ROOST_ASSIGN(const Fd folder, OpenFile(blobs_.folder_, O_RDONLY | O_DIRECTORY));
    if (syncfs(folder.get()) == 0) return {};
    return Fail(ErrnoError("syncing " + blobs_.folder_.string(), errno));
  }

  const Blobs& blobs_;
  const fs::path folder_;
  std::vector<std::pair<Digest, std::string>> small_;  // not yet written
  std::size_t small_bytes_ = 0;
  bool has_folder_ = false;
  std::vector<Digest> added_;
  std::vector<TemporaryFile> files_;  // of added_, in its order
};

// --- Blobs ---

Result<std::unique_ptr<Blobs>> Blobs::Open(fs::path folder) {
  std::unique_ptr<Blobs> blobs(new Blobs(std::move(folder)));
  ROOST_TRY(RemoveTree(blobs->folder_ / "tmp"));
  ROOST_TRY(MakeFolders(blobs->folder_ / "tmp", 0700));
  ROOST_TRY(MakeFolders(blobs->folder_ / "parts", 0700));
  // All at once, so that no write has to make and sync a folder; the last one tells that all are.
  if (!fs::exists(blobs->folder_ / FolderName(255))) {
    for (int i = 0; i < 256; ++i) ROOST_TRY(MakeFolders(blobs->folder_ / FolderName(i), 0700));
    ROOST_TRY(SyncFolder(blobs->folder_));
  }
  ROOST_ASSIGN(blobs->small_, SmallBlobs::Open(blobs->folder_ / SmallBlobs::kFileName));
  return blobs;
}

Blobs::Blobs(fs::path folder)
    : folder_(std::move(folder)), parts_(std::make_unique<BlobParts>(folder_ / "parts")) {}
Blobs::~Blobs() = default;

fs::path Blobs::FileOf(const Digest& digest) const {
  const std::string hex = digest.Hex();
  return folder_ / hex.substr(0, 2) / hex.substr(2);
}

fs::path Blobs::NewTemporary() const { return folder_ / "tmp" / RandomHex(12); }

Result<std::unique_ptr<Blobs::Writer>> Blobs::NewWriter() {
  ROOST_ASSIGN(TemporaryFile file, TemporaryFile::Create(NewTemporary()));
  return std::make_unique<FileWriter>(*this, std::move(file));
}

std::uint64_t Blobs::Received(const Digest& digest) const {
  const Result<std::uint64_t> whole = Has(digest) ? Size(digest) : parts_->Received(digest);
  return whole ? *whole : 0;
}

Result<std::unique_ptr<Blobs::Writer>> Blobs::Continue(const Digest& digest, std::uint64_t offset) {
  return parts_->Continue(digest, offset, FileOf(digest));
}

Result<BlobInfo> Blobs::Put(std::string_view content) {
  ROOST_ASSIGN(const std::unique_ptr<Writer> writer, NewWriter());
  ROOST_TRY(writer->Write(content));
  return writer->Finish();
}

Result<BlobInfo> Blobs::PutFile(const fs::path& file) {
  // Non-blocking, so that a pipe is refused below and not waited for.
  ROOST_ASSIGN(const Fd source, OpenFile(file, O_RDONLY | O_NONBLOCK));
  struct stat info {};
  if (fstat(source.get(), &info) != 0) return Fail(ErrnoError("reading " + file.string(), errno));
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kInvalidArgument, file.string() + " is not a regular file.");
  }
  ROOST_ASSIGN(TemporaryFile temporary, TemporaryFile::Create(NewTemporary()));
  FileWriter writer(*this, std::move(temporary));
  if (writer.TryClone(source.get())) return writer.FinishClone();

  std::string piece(kPieceBytes, '\0');
  while (true) {
    const ssize_t got = read(source.get(), piece.data(), piece.size());
    if (got == 0) return writer.Finish(nullptr);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(ErrnoError("reading " + file.string(), errno));
    ROOST_TRY(writer.Write({piece.data(), static_cast<std::size_t>(got)}));
  }
}

std::unique_ptr<Blobs::Batch> Blobs::NewBatch() {
  return std::make_unique<FileBatch>(*this, NewTemporary());
}

bool Blobs::Has(const Digest& digest) const { return Missing({digest}).empty(); }

std::vector<Digest> Blobs::Missing(const std::vector<Digest>& digests) const {
  std::vector<Digest> no_files;
  for (const Digest& digest : digests) {
    if (!FreshenBlob(FileOf(digest))) no_files.push_back(digest);
  }
  if (no_files.empty()) return no_files;
  Result<std::vector<Digest>> missing = small_->Missing(no_files);
  if (missing) return std::move(*missing);
  // Sent again they are only kept twice.
  LogWarning("small_blobs_unreadable", {{"error", missing.error().message}});
  return no_files;
}

Result<std::uint64_t> Blobs::Size(const Digest& digest) const {
  struct stat info {};
  const fs::path file = FileOf(digest);
  if (stat(file.c_str(), &info) == 0) return static_cast<std::uint64_t>(info.st_size);
  if (errno != ENOENT) return Fail(ErrnoError("looking at " + file.string(), errno));
  ROOST_ASSIGN(const std::optional<std::uint64_t> size, small_->Size(digest));
  if (!size) return Fail(NoSuchBlob(digest));
  return *size;
}

Result<Fd> Blobs::OpenToRead(const Digest& digest) const {
  Result<Fd> file = OpenFile(FileOf(digest), O_RDONLY);
  if (file || file.error().code != ErrorCode::kNotFound) return file;
  ROOST_ASSIGN(const std::optional<std::string> content, small_->Read(digest));
  if (!content) return Fail(NoSuchBlob(digest));
  return MemoryFile(*content);
}

Result<std::string> Blobs::Read(const Digest& digest, std::uint64_t limit) const {
  Result<std::string> content = ReadFile(FileOf(digest), limit);
  if (content || content.error().code != ErrorCode::kNotFound) return content;
  ROOST_ASSIGN(std::optional<std::string> small, small_->Read(digest));
  if (!small) return Fail(NoSuchBlob(digest));
  if (small->size() > limit) {
    return Fail(ErrorCode::kTooLarge, "The content " + digest.ToText() + " has " +
                                          std::to_string(small->size()) + " bytes, more than " +
                                          std::to_string(limit) + ".");
  }
  return std::move(*small);
}

Status Blobs::CopyTo(const Digest& digest, const fs::path& to, bool executable,
                     const std::function<bool()>& stop) const {
  const unsigned mode = executable ? 0755U : 0644U;
  const Status copied = CopyFile(FileOf(digest), to, mode, stop);
  if (copied || copied.error().code != ErrorCode::kNotFound) return copied;
  ROOST_ASSIGN(const std::optional<std::string> content, small_->Read(digest));
  if (!content) return Fail(NoSuchBlob(digest));
  // As CopyFile: never through what stands there, and whatever the umask.
  if (unlink(to.c_str()) != 0 && errno != ENOENT) {
    return Fail(ErrnoError("replacing " + to.string(), errno));
  }
  ROOST_ASSIGN(const Fd file, OpenFile(to, O_WRONLY | O_CREAT | O_EXCL, mode));
  if (fchmod(file.get(), mode) != 0) return Fail(ErrnoError("writing " + to.string(), errno));
  return WriteAll(file.get(), *content, to);
}

Status Blobs::LinkTo(const Digest& digest, const fs::path& to) const {
  const fs::path file = FileOf(digest);
  if (link(file.c_str(), to.c_str()) == 0) return {};
  if (errno == ENOENT) return Fail(NoSuchBlob(digest));
  return Fail(ErrnoError("linking " + file.string() + " to " + to.string(), errno));
}

}  // namespace roost::store
