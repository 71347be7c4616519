#include "trainer/train/image_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/strings.h"
#include "trainer/folders/component_error.h"
#include "trainer/folders/text_files.h"
#include "trainer/images/decode.h"
#include "trainer/images/operations.h"
#include "trainer/images/resize.h"

namespace roost::trainer {
namespace {

constexpr std::string_view kMagic = "roostimg";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kLongestSide = 1U << 30;
constexpr auto kLockRetry = std::chrono::milliseconds(100);

using DigestBytes = std::array<std::uint8_t, 32>;

struct Header {
  std::array<char, 8> magic{};
  std::uint32_t version = 0;
  std::uint32_t short_side = 0;
  std::uint64_t count = 0;
  std::uint64_t file_bytes = 0;
  DigestBytes made_of{};
  DigestBytes table{};
  std::array<std::uint8_t, 32> unused{};
};
static_assert(sizeof(Header) == 128);

struct Entry {
  std::uint64_t offset = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};
static_assert(sizeof(Entry) == 16);

// Requires: sides of at most kLongestSide, so that it fits.
std::uint64_t BytesOf(const Entry& entry) { return std::uint64_t{entry.width} * entry.height * 3; }

Entry EntryAt(std::string_view file, std::size_t index) {
  Entry entry;
  std::memcpy(&entry, file.data() + sizeof(Header) + index * sizeof(Entry), sizeof entry);
  return entry;
}

DigestBytes DigestOfImages(const ImageDirectory& images) {
  Hasher hasher;
  for (std::size_t i = 0; i < images.size(); ++i) {
    struct stat info {};
    // A missing file is another state than an empty one.
    const bool there = stat(images.PathOf(i).c_str(), &info) == 0;
    const std::array<std::int64_t, 3> state = {there ? std::int64_t{info.st_size} : -1,
                                               std::int64_t{info.st_mtim.tv_sec},
                                               std::int64_t{info.st_mtim.tv_nsec}};
    hasher.Update(images.FileName(i));
    hasher.Update({"\0", 1});
    hasher.Update({reinterpret_cast<const char*>(state.data()), sizeof state});
  }
  return hasher.Finish().bytes;
}

tl::unexpected<Error> Stale(const std::string& reason) {
  return Fail(ErrorCode::kInvalidArgument, reason);
}

// --- Making one ---

Result<Fd> LockFolder(const fs::path& folder, const std::atomic<bool>& interrupt) {
  ROOST_ASSIGN(Fd lock, OpenFile(folder, O_RDONLY | O_DIRECTORY));
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return Fail(ErrorCode::kInvalidArgument,
                  ErrnoError("locking the cache folder " + folder.string(), errno).message +
                      ". Take a folder on a disk of this machine.");
    }
    if (interrupt) return Fail(ErrorCode::kUnavailable, "Interrupted.");
    std::this_thread::sleep_for(kLockRetry);
  }
  return lock;
}

// A file that has its name once it is whole. Requires: the folder's lock.
class NewFile {
 public:
  static Result<NewFile> Create(const fs::path& target) {
    const fs::path folder = target.parent_path();
    const fs::path part = folder / ("." + target.filename().string() + ".part");
    unlink(part.c_str());
    // Without a name it is gone when the process is killed.
    Result<Fd> file = OpenFile(folder, O_TMPFILE | O_RDWR);
    if (file) return NewFile(target, part, std::move(*file), /*named=*/false);
    file = OpenFile(part, O_RDWR | O_CREAT | O_TRUNC);
    if (!file) return Fail(file.error());
    return NewFile(target, part, std::move(*file), /*named=*/true);
  }
  ~NewFile() {
    if (named_) unlink(part_.c_str());
  }
  NewFile(NewFile&& other) noexcept
      : target_(std::move(other.target_)),
        part_(std::move(other.part_)),
        file_(std::move(other.file_)),
        named_(std::exchange(other.named_, false)) {}

