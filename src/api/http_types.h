#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/tokens.h"

namespace roost::api {

struct Route;

enum class Method { kGet, kHead, kPost, kPut, kPatch, kDelete, kOther };
std::string_view ToString(Method method);

// The request headers that somebody reads; all others are dropped while parsing.
enum class HeaderName {
  kAcceptEncoding,
  kAuthorization,
  kContentEncoding,
  kContentType,
  kCookie,
  kExpect,
  kForwardedProto,
  kHost,
  kIdempotencyKey,
  kIfNoneMatch,
  kIfRange,
  kLastEventId,
  kOrigin,
  kRange,
  kSecFetchSite,
  kTransferEncoding,
};
inline constexpr std::size_t kHeaderCount = 16;

using Query = std::vector<std::pair<std::string, std::string>>;

// One request. Owned by its connection and reused for the next one, so that its strings keep their
// memory; a handler has it to itself until it has answered.
struct Request {
  Method method = Method::kOther;
  bool http_1_1 = true;
  bool keep_alive = true;
  std::string target;  // as sent
  std::string path;    // the target's path, not decoded
  Query query;         // decoded, in order
  std::array<std::string, kHeaderCount> headers;
  int host_headers = 0;
  std::optional<std::uint64_t> content_length;
  bool has_body = false;
  std::string body;  // of blocking and async routes; a piece of it while uploading
  std::string peer;

  // Filled in by the router.
  const Route* route = nullptr;
  std::vector<std::string> parameters;  // of the path, decoded, in the pattern's order
  store::Token token;
  bool token_from_cookie = false;
  std::chrono::steady_clock::time_point started{};

  const std::string& Header(HeaderName name) const {
    return headers[static_cast<std::size_t>(name)];
  }
  // The first value of a query parameter.
  std::optional<std::string> QueryValue(std::string_view name) const;
  std::vector<std::string> QueryValues(std::string_view name) const;
  void Clear();
};

// A body that is made while it is sent. Poll is called on the connection's I/O thread and must not
// block; Read is called on a worker thread. The two are never called at the same time.
class StreamSource {
 public:
  enum class Readiness { kReady, kWait, kEnd };

  virtual ~StreamSource() = default;
  // kReady: call Read. kWait: ask again after PollInterval, or when woken. kEnd: all is sent.
  virtual Readiness Poll() { return Readiness::kReady; }
  virtual std::chrono::milliseconds PollInterval() const { return std::chrono::milliseconds(10); }
  // Appends about `max` bytes to `to`. Returning true means that nothing follows. An error cuts the
  // connection, so that a client never takes half an answer for a whole one.
  virtual Result<bool> Read(std::string* to, std::size_t max) = 0;
  // Of a source that is a part of an open file: it is sent without being read. Asked for once,
  // before the first Poll, after which neither Poll nor Read is called.
  struct FilePart {
    int fd = -1;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  virtual std::optional<FilePart> AsFile() const { return std::nullopt; }
  // Given once before the first Poll: may be called from any thread, also after the stream's end.
  virtual void SetWaker(std::function<void()> wake) { (void)wake; }
};

// One answer: a body as text, or a stream.
struct Response {
  int status = 200;
  std::string_view content_type = "application/json";  // a literal
  std::vector<std::pair<std::string_view, std::string>> headers;
  std::string body;
  std::unique_ptr<StreamSource> stream;
  std::optional<std::uint64_t> stream_length;  // none: chunked
  bool may_compress = true;
  bool close = false;  // the connection ends after this answer

  Response() = default;
  Response(int status_in, std::string json_body) : status(status_in), body(std::move(json_body)) {}
  static Response OfError(const Error& error);
};

// Takes an upload piece by piece, on worker threads. Dropped without Finish, it leaves nothing but
// what Interrupted keeps.
class BodySink {
 public:
  virtual ~BodySink() = default;
  virtual Status Write(std::string_view piece) = 0;
  virtual Result<Response> Finish() = 0;
  // In the place of Finish when the connection broke, and no Write has failed: what came whole may
  // be kept, so that it need not come again.
  virtual void Interrupted() {}
};

// How an async handler answers: exactly once, from any thread. The request stays valid until then.
class Responder {
 public:
  class Target {
   public:
    virtual ~Target() = default;
    virtual void TakeAnswer(Response response) = 0;
  };
  explicit Responder(Target* target) : target_(target) {}
  void Answer(Response response) const { target_->TakeAnswer(std::move(response)); }

 private:
  Target* target_;
};

// What the HTTP server asks of the application.
class Application {
 public:
  enum class Intake { kAnswer, kBlocking, kAsync, kUpload };
  virtual ~Application() = default;

  // I/O thread, the head is read. kAnswer: `answer` is sent and the body is not read.
  virtual Intake Begin(Request& request, Response* answer) = 0;
  virtual Response Handle(Request& request) = 0;                             // a worker thread
  virtual void HandleAsync(Request& request, Responder responder) = 0;       // I/O thread
  virtual Result<std::unique_ptr<BodySink>> OpenSink(Request& request) = 0;  // a worker thread
  virtual bool IsSlow(const Request& request) const = 0;  // goes to the slow lane of the workers
  // An error outside of Handle in the words that the request's sender knows; `request` may be only
  // half read.
  virtual Response AnswerOf(const Request& request, const Error& error) {
    (void)request;
    return Response::OfError(error);
  }
  // Told once for every answer, on the I/O thread.
  virtual void Answered(const Request& request, int status) = 0;
};

}  // namespace roost::api
