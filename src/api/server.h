#pragma once

#include <memory>
#include <string>

#include "api/http_server.h"
#include "base/clock.h"
#include "base/result.h"
#include "engine/engine.h"
#include "store/store.h"

namespace roost::api {

struct ServerOptions {
  HttpOptions http;                  // address, limits, timeouts
  std::size_t worker_threads = 2;    // for handlers that block
  std::string version = "0.1.0";     // shown by /healthz and GET /server
  launch::MachineResources machine;  // what GET /server shows as resources
  fs::path trainer;                  // shown by GET /server; empty: none
  Clock* clock = &SystemClock();
  std::chrono::milliseconds event_keep_alive{15'000};  // comments on event streams
};

// The outside of Roost: HTTP on one address, the routes of api/openapi.yaml over a store and an
// engine. There is no TLS here: a proxy in front does that. Listening beyond loopback needs a token
// in the store already, since everyone on the network could speak to the server.
class Server {
 public:
  // `store` and `engine` outlive the server. Registers itself as the store's commit listener.
  static Result<std::unique_ptr<Server>> Start(const ServerOptions& options, store::Store& store,
                                               engine::Engine& engine);
  ~Server();  // Stop

  std::string address() const;  // "http://127.0.0.1:7070"
  std::uint16_t port() const;
  // Ends streams, answers what is in flight; at most http.stop_timeout beside handlers that run.
  void Stop();

 private:
  Server();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roost::api
