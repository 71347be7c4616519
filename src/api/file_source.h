#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "api/http_types.h"
#include "base/digest.h"
#include "base/files.h"
#include "store/blobs.h"

namespace roost::api {

// Opens what an answer or an archive sends, when its turn comes.
using FileOpener = std::function<Result<Fd>()>;
FileOpener FromDisk(fs::path file);
FileOpener FromBlob(const store::Blobs& blobs, const Digest& digest);

// A file's bytes [offset, offset + length) as a stream.
class FileSource : public StreamSource {
 public:
  FileSource(Fd fd, std::uint64_t offset, std::uint64_t length)
      : fd_(std::move(fd)), offset_(offset), left_(length) {}
  Result<bool> Read(std::string* to, std::size_t max) override;
  std::optional<FilePart> AsFile() const override { return FilePart{fd_.get(), offset_, left_}; }

 private:
  Fd fd_;
  std::uint64_t offset_;
  std::uint64_t left_;
};

// "text/plain; charset=utf-8" for "a/b.txt"; a literal.
std::string_view ContentTypeOf(std::string_view path);

struct FileAnswer {
  FileOpener open;
  std::string name;  // for the content type
  std::string etag;  // without quotes; empty: none, since the file still changes
};
// The answer to GET or HEAD of a file: If-None-Match (304), one Range (206, 416), If-Range. Files
// come from scripts, so a browser is told neither to guess their type nor to run what is in them.
Result<Response> AnswerFile(const Request& request, const FileAnswer& answer);

// A single "bytes=a-b" range; others are left out, as if there were none.
struct ByteRange {
  enum class Kind { kNone, kValid, kUnsatisfiable } kind = Kind::kNone;
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // inclusive
};
ByteRange ParseRange(std::string_view header, std::uint64_t size);

}  // namespace roost::api
