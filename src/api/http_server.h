#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "api/http_types.h"
#include "api/worker_pool.h"

namespace roost::api {

struct HttpOptions {
  std::string host = "127.0.0.1";  // an address, or "localhost"
  std::uint16_t port = 0;          // 0: any free one
  int io_threads = 1;
  int max_connections = 1024;
  std::size_t max_header = 64 << 10;
  std::uint64_t max_body = 64ULL << 20;  // uploads excepted
  std::chrono::milliseconds header_timeout{15'000};
  std::chrono::milliseconds idle_timeout{120'000};  // between two requests
  std::chrono::milliseconds body_timeout{60'000};   // without a byte
  std::chrono::milliseconds write_timeout{120'000};
  std::chrono::milliseconds stop_timeout{10'000};
};

// Speaks HTTP/1.1 with clients: one coroutine for each connection, on one I/O thread (or several,
// each with its own connections, which never move). Reads heads and bodies, hands requests to the
// application on the thread that fits, writes answers. Knows no route.
class HttpServer {
 public:
  // `application` and `pool` outlive the server; the pool must be running until Stop has returned.
  static Result<std::unique_ptr<HttpServer>> Start(const HttpOptions& options,
                                                   Application& application, WorkerPool& pool);
  ~HttpServer();  // Stop

  // Stops to accept, answers what is in flight, ends streams; cuts what is left after stop_timeout.
  void Stop();
  std::uint16_t port() const;
  int connections() const;

 private:
  HttpServer();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roost::api
