#include "api/http_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <thread>

#include "api/http_connection.h"
#include "base/log.h"

namespace roost::api {
namespace {

using asio::ip::tcp;

Error ListenError(const HttpOptions& options, const boost::system::error_code& ec) {
  const std::string place = options.host + ":" + std::to_string(options.port);
  if (ec == asio::error::address_in_use) {
    return {ErrorCode::kUnavailable,
            "Another program listens on " + place + "; choose another port with --port.",
            {}};
  }
  return {ErrorCode::kInvalidArgument, "Cannot listen on " + place + ": " + ec.message() + ".", {}};
}

std::chrono::milliseconds SweepInterval(const HttpOptions& options) {
  const auto shortest = std::min(
      {options.header_timeout, options.idle_timeout, options.body_timeout, options.write_timeout});
  return std::clamp(shortest / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(1000));
}

}  // namespace

void IoLoop::Notify(std::shared_ptr<Connection> connection, bool done) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = notices_.empty();
    notices_.emplace_back(std::move(connection), done);
  }
  if (first) asio::post(context, [this] { Deliver(); });
}

void IoLoop::Deliver() {
  {
    std::lock_guard lock(mutex_);
    delivering_.swap(notices_);
  }
  for (auto& [connection, done] : delivering_) connection->Wake(done);
  delivering_.clear();
}

void IoLoop::Add(tcp::socket socket) {
  auto connection = std::make_shared<Connection>(*this, std::move(socket));
  connections.insert(connection);
  asio::co_spawn(context, connection->Run(), asio::detached);
  if (!sweeping) {
    sweeping = true;
    Sweep();
  }
}

void IoLoop::Remove(const std::shared_ptr<Connection>& connection) {
  connections.erase(connection);
  --connection_count;
  if (stopping && connections.empty()) {
    sweep_timer.cancel();
    context.stop();
  }
}

// One timer closes every connection whose deadline has passed: no timer for each read and write.
void IoLoop::Sweep() {
  if (connections.empty()) {
    sweeping = false;
    return;
  }
  sweep_timer.expires_after(SweepInterval(options));
  sweep_timer.async_wait([this](const boost::system::error_code& ec) {
    if (ec) return;
    const auto now = std::chrono::steady_clock::now();
    for (const auto& connection : connections) connection->CutIfLate(now);
    Sweep();
  });
}

void IoLoop::BeginStop() {
  stopping = true;
  for (const auto& connection : connections) connection->BeginStop();
  if (connections.empty()) context.stop();
}

void IoLoop::CutAll() {
  for (const auto& connection : connections) connection->Cut();
}

struct HttpServer::State {
  State(const HttpOptions& options_in, Application& application, WorkerPool& pool)
      : options(options_in) {
    for (int i = 0; i < std::max(1, options.io_threads); ++i) {
      loops.push_back(std::make_unique<IoLoop>(options, application, pool, connection_count));
    }
    acceptor.emplace(loops[0]->context);
    retry.emplace(loops[0]->context);
  }

  Status Listen();
  void Accept();

  HttpOptions options;
  std::atomic<int> connection_count{0};
  std::vector<std::unique_ptr<IoLoop>> loops;
  std::optional<tcp::acceptor> acceptor;  // on the first loop
  std::optional<asio::steady_timer> retry;
  std::size_t next_loop = 0;
  std::vector<std::thread> threads;
  std::uint16_t port = 0;
  bool stopped = false;
};

Status HttpServer::State::Listen() {
  boost::system::error_code ec;
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  const auto address = asio::ip::make_address(host, ec);
  if (ec) return tl::unexpected<Error>(ListenError(options, ec));
  const tcp::endpoint endpoint(address, options.port);
  acceptor->open(endpoint.protocol(), ec);
  if (!ec) acceptor->set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor->bind(endpoint, ec);
  if (!ec) acceptor->listen(512, ec);
  if (ec) return tl::unexpected<Error>(ListenError(options, ec));
  port = acceptor->local_endpoint(ec).port();
  return {};
}

void HttpServer::State::Accept() {
  IoLoop& loop = *loops[next_loop++ % loops.size()];
  acceptor->async_accept(
      loop.context, [this, &loop](const boost::system::error_code& ec, tcp::socket socket) {
        if (ec == asio::error::operation_aborted || !acceptor->is_open()) return;
        if (ec) {
          // Out of descriptors: the connections that wait stay in the kernel's queue for a moment.
          retry->expires_after(std::chrono::milliseconds(100));
          retry->async_wait([this](const boost::system::error_code& error) {
            if (!error) Accept();
          });
          return;
        }
        if (connection_count.load() >= options.max_connections) {
          boost::system::error_code ignored;
          socket.close(ignored);
        } else {
          ++connection_count;
          if (&loop == loops[0].get()) {
            loop.Add(std::move(socket));
          } else {
            auto shared = std::make_shared<tcp::socket>(std::move(socket));
            asio::post(loop.context, [&loop, shared] { loop.Add(std::move(*shared)); });
          }
        }
        Accept();
      });
}

HttpServer::HttpServer() = default;
HttpServer::~HttpServer() { Stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options,
                                                      Application& application, WorkerPool& pool) {
  std::unique_ptr<HttpServer> server(new HttpServer());
  server->state_ = std::make_unique<State>(options, application, pool);
  State& state = *server->state_;
  if (auto listening = state.Listen(); !listening) {
    state.stopped = true;
    return tl::unexpected<Error>(std::move(listening.error()));
  }
  state.Accept();
  for (auto& loop : state.loops) {
    state.threads.emplace_back([&context = loop->context] {
      const auto guard = asio::make_work_guard(context);
      context.run();
    });
  }
  return server;
}

void HttpServer::Stop() {
  if (!state_ || state_->stopped) return;
  State& state = *state_;
  state.stopped = true;
  asio::post(state.loops[0]->context, [&state] {
    boost::system::error_code ignored;
    state.acceptor->close(ignored);
    state.retry->cancel();
  });
  for (auto& loop : state.loops) {
    asio::post(loop->context, [loop = loop.get()] { loop->BeginStop(); });
  }
  // After the time limit sockets are closed; what still runs then are handlers, which end by
  // themselves.
  std::mutex mutex;
  std::condition_variable ended;
  bool all_ended = false;
  std::thread cutter([&] {
    std::unique_lock lock(mutex);
    if (ended.wait_for(lock, state.options.stop_timeout, [&] { return all_ended; })) return;
    for (auto& loop : state.loops) {
      asio::post(loop->context, [loop = loop.get()] { loop->CutAll(); });
    }
  });
  for (std::thread& thread : state.threads) thread.join();
  {
    std::lock_guard lock(mutex);
    all_ended = true;
    ended.notify_all();
  }
  cutter.join();
}

std::uint16_t HttpServer::port() const { return state_->port; }
int HttpServer::connections() const { return state_->connection_count.load(); }

}  // namespace roost::api
