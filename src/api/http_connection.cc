#include "api/http_connection.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "api/http_answer.h"
#include "base/files.h"
#include "base/log.h"

namespace roost::api {
namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kFirstBuffer = 8 << 10;
constexpr std::size_t kPiece = 256 << 10;
// Of an upload, and of a file on its way out: turns of a worker cost time when the machine is busy.
constexpr std::size_t kUploadPiece = 512 << 10;
constexpr std::size_t kFileTurn = 4 << 20;
// An unread body up to this size is skipped to keep the connection; after a longer one it ends.
constexpr std::uint64_t kSkippedBody = 64 << 10;
constexpr std::chrono::seconds kPeerCheck{1};

bool WouldBlock(const boost::system::error_code& ec) {
  return ec == asio::error::would_block || ec == asio::error::try_again;
}

}  // namespace

Connection::Connection(IoLoop& loop, asio::ip::tcp::socket socket)
    : loop_(loop),
      options_(loop.options),
      socket_(std::move(socket)),
      timer_(loop.context),
      parser_(request_, loop.options.max_header),
      buffer_(kFirstBuffer) {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  const auto endpoint = socket_.remote_endpoint(ignored);
  if (!ignored) request_.peer = endpoint.address().to_string();
}

asio::awaitable<void> Connection::Run() {
  const auto self = shared_from_this();
  bool open = true;
  while (open && !stopping_) {
    request_.Clear();
    parser_.StartNext();
    answer_ = Response();
    const HeadOutcome head = co_await ReadHead();
    if (head == HeadOutcome::kGone) break;
    idle_ = false;
    request_.started = std::chrono::steady_clock::now();
    if (head == HeadOutcome::kRequest) {
      switch (loop_.application.Begin(request_, &answer_)) {
        case Application::Intake::kAnswer:
          open = co_await Discard();
          break;
        case Application::Intake::kBlocking: {
          open = co_await ReadBody();
          if (!open || answer_.close) break;
          auto work = [this] {
            answer_ = loop_.application.Handle(request_);
            CompressBody(request_, &answer_);
          };
          const auto lane = loop_.application.IsSlow(request_) ? WorkerPool::Lane::kSlow
                                                               : WorkerPool::Lane::kNormal;
          co_await OnWorker(lane, work);
          break;
        }
        case Application::Intake::kAsync:
          open = co_await ReadBody();
          if (!open || answer_.close) break;
          loop_.application.HandleAsync(request_, Responder(this));
          co_await WaitDone();
          break;
        case Application::Intake::kUpload:
          open = co_await Upload();
          break;
      }
    }
    if (!open) break;
    loop_.application.Answered(request_, answer_.status);
    open = co_await WriteAnswer();
    answer_.stream.reset();
    idle_ = true;
  }
  if (!gone_ && answer_.close) co_await Linger();
  Cut();
  loop_.Remove(self);
}

asio::awaitable<bool> Connection::ReadMore() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
  auto [ec, count] = co_await socket_.async_read_some(
      asio::buffer(buffer_.data() + end_, buffer_.size() - end_), kToken);
  if (ec) {
    gone_ = true;
    co_return false;
  }
  end_ += count;
  co_return true;
}

asio::awaitable<Connection::HeadOutcome> Connection::ReadHead() {
  if (begin_ == end_ && buffer_.size() > kFirstBuffer) {
    std::vector<char>(kFirstBuffer).swap(buffer_);
    begin_ = end_ = 0;
  }
  bool has_bytes = false;
  SetDeadline(options_.idle_timeout);
  while (true) {
    // Old clients put an empty line between two requests.
    while (!has_bytes && begin_ < end_ && (buffer_[begin_] == '\r' || buffer_[begin_] == '\n')) {
      ++begin_;
    }
    if (begin_ < end_) {
      if (!has_bytes) {
        has_bytes = true;
        SetDeadline(options_.header_timeout);
      }
      auto used = parser_.FeedHead(Buffered());
      if (!used) {
        Refuse(std::move(used.error()));
        co_return HeadOutcome::kRefused;
      }
      begin_ += *used;
      if (parser_.HasHead()) break;
      if (end_ - begin_ > options_.max_header) {
        Refuse({ErrorCode::kTooLarge, "The request's head is longer than the server takes.", {}});
        co_return HeadOutcome::kRefused;
      }
    }
    if (!co_await ReadMore()) co_return HeadOutcome::kGone;
  }
  ClearDeadline();
  co_return HeadOutcome::kRequest;
}

