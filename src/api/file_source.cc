#include "api/file_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/strings.h"

namespace roost::api {
namespace {

bool ReadCount(std::string_view digits, std::uint64_t* to) {
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, *to);
  return !digits.empty() && parsed.ec == std::errc() && parsed.ptr == end;
}

bool MatchesEtag(std::string_view header, const std::string& quoted) {
  for (const std::string& item : Split(header, ',')) {
    std::string_view tag = Trim(item);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == "*" || tag == quoted) return true;
  }
  return false;
}

}  // namespace

FileOpener FromDisk(fs::path file) {
  return [file = std::move(file)] { return OpenFile(file, O_RDONLY); };
}

FileOpener FromBlob(const store::Blobs& blobs, const Digest& digest) {
  return [&blobs, digest] { return blobs.OpenToRead(digest); };
}

Result<bool> FileSource::Read(std::string* to, std::size_t max) {
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(max, left_));
  const std::size_t before = to->size();
  to->resize(before + wanted);
  const ssize_t count =
      ::pread(fd_.get(), to->data() + before, wanted, static_cast<off_t>(offset_));
  if (count < 0) return tl::unexpected<Error>(ErrnoError("reading a file", errno));
  to->resize(before + static_cast<std::size_t>(count));
  if (count == 0 && left_ > 0) {
    return Fail(ErrorCode::kInternal, "A file became shorter while it was sent.");
  }
  offset_ += static_cast<std::uint64_t>(count);
  left_ -= static_cast<std::uint64_t>(count);
  return left_ == 0;
}

std::string_view ContentTypeOf(std::string_view path) {
  struct Type {
    std::string_view ending;
    std::string_view type;
  };
  static constexpr std::array kTypes = {
      Type{".txt", "text/plain; charset=utf-8"},
      Type{".log", "text/plain; charset=utf-8"},
      Type{".md", "text/plain; charset=utf-8"},
      Type{".py", "text/plain; charset=utf-8"},
      Type{".csv", "text/csv; charset=utf-8"},
      Type{".json", "application/json"},
      Type{".yaml", "application/yaml"},
      Type{".yml", "application/yaml"},
      Type{".html", "text/html; charset=utf-8"},
      Type{".png", "image/png"},
      Type{".jpg", "image/jpeg"},
      Type{".jpeg", "image/jpeg"},
      Type{".gif", "image/gif"},
      Type{".webp", "image/webp"},
      Type{".svg", "image/svg+xml"},
      Type{".pdf", "application/pdf"},
      Type{".zip", "application/zip"},
      Type{".gz", "application/gzip"},
  };
  for (const Type& type : kTypes) {
    if (path.ends_with(type.ending)) return type.type;
  }
  return "application/octet-stream";
}

ByteRange ParseRange(std::string_view header, std::uint64_t size) {
  ByteRange range;
  if (!header.starts_with("bytes=")) return range;
  header.remove_prefix(6);
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return range;
  const std::string_view first = Trim(header.substr(0, dash));
  const std::string_view last = Trim(header.substr(dash + 1));
  if (first.empty()) {  // the last so many bytes
    std::uint64_t count = 0;
    if (!ReadCount(last, &count)) return range;
    range.kind =
        count == 0 || size == 0 ? ByteRange::Kind::kUnsatisfiable : ByteRange::Kind::kValid;
    range.first = size - std::min(size, count);
    range.last = size - 1;
    return range;
  }
  range.last = UINT64_MAX;
  if (!ReadCount(first, &range.first)) return {};
  if (!last.empty() && (!ReadCount(last, &range.last) || range.last < range.first)) return {};
  range.kind = range.first >= size ? ByteRange::Kind::kUnsatisfiable : ByteRange::Kind::kValid;
  if (size > 0) range.last = std::min(range.last, size - 1);
  return range;
}

Result<Response> AnswerFile(const Request& request, const FileAnswer& answer) {
  Response response;
  response.may_compress = false;
  response.content_type = ContentTypeOf(answer.name);
  response.headers.emplace_back("Content-Security-Policy",
                                "sandbox; default-src 'none'; "
                                "img-src data:; style-src "
                                "'unsafe-inline'");
  const std::string quoted = answer.etag.empty() ? "" : "\"" + answer.etag + "\"";
  if (!quoted.empty()) {
    response.headers.emplace_back("ETag", quoted);
    response.headers.emplace_back("Cache-Control", "private, no-cache");
    const std::string& known = request.Header(HeaderName::kIfNoneMatch);
    if (!known.empty() && MatchesEtag(known, quoted)) {
      response.status = 304;
      return response;
    }
  } else {
    response.headers.emplace_back("Cache-Control", "no-store");
  }
  ROOST_ASSIGN(Fd fd, answer.open());
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return tl::unexpected<Error>(ErrnoError("reading " + answer.name, errno));
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  response.headers.emplace_back("Accept-Ranges", "bytes");
  const std::string& if_range = request.Header(HeaderName::kIfRange);
  ByteRange range;
  if (if_range.empty() || if_range == quoted) {
    range = ParseRange(request.Header(HeaderName::kRange), size);
  }
  if (range.kind == ByteRange::Kind::kUnsatisfiable) {
    Response refusal = Response::OfError(
        {ErrorCode::kInvalidArgument,
         "The range lies beyond the file, which has " + std::to_string(size) + " bytes.",
         {}});
    refusal.status = 416;
    refusal.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return refusal;
  }
  std::uint64_t first = 0;
  std::uint64_t length = size;
  if (range.kind == ByteRange::Kind::kValid) {
    response.status = 206;
    first = range.first;
    length = range.last - range.first + 1;
    response.headers.emplace_back("Content-Range", "bytes " + std::to_string(first) + "-" +
                                                       std::to_string(range.last) + "/" +
                                                       std::to_string(size));
  }
  response.stream_length = length;
  response.stream = std::make_unique<FileSource>(std::move(fd), first, length);
  return response;
}

}  // namespace roost::api
