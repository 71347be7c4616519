#include "trainer/folders/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "base/strings.h"

namespace roost::trainer {
namespace {

constexpr std::size_t kReadBytes = 256U << 10;

struct FreeArchive {
  void operator()(struct archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<struct archive, FreeArchive>;

// libarchive turns names into the locale's encoding, and gives none at all where that cannot show
// them. This thread reads UTF-8 meanwhile, whatever the program's locale is.
class Utf8Names {
 public:
  Utf8Names() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) before_ = uselocale(locale_);
  }
  ~Utf8Names() {
    if (locale_ == nullptr) return;
    uselocale(before_);
    freelocale(locale_);
  }
  Utf8Names(const Utf8Names&) = delete;

 private:
  locale_t locale_;
  locale_t before_ = nullptr;
};

std::string LowerExtension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

// The entry's name as bytes, which may be no UTF-8 in old archives.
std::string NameOf(struct archive_entry* entry) {
  const char* name = archive_entry_pathname_utf8(entry);
  if (name == nullptr) name = archive_entry_pathname(entry);
  return name == nullptr ? std::string() : std::string(name);
}

// "./a//b/" and "a\b" as "a/b"; what is unsafe stays unsafe.
std::string Normalize(std::string name) {
  std::replace(name.begin(), name.end(), '\\', '/');
  const bool absolute = name.starts_with('/');
  std::string result;
  for (const std::string& part : Split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (!result.empty()) result += '/';
    result += part;
  }
  return absolute ? "/" + result : result;
}

class Extraction {
 public:
  Extraction(const fs::path& archive, const fs::path& into, std::string_view dataset,
             const ArchiveLimits& limits)
      : path_(archive), into_(into), dataset_(dataset), limits_(limits) {}

  Status Run() {
    ROOST_TRY(Open());
    while (true) {
      struct archive_entry* entry = nullptr;
      const int got = archive_read_next_header(reader_.get(), &entry);
      if (got == ARCHIVE_EOF) return {};
      // A warning is told for names that the locale cannot show, which does no harm here.
      if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return Damaged();
      ROOST_TRY(Take(entry));
    }
  }

 private:
  Status Open() {
    reader_.reset(archive_read_new());
    if (reader_ == nullptr) return FailModule(OutOfMemory("no room to read an archive"));
    archive_read_support_format_zip_seekable(reader_.get());
    archive_read_support_format_zip_streamable(reader_.get());
    archive_read_support_format_tar(reader_.get());
    archive_read_support_format_gnutar(reader_.get());
    archive_read_support_filter_gzip(reader_.get());
    archive_read_support_filter_bzip2(reader_.get());
    std::error_code problem;
    packed_bytes_ = fs::file_size(path_, problem);
    if (problem) return Fail(ErrnoError("reading " + path_.string(), problem.value()));
    // libarchive takes an empty file for an archive without entries.
    if (packed_bytes_ == 0) return Refuse("the file " + path_.string() + " is empty");
    if (archive_read_open_filename(reader_.get(), path_.c_str(), kReadBytes) != ARCHIVE_OK) {
      return Damaged();
    }
    return {};
  }

  Status Take(struct archive_entry* entry) {
    const std::string raw = NameOf(entry);
    const std::string name = Normalize(raw);
    const std::string shown = ToValidUtf8(raw);
    const auto type = archive_entry_filetype(entry);
    if (name.empty() && type == AE_IFDIR) return {};  // "./"
    if (!IsSafeRelativePath(name)) {
      return Refuse("the archive has the entry '" + shown + "', which leads outside of it");
    }
    if (archive_entry_hardlink(entry) != nullptr || archive_entry_symlink(entry) != nullptr ||
        type == AE_IFLNK) {
      return Refuse("the archive has the link '" + shown + "'; links are not unpacked");
    }
    if (type != AE_IFREG && type != AE_IFDIR) {
      return Refuse("the archive has '" + shown + "', which is no regular file");
    }
    if (archive_entry_is_encrypted(entry) != 0) {
      return Refuse("the archive's entry '" + shown + "' is encrypted");
    }
    if (++files_ > limits_.max_files) {
      return Refuse(fmt::format("the archive has more than {} entries", limits_.max_files));
    }
    const fs::path target = into_ / name;
    const Status folder = MakeFolders(type == AE_IFDIR ? target : target.parent_path());
    if (!folder) return CannotWrite(shown, folder.error());
    if (type == AE_IFDIR) return {};
    return TakeFile(target, shown);
  }