asio::awaitable<bool> Connection::SendContinue() {
  if (request_.Header(HeaderName::kExpect).empty() || !request_.http_1_1 || begin_ < end_) {
    co_return true;
  }
  co_return co_await Write("HTTP/1.1 100 Continue\r\n\r\n");
}

// Goes on until Request::body holds `wanted` bytes or the message is complete.
asio::awaitable<bool> Connection::ReadBodyPiece(std::size_t wanted) {
  while (!parser_.IsDone() && request_.body.size() < wanted) {
    if (begin_ < end_) {
      auto used = parser_.FeedBody(Buffered());
      if (!used) {
        Refuse(std::move(used.error()));
        co_return true;
      }
      begin_ += *used;
      if (*used > 0) continue;
    }
    SetDeadline(options_.body_timeout);
    if (!co_await ReadMore()) co_return false;
  }
  ClearDeadline();
  co_return true;
}

asio::awaitable<bool> Connection::ReadBody() {
  if (!request_.has_body || parser_.IsDone()) co_return true;
  const std::uint64_t length = request_.content_length.value_or(0);
  if (length <= options_.max_body) {
    // simdjson reads a little beyond the end of what it parses.
    constexpr std::size_t kPadding = 64;
    request_.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(length, 1 << 20)) +
                          kPadding);
    if (length > kPiece && buffer_.size() < kPiece) buffer_.resize(kPiece);
    if (!co_await SendContinue()) co_return false;
    if (!co_await ReadBodyPiece(static_cast<std::size_t>(options_.max_body) + 1)) co_return false;
    if (answer_.close || request_.body.size() <= options_.max_body) co_return true;
  }
  Refuse({ErrorCode::kTooLarge,
          "The request's body is longer than " + std::to_string(options_.max_body) +
              " bytes; send it in several requests.",
          {}});
  co_return true;
}

// Skips the body of a request that is answered without it.
asio::awaitable<bool> Connection::Discard() {
  if (!request_.has_body || parser_.IsDone()) co_return true;
  if (!request_.content_length || *request_.content_length > kSkippedBody ||
      !request_.Header(HeaderName::kExpect).empty()) {
    answer_.close = true;
    co_return true;
  }
  co_return co_await ReadBodyPiece(static_cast<std::size_t>(kSkippedBody) + 1);
}

asio::awaitable<bool> Connection::Upload() {
  Result<std::unique_ptr<BodySink>> sink = Fail(ErrorCode::kInternal, "");
  auto open = [&] { sink = loop_.application.OpenSink(request_); };
  co_await OnWorker(WorkerPool::Lane::kNormal, open);
  if (!sink) {
    answer_ = loop_.application.AnswerOf(request_, sink.error());
    co_return co_await Discard();
  }
  if (!co_await SendContinue()) co_return false;
  if (buffer_.size() < kPiece && (!request_.content_length || *request_.content_length > kPiece)) {
    buffer_.resize(kPiece);
  }
  // One piece is read while a worker writes the one before it.
  Status written;
  auto write = [&] { written = (*sink)->Write(piece_); };
  bool writing = false;
  while (request_.has_body && !parser_.IsDone()) {
    const bool got = co_await ReadBodyPiece(kUploadPiece);
    if (writing) co_await WaitDone();
    writing = false;
    if (!got) {
      auto keep = [&] {
        if (written && !request_.body.empty()) written = (*sink)->Write(request_.body);
        if (written) (*sink)->Interrupted();
      };
      co_await OnWorker(WorkerPool::Lane::kNormal, keep);
      co_return false;
    }
    if (answer_.close || !written) break;
    if (request_.body.empty()) continue;
    piece_.swap(request_.body);
    request_.body.clear();
    StartOnWorker(WorkerPool::Lane::kNormal, write);
    writing = true;
  }
  if (writing) co_await WaitDone();
  std::string().swap(piece_);
  std::string().swap(request_.body);
  if (answer_.close) co_return true;  // malformed chunks
  if (!written) {
    Refuse(std::move(written.error()));
    co_return true;
  }
  auto finish = [&] {
    auto finished = (*sink)->Finish();
    answer_ =
        finished ? std::move(*finished) : loop_.application.AnswerOf(request_, finished.error());
  };
  co_await OnWorker(WorkerPool::Lane::kNormal, finish);
  co_return true;
}

