#include "api/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

namespace roost::api {
namespace {

constexpr std::size_t kReadAtOnce = 64 << 10;

// libarchive converts names by the thread's locale; the server itself runs in the "C" locale.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_) before_ = ::uselocale(locale_);
  }
  ~Utf8Locale() {
    if (!locale_) return;
    ::uselocale(before_);
    ::freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;

 private:
  ::locale_t locale_;
  ::locale_t before_ = nullptr;
};

class ArchiveSource : public StreamSource {
 public:
  ArchiveSource(ArchiveFormat format, std::vector<ArchiveEntry> entries)
      : format_(format), entries_(std::move(entries)) {}
  ~ArchiveSource() override {
    if (archive_) archive_write_free(archive_);
  }
  ArchiveSource(const ArchiveSource&) = delete;

  Result<bool> Read(std::string* to, std::size_t max) override {
    const Utf8Locale locale;
    if (!archive_) ROOST_TRY(Open());
    while (out_.size() < max && !closed_) {
      if (left_ > 0) {
        ROOST_TRY(CopySome());
      } else if (next_ < entries_.size()) {
        ROOST_TRY(BeginEntry(entries_[next_++]));
      } else {
        if (archive_write_close(archive_) != ARCHIVE_OK) return tl::unexpected<Error>(Failure());
        closed_ = true;
      }
    }
    to->append(out_);
    out_.clear();
    return closed_;
  }

 private:
  static la_ssize_t Take(struct archive*, void* self, const void* bytes, std::size_t size) {
    static_cast<ArchiveSource*>(self)->out_.append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  }

  Error Failure() const {
    const char* text = archive_error_string(archive_);
    return {
        ErrorCode::kInternal, std::string("writing an archive: ") + (text ? text : "failed"), {}};
  }

  Status Open() {
    archive_ = archive_write_new();
    int outcome = ARCHIVE_OK;
    if (format_ == ArchiveFormat::kZip) {
      archive_write_set_format_zip(archive_);
      archive_write_set_options(archive_, "zip:compression-level=1,zip:hdrcharset=UTF-8");
    } else {
      archive_write_set_format_pax_restricted(archive_);
      archive_write_add_filter_gzip(archive_);
      archive_write_set_options(archive_, "gzip:compression-level=1,gzip:!timestamp");
    }
    archive_write_set_bytes_per_block(archive_, 0);
    outcome = archive_write_open(archive_, this, nullptr, &Take, nullptr);
    if (outcome != ARCHIVE_OK) return tl::unexpected<Error>(Failure());
    return {};
  }

  Status BeginEntry(const ArchiveEntry& entry) {
    ROOST_ASSIGN(fd_, entry.open());
    ::lseek(fd_.get(), 0, SEEK_SET);
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) {
      return tl::unexpected<Error>(ErrnoError("reading " + entry.path, errno));
    }
    left_ = static_cast<std::uint64_t>(info.st_size);
    struct archive_entry* header = archive_entry_new();
    archive_entry_set_pathname(header, entry.path.c_str());
    archive_entry_set_size(header, info.st_size);
    archive_entry_set_filetype(header, AE_IFREG);
    archive_entry_set_perm(header, entry.executable ? 0755 : 0644);
    archive_entry_set_mtime(header, entry.modified_at / 1'000'000, 0);
    const int outcome = archive_write_header(archive_, header);
    archive_entry_free(header);
    if (outcome < ARCHIVE_WARN) return tl::unexpected<Error>(Failure());
    return {};
  }

  // A log that still grows is taken up to the size that its header told.
  Status CopySome() {
    char buffer[kReadAtOnce];
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(left_, sizeof buffer));
    const ssize_t got = ::read(fd_.get(), buffer, wanted);
    if (got <= 0) {
      return got < 0 ? Status(tl::unexpected<Error>(ErrnoError("reading a file", errno)))
                     : Fail(ErrorCode::kInternal, "A file became shorter while it was archived.");
    }
    if (archive_write_data(archive_, buffer, static_cast<std::size_t>(got)) != got) {
      return tl::unexpected<Error>(Failure());
    }
    left_ -= static_cast<std::uint64_t>(got);
    return {};
  }

  const ArchiveFormat format_;
  const std::vector<ArchiveEntry> entries_;
  struct archive* archive_ = nullptr;
  std::size_t next_ = 0;
  Fd fd_;
  std::uint64_t left_ = 0;
  std::string out_;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<StreamSource> MakeArchiveSource(ArchiveFormat format,
                                                std::vector<ArchiveEntry> entries) {
  return std::make_unique<ArchiveSource>(format, std::move(entries));
}

Response AnswerArchive(ArchiveFormat format, const std::string& name,
                       std::vector<ArchiveEntry> entries) {
  Response response;
  response.content_type = format == ArchiveFormat::kZip ? "application/zip" : "application/gzip";
  response.may_compress = false;
  std::string plain = name;
  for (char& c : plain) {
    const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
    if (!safe) c = '_';
  }
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"" + plain + "\"");
  response.stream = MakeArchiveSource(format, std::move(entries));
  return response;
}

}  // namespace roost::api
