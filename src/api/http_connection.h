#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "api/http_parser.h"
#include "api/http_server.h"
#include "api/http_types.h"
#include "api/worker_pool.h"

namespace roost::api {

namespace asio = boost::asio;
class Connection;

// One I/O thread's context and the connections that live on it. Everything but Notify belongs to
// that thread.
struct IoLoop {
  IoLoop(const HttpOptions& options_in, Application& application_in, WorkerPool& pool_in,
         std::atomic<int>& count_in)
      : options(options_in),
        application(application_in),
        pool(pool_in),
        connection_count(count_in),
        sweep_timer(context) {}

  // From any thread: the connection's answer is there (`done`), or its stream should look again.
  // The notices of one group commit travel in one post.
  void Notify(std::shared_ptr<Connection> connection, bool done);
  void Add(asio::ip::tcp::socket socket);
  void Remove(const std::shared_ptr<Connection>& connection);
  void BeginStop();
  void CutAll();

  const HttpOptions& options;
  Application& application;
  WorkerPool& pool;
  std::atomic<int>& connection_count;
  asio::io_context context{1};
  asio::steady_timer sweep_timer;
  std::set<std::shared_ptr<Connection>> connections;
  bool sweeping = false;
  bool stopping = false;

 private:
  void Deliver();
  void Sweep();

  std::mutex mutex_;  // guards notices_
  std::vector<std::pair<std::shared_ptr<Connection>, bool>> notices_;
  std::vector<std::pair<std::shared_ptr<Connection>, bool>> delivering_;
};

// One client's connection: reads a request, has it answered, writes the answer, again and again.
// Lives on its loop's thread; a worker thread touches request and answer only while the coroutine
// waits for it.
class Connection : public std::enable_shared_from_this<Connection>, private Responder::Target {
 public:
  Connection(IoLoop& loop, asio::ip::tcp::socket socket);

  asio::awaitable<void> Run();
  void Wake(bool done);
  void CutIfLate(std::chrono::steady_clock::time_point now);
  void BeginStop();
  void Cut();

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  enum class HeadOutcome { kRequest, kGone, kRefused };

  void TakeAnswer(Response response) override;

  asio::awaitable<bool> ReadMore();
  asio::awaitable<HeadOutcome> ReadHead();
  asio::awaitable<bool> ReadBody();  // false: gone, or refused with answer_
  asio::awaitable<bool> ReadBodyPiece(std::size_t wanted);
  asio::awaitable<bool> Upload();
  asio::awaitable<bool> Discard();
  asio::awaitable<bool> SendContinue();
  asio::awaitable<bool> Write(std::string_view head, std::string_view body = {},
                              std::string_view tail = {});
  asio::awaitable<bool> WriteAnswer();  // false: the connection ends
  asio::awaitable<bool> WriteFile(StreamSource::FilePart part);
  asio::awaitable<bool> WriteStream(StreamSource& source, bool chunked);
  asio::awaitable<void> WaitDone();
  asio::awaitable<void> WaitForStream(StreamSource& source);
  asio::awaitable<void> Linger();
  bool PeerIsGone();
  // The worker has `work` until WaitDone has returned.
  template <class Work>
  void StartOnWorker(WorkerPool::Lane lane, Work& work);
  template <class Work>
  asio::awaitable<void> OnWorker(WorkerPool::Lane lane, Work& work);

  std::string_view Buffered() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void Refuse(Error error);
  void SetDeadline(std::chrono::milliseconds from_now);
  void ClearDeadline() { deadline_ = Deadline::max(); }

  IoLoop& loop_;
  const HttpOptions& options_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;  // what the coroutine sleeps on; Wake cancels it
  Deadline deadline_ = Deadline::max();
  Request request_;
  RequestParser parser_;
  Response answer_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string out_;
  std::string piece_;
  bool done_ = false;
  bool woken_ = false;
  bool idle_ = true;  // between two requests
  bool streaming_ = false;
  bool stopping_ = false;
  bool gone_ = false;
};

}  // namespace roost::api