asio::awaitable<bool> Connection::Write(std::string_view head, std::string_view body,
                                        std::string_view tail) {
  std::array<asio::const_buffer, 3> buffers = {asio::const_buffer(head.data(), head.size()),
                                               asio::const_buffer(body.data(), body.size()),
                                               asio::const_buffer(tail.data(), tail.size())};
  std::size_t left = head.size() + body.size() + tail.size();
  SetDeadline(options_.write_timeout);
  while (left > 0) {
    boost::system::error_code ec;
    std::size_t sent = socket_.write_some(buffers, ec);
    if (WouldBlock(ec)) {
      auto [wait_error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, kToken);
      if (!wait_error) continue;
      ec = wait_error;
    }
    if (ec) {
      gone_ = true;
      co_return false;
    }
    left -= sent;
    for (asio::const_buffer& buffer : buffers) {
      const std::size_t taken = std::min(sent, buffer.size());
      buffer += taken;
      sent -= taken;
    }
    if (left > 0) SetDeadline(options_.write_timeout);
  }
  ClearDeadline();
  co_return true;
}

asio::awaitable<bool> Connection::WriteAnswer() {
  StreamSource* source = answer_.stream.get();
  const bool chunked = source && !answer_.stream_length && request_.http_1_1;
  const bool until_close = source && !answer_.stream_length && !request_.http_1_1;
  const bool keep_alive = request_.keep_alive && !answer_.close && !stopping_ && !until_close;
  out_.clear();
  AppendHead(request_, answer_, chunked, keep_alive, &out_);
  const bool with_body =
      request_.method != Method::kHead && answer_.status != 204 && answer_.status != 304;
  if (!with_body || !source) {
    const std::string_view body = with_body ? std::string_view(answer_.body) : std::string_view();
    if (!co_await Write(out_, body)) co_return false;
    co_return keep_alive;
  }
  if (!co_await Write(out_)) co_return false;
  if (const auto part = source->AsFile(); part && !chunked && !until_close) {
    co_return co_await WriteFile(*part) && keep_alive && !stopping_;
  }
  streaming_ = true;
  const bool sent = co_await WriteStream(*source, chunked);
  streaming_ = false;
  co_return sent&& keep_alive && !stopping_;
}

// The worker may wait for the disk, and sends what the socket takes at once; this thread waits for
// the peer.
asio::awaitable<bool> Connection::WriteFile(StreamSource::FilePart part) {
  // Of its own: a connection that is cut meanwhile gives its number away.
  const Fd peer(::fcntl(socket_.native_handle(), F_DUPFD_CLOEXEC, 0));
  if (!peer.valid()) {
    gone_ = true;
    co_return false;
  }
  auto offset = static_cast<off_t>(part.offset);
  int failure = 0;
  auto send = [&] {
    for (std::size_t turn = kFileTurn; part.length > 0 && turn > 0;) {
      const std::size_t wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(part.length, turn));
      const ssize_t sent = ::sendfile(peer.get(), part.fd, &offset, wanted);
      if (sent < 0 && errno == EINTR) continue;
      failure = sent < 0 ? errno : sent == 0 ? EIO : 0;  // EIO: the file became shorter
      if (failure != 0) return;
      part.length -= static_cast<std::uint64_t>(sent);
      turn -= static_cast<std::size_t>(sent);
    }
  };
  while (part.length > 0) {
    co_await OnWorker(WorkerPool::Lane::kNormal, send);
    if (failure == EAGAIN) {
      SetDeadline(options_.write_timeout);
      auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, kToken);
      ClearDeadline();
      failure = error ? EPIPE : 0;
    }
    if (failure == 0) continue;
    if (failure != EPIPE && failure != ECONNRESET) {
      const std::string message = ErrnoError("sending a file", failure).message;
      LogWarning("stream_failed", {{"path", request_.path}, {"message", message}});
    }
    gone_ = true;  // cut, so that the client sees that something is missing
    co_return false;
  }
  co_return true;
}