  Status Write(std::uint64_t offset, std::string_view data) const {
    while (!data.empty()) {
      const ssize_t written =
          pwrite(file_.get(), data.data(), data.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failed();
      data.remove_prefix(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
    return {};
  }

  Status PutInPlace() {
    if (fsync(file_.get()) != 0) return Failed();
    if (!named_) {
      const std::string self = "/proc/self/fd/" + std::to_string(file_.get());
      if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, part_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
        return Failed();
      }
      named_ = true;
    }
    if (rename(part_.c_str(), target_.c_str()) != 0) return Failed();
    named_ = false;
    return SyncFolder(target_.parent_path());
  }

 private:
  NewFile(fs::path target, fs::path part, Fd file, bool named)
      : target_(std::move(target)), part_(std::move(part)), file_(std::move(file)), named_(named) {}
  Status Failed() const { return Fail(ErrnoError("writing " + target_.string(), errno)); }

  fs::path target_;
  fs::path part_;
  Fd file_;
  bool named_;  // as part_
};

Result<Image> DecodeShrunk(const fs::path& path, int short_side) {
  ROOST_ASSIGN(DecodedImage decoded, DecodeImageFile(path));
  Image image = std::move(decoded.image);
  if (short_side == 0 || std::min(image.width, image.height) <= short_side) return image;
  const auto [width, height] = ShorterSideTo(image.width, image.height, short_side);
  return ResizeImage(image, width, height, Filter::kBilinear);
}

class Making {
 public:
  Making(const fs::path& file, const ImageDirectory& images, const ImageCache::Options& options,
         const std::atomic<bool>& interrupt)
      : path_(file), images_(images), options_(options), interrupt_(interrupt) {}

  // The bytes that were written.
  Result<std::uint64_t> Run(const DigestBytes& made_of) {
    ROOST_ASSIGN(NewFile file, NewFile::Create(path_));
    table_.resize(images_.size());
    end_ = sizeof(Header) + table_.size() * sizeof(Entry);
    const Status added = ParallelFor(images_.size(), options_.threads,
                                     [&](std::size_t i) { return AddImage(i, file); });
    if (!added) return Told(added.error());
    const std::string_view table(reinterpret_cast<const char*>(table_.data()),
                                 table_.size() * sizeof(Entry));
    Header header{.version = kVersion,
                  .short_side = static_cast<std::uint32_t>(options_.short_side),
                  .count = table_.size(),
                  .file_bytes = end_,
                  .made_of = made_of,
                  .table = DigestOf(table).bytes};
    std::copy(kMagic.begin(), kMagic.end(), header.magic.begin());
    Status written = file.Write(sizeof header, table);
    if (written) written = file.Write(0, {reinterpret_cast<const char*>(&header), sizeof header});
    if (written) written = file.PutInPlace();
    if (!written) return Told(written.error());
    return end_;
  }

 private:
  Status AddImage(std::size_t i, const NewFile& file) {
    if (interrupt_) return Fail(ErrorCode::kUnavailable, "Interrupted.");
    // One that cannot be read stays out; whoever wants it reads the file itself, and is told why.
    const Result<Image> image = DecodeShrunk(images_.PathOf(i), options_.short_side);
    if (!image) return {};
    const std::string_view pixels(reinterpret_cast<const char*>(image->pixels.data()),
                                  image->pixels.size());
    std::uint64_t offset = 0;
    {
      const std::lock_guard lock(mutex_);
      offset = end_;
      end_ += pixels.size();
      ++added_;
    }
    table_[i] = {offset, static_cast<std::uint32_t>(image->width),
                 static_cast<std::uint32_t>(image->height)};
    return file.Write(offset, pixels);
  }

  tl::unexpected<Error> Told(Error error) const {
    if (error.code == ErrorCode::kExhausted) {
      error.message += " (" + std::to_string(added_) + " of " + std::to_string(table_.size()) +
                       " images took " + FormatBytes(end_) +
                       "; a cache short side makes them smaller)";
    }
    return Fail(AsOutputError(std::move(error)));
  }

  const fs::path& path_;
  const ImageDirectory& images_;
  const ImageCache::Options& options_;
  const std::atomic<bool>& interrupt_;
  std::vector<Entry> table_{};  // each thread writes entries of its own
  std::mutex mutex_;
  std::uint64_t end_ = 0;  // of the file; guarded by mutex_
  std::size_t added_ = 0;  // guarded by mutex_
};

}  // namespace

// kInvalidArgument: the reason why the file has to be made anew; kNotFound: there is none.
Result<std::unique_ptr<const ImageCache>> ImageCache::Map(const fs::path& file,
                                                          std::string_view made_of,
                                                          std::size_t count,
                                                          const Options& options) {
  auto mapped = MappedFile::Open(file);
  if (!mapped) return Fail(std::move(mapped.error()));
  const std::string_view bytes = (*mapped)->bytes();
  if (!bytes.starts_with(kMagic)) {
    return Fail(
        ErrorCode::kConflict,
        file.string() + " is no image cache. Take another cache folder, or remove the file.");
  }
  Header header;
  if (bytes.size() < sizeof header) return Stale("it is damaged");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != kVersion) return Stale("it is of another version of this program");
  if (header.short_side != static_cast<std::uint32_t>(options.short_side)) {
    return Stale("its short side is " + std::to_string(header.short_side));
  }
  if (std::memcmp(header.made_of.data(), made_of.data(), made_of.size()) != 0 ||
      header.count != count) {
    return Stale("it was made of other images, or they have changed since");
  }
  const std::uint64_t pixels = sizeof header + count * sizeof(Entry);
  if (header.file_bytes != bytes.size() || bytes.size() < pixels ||
      DigestOf(bytes.substr(sizeof header, count * sizeof(Entry))).bytes != header.table) {
    return Stale("it is damaged");
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Entry entry = EntryAt(bytes, i);
    if (entry.offset == 0 && entry.width == 0 && entry.height == 0) continue;
    if (entry.width == 0 || entry.height == 0 || entry.width > kLongestSide ||
        entry.height > kLongestSide || entry.offset < pixels || entry.offset > bytes.size() ||
        BytesOf(entry) > bytes.size() - entry.offset) {
      return Stale("it is damaged");
    }
  }
  return std::unique_ptr<const ImageCache>(new ImageCache(std::move(*mapped)));
}