  Status TakeFile(const fs::path& target, const std::string& shown) {
    // No link is ever made below the folder, so the path cannot lead outside.
    auto file = OpenFile(target, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    if (!file) return CannotWrite(shown, file.error());
    std::int64_t position = 0;
    while (true) {
      const void* data = nullptr;
      std::size_t size = 0;
      std::int64_t offset = 0;
      const int got = archive_read_data_block(reader_.get(), &data, &size, &offset);
      if (got == ARCHIVE_EOF) return {};
      if (got != ARCHIVE_OK) return Damaged();
      // A sparse file has holes; they count as what they would become.
      if (offset < position) return Refuse("the archive's entry '" + shown + "' is damaged");
      ROOST_TRY(Count(size + static_cast<std::uint64_t>(offset - position)));
      if (offset > position && lseek(file->get(), offset, SEEK_SET) < 0) {
        return CannotWrite(shown, ErrnoError("writing " + target.string(), errno));
      }
      const Status written = WriteAll(file->get(), {static_cast<const char*>(data), size}, target);
      if (!written) return CannotWrite(shown, written.error());
      position = offset + static_cast<std::int64_t>(size);
    }
  }

  Status Count(std::uint64_t bytes) {
    unpacked_bytes_ += bytes;
    if (unpacked_bytes_ > limits_.max_bytes) {
      return Refuse("the archive unpacks to more than " + FormatBytes(limits_.max_bytes));
    }
    if (unpacked_bytes_ > limits_.ratio_from_bytes &&
        static_cast<double>(unpacked_bytes_) >
            limits_.max_ratio * static_cast<double>(packed_bytes_)) {
      return Refuse(fmt::format("the archive unpacks to more than {} times its size, to {} so far",
                                limits_.max_ratio, FormatBytes(unpacked_bytes_)));
    }
    return {};
  }

  Status Refuse(const std::string& reason) const {
    return FailModule(InvalidDataset(dataset_, reason,
                                     "Please pack the images again, or give the unpacked folder."));
  }

  Status CannotWrite(const std::string& shown, const Error& error) const {
    const Error told = AsOutputError(error);
    if (ModuleErrorOf(told)) return Fail(told);
    return Refuse("the archive's entry '" + shown + "' cannot be unpacked (" + error.message + ")");
  }

  Status Damaged() const {
    const char* text = archive_error_string(reader_.get());
    const std::string reason = text == nullptr ? "it cannot be read" : ToValidUtf8(text);
    if (files_ == 0 && LowerExtension(path_) == ".zip") {
      return FailModule(InvalidZipFile(path_.string(), reason));
    }
    return Refuse("the archive " + path_.string() + " is broken (" + reason + ")");
  }

  const fs::path& path_;
  const fs::path& into_;
  const std::string_view dataset_;
  const ArchiveLimits& limits_;
  Reader reader_;
  std::uint64_t packed_bytes_ = 0;
  std::uint64_t unpacked_bytes_ = 0;
  std::uint64_t files_ = 0;
};

}  // namespace

bool IsArchiveName(const fs::path& path) {
  const std::string extension = LowerExtension(path);
  return extension == ".zip" || extension == ".tar" || extension == ".gz" || extension == ".bz2";
}

Status ExtractArchive(const fs::path& archive, const fs::path& into, std::string_view dataset,
                      const ArchiveLimits& limits) {
  const Utf8Names utf8;
  return Extraction(archive, into, dataset, limits).Run();
}

}  // namespace roost::trainer