asio::awaitable<bool> Connection::WriteStream(StreamSource& source, bool chunked) {
  std::weak_ptr<Connection> weak = weak_from_this();
  source.SetWaker([weak, loop = &loop_] {
    if (auto connection = weak.lock()) loop->Notify(std::move(connection), false);
  });
  Result<bool> ended = false;
  auto read = [&] { ended = source.Read(&piece_, kPiece); };
  const bool endless = !answer_.stream_length.has_value();
  std::uint64_t left = answer_.stream_length.value_or(0);
  while (!*ended && (endless || left > 0)) {
    if (stopping_ && endless) break;
    const auto readiness = source.Poll();
    if (readiness == StreamSource::Readiness::kEnd) break;
    if (readiness == StreamSource::Readiness::kWait) {
      co_await WaitForStream(source);
      if (gone_) co_return false;
      continue;
    }
    piece_.clear();
    co_await OnWorker(WorkerPool::Lane::kNormal, read);
    if (!ended) {
      LogWarning("stream_failed", {{"path", request_.path}, {"message", ended.error().message}});
      gone_ = true;  // cut, so that the client sees that something is missing
      co_return false;
    }
    if (piece_.empty()) continue;
    if (!endless) {
      if (piece_.size() > left) piece_.resize(static_cast<std::size_t>(left));
      left -= piece_.size();
    }
    if (chunked) {
      char size[24];
      const int length = std::snprintf(size, sizeof size, "%zx\r\n", piece_.size());
      const std::string_view head(size, static_cast<std::size_t>(length));
      if (!co_await Write(head, piece_, "\r\n")) co_return false;
    } else if (!co_await Write(piece_)) {
      co_return false;
    }
  }
  std::string().swap(piece_);
  if (!endless && left > 0) {
    gone_ = true;
    co_return false;
  }
  if (chunked) co_return co_await Write("0\r\n\r\n");
  co_return true;
}

template <class Work>
void Connection::StartOnWorker(WorkerPool::Lane lane, Work& work) {
  loop_.pool.Post(lane, [this, &work] {
    work();
    loop_.Notify(shared_from_this(), true);
  });
}

template <class Work>
asio::awaitable<void> Connection::OnWorker(WorkerPool::Lane lane, Work& work) {
  StartOnWorker(lane, work);
  co_await WaitDone();
}

asio::awaitable<void> Connection::WaitDone() {
  while (!done_) {
    timer_.expires_at(Deadline::max());
    co_await timer_.async_wait(kToken);
  }
  done_ = false;
}

asio::awaitable<void> Connection::WaitForStream(StreamSource& source) {
  const auto interval = source.PollInterval();
  if (!woken_) {
    timer_.expires_after(std::min<std::chrono::milliseconds>(interval, kPeerCheck));
    co_await timer_.async_wait(kToken);
  }
  woken_ = false;
  if (PeerIsGone()) gone_ = true;
}

// A client that left while nothing is written to it would be noticed by nobody else.
bool Connection::PeerIsGone() {
  if (!socket_.is_open()) return true;
  char byte = 0;
  const ssize_t got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

// Closing at once while the client still sends would reset the connection and lose the answer.
asio::awaitable<void> Connection::Linger() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  SetDeadline(std::min<std::chrono::milliseconds>(options_.header_timeout,
                                                  std::chrono::milliseconds(2000)));
  do {
    begin_ = end_ = 0;
  } while (!stopping_ && co_await ReadMore());
}

void Connection::TakeAnswer(Response response) {
  answer_ = std::move(response);
  loop_.Notify(shared_from_this(), true);
}

void Connection::Wake(bool done) {
  if (done) {
    done_ = true;
  } else {
    woken_ = true;
    if (!streaming_) return;
  }
  timer_.cancel();
}

void Connection::Refuse(Error error) {
  answer_ = loop_.application.AnswerOf(request_, error);
  answer_.close = true;
}

void Connection::SetDeadline(std::chrono::milliseconds from_now) {
  deadline_ = std::chrono::steady_clock::now() + from_now;
}

void Connection::CutIfLate(Deadline now) {
  if (now >= deadline_) Cut();
}

void Connection::BeginStop() {
  stopping_ = true;
  if (idle_) Cut();
  if (streaming_) timer_.cancel();
}

void Connection::Cut() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace roost::api