Result<std::unique_ptr<const ImageCache>> ImageCache::Open(const fs::path& file,
                                                           const ImageDirectory& images,
                                                           const Options& options,
                                                           const std::atomic<bool>& interrupt,
                                                           const Note& note) {
  if (const Status made = MakeFolders(file.parent_path()); !made) {
    return FailModule(FailedToWriteOutputs(made.error().message));
  }
  const DigestBytes digest = DigestOfImages(images);
  const std::string_view made_of(reinterpret_cast<const char*>(digest.data()), digest.size());
  const auto map = [&] { return Map(file, made_of, images.size(), options); };
  const auto usable_or_error = [](const auto& cache) {
    return cache || (cache.error().code != ErrorCode::kInvalidArgument &&
                     cache.error().code != ErrorCode::kNotFound);
  };
  Result<std::unique_ptr<const ImageCache>> cache = map();
  if (usable_or_error(cache)) return cache;

  ROOST_ASSIGN(const Fd lock, LockFolder(file.parent_path(), interrupt));
  cache = map();  // another process may have made it meanwhile
  if (usable_or_error(cache)) return cache;
  const bool anew = cache.error().code == ErrorCode::kInvalidArgument;
  note("Making the image cache " + file.string() + " of " + std::to_string(images.size()) +
       " images" + (anew ? " anew: " + cache.error().message : std::string()) + ".");
  Making making(file, images, options, interrupt);
  ROOST_ASSIGN(const std::uint64_t bytes, making.Run(digest));
  note("The image cache has " + FormatBytes(bytes) + ".");
  return map();
}

std::optional<PixelView> ImageCache::Find(std::size_t index) const {
  const Entry entry = EntryAt(file_->bytes(), index);
  if (entry.width == 0) return std::nullopt;
  return PixelView{reinterpret_cast<const std::uint8_t*>(file_->bytes().data()) + entry.offset,
                   static_cast<int>(entry.width), static_cast<int>(entry.height),
                   std::size_t{entry.width} * 3};
}

}  // namespace roost::trainer
