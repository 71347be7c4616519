#include "api/http_answer.h"

#include <zlib.h>

#include <charconv>
#include <ctime>

namespace roost::api {
namespace {

constexpr std::size_t kCompressFrom = 1024;

bool AcceptsGzip(std::string_view accept) {
  std::size_t at = 0;
  while (at < accept.size()) {
    std::size_t end = accept.find(',', at);
    if (end == std::string_view::npos) end = accept.size();
    std::string_view item = accept.substr(at, end - at);
    at = end + 1;
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    const std::string_view name = item.substr(0, item.find_first_of("; \t"));
    if (name != "gzip" && name != "*") continue;
    const std::size_t quality = item.find("q=");
    if (quality == std::string_view::npos) return true;
    return item.find_first_of("123456789", quality + 2) != std::string_view::npos;
  }
  return false;
}

// One text for each second and thread; formatting it for each answer would cost more than parsing.
std::string_view DateText() {
  thread_local std::time_t second = 0;
  thread_local char text[40];
  thread_local std::size_t length = 0;
  const std::time_t now = std::time(nullptr);
  if (now != second) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    second = now;
  }
  return {text, length};
}

void AppendNumber(std::uint64_t number, std::string* to) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  to->append(digits, static_cast<std::size_t>(end - digits));
}

}  // namespace

std::string_view StatusText(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 416:
      return "Range Not Satisfiable";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

void CompressBody(const Request& request, Response* response) {
  if (!response->may_compress || response->stream || response->body.size() <= kCompressFrom) return;
  response->headers.emplace_back("Vary", "Accept-Encoding");
  if (!AcceptsGzip(request.Header(HeaderName::kAcceptEncoding))) return;
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;
  if (deflateInit2(&stream, 1, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) return;
  std::string packed(deflateBound(&stream, static_cast<uLong>(response->body.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(response->body.data());
  stream.avail_in = static_cast<uInt>(response->body.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int outcome = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (outcome != Z_STREAM_END || packed.size() >= response->body.size()) return;
  response->body = std::move(packed);
  response->headers.emplace_back("Content-Encoding", "gzip");
}

void AppendHead(const Request& request, const Response& response, bool chunked, bool keep_alive,
                std::string* to) {
  to->append("HTTP/1.1 ");
  AppendNumber(static_cast<std::uint64_t>(response.status), to);
  to->push_back(' ');
  to->append(StatusText(response.status));
  to->append("\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: SAMEORIGIN\r\nDate: ");
  to->append(DateText());
  const bool has_content = response.status != 204 && response.status != 304;
  if (has_content && (response.status == 200 || !response.body.empty() || response.stream)) {
    to->append("\r\nContent-Type: ");
    to->append(response.content_type);
  }
  if (chunked) {
    to->append("\r\nTransfer-Encoding: chunked");
  } else if (response.stream_length || (!response.stream && has_content)) {
    to->append("\r\nContent-Length: ");
    AppendNumber(response.stream_length.value_or(response.body.size()), to);
  }
  if (!keep_alive) {
    to->append("\r\nConnection: close");
  } else if (!request.http_1_1) {
    to->append("\r\nConnection: keep-alive");
  }
  for (const auto& [name, value] : response.headers) {
    to->append("\r\n");
    to->append(name);
    to->append(": ");
    // A line break in a value would let its author write headers of his own.
    for (const char c : value) to->push_back(c == '\r' || c == '\n' ? ' ' : c);
  }
  to->append("\r\n\r\n");
}

}  // namespace roost::api
