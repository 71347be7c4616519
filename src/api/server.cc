#include "api/server.h"

#include "api/auth.h"
#include "api/dispatch.h"
#include "api/event_hub.h"
#include "api/http_stats.h"
#include "api/run_access.h"
#include "api/services.h"
#include "base/log.h"
#include "store/events.h"
#include "store/tokens.h"

namespace roost::api {
namespace {

// Everyone on the network reaches an address beyond loopback, so somebody must hold a token first.
Status CheckListening(const HttpOptions& http, store::Store& store) {
  if (IsLoopbackAddress(http.host)) return {};
  ROOST_ASSIGN(const auto tokens, store.tokens().List());
  if (!tokens.empty()) return {};
  return Fail(ErrorCode::kPermissionDenied,
              "Listening on " + http.host +
                  " lets other machines in, and there is no token yet; start once on 127.0.0.1 "
                  "(that makes one), then listen beyond loopback.");
}

}  // namespace

struct Server::State {
  State(const ServerOptions& options_in, store::Store& store_in, engine::Engine& engine)
      : options(options_in),
        store(store_in),
        hub(store_in.events().LastId()),
        run_access(store_in),
        pool(options_in.worker_threads),
        services{options, store, engine, hub, run_access, stats, pool, "", options_in.clock->Now()},
        dispatcher(services, IsLoopbackAddress(options_in.http.host)) {}

  const ServerOptions options;
  store::Store& store;
  EventHub hub;
  RunAccess run_access;
  HttpStats stats;
  WorkerPool pool;
  Services services;
  Dispatcher dispatcher;
  std::unique_ptr<HttpServer> http;
};

Server::Server() = default;
Server::~Server() { Stop(); }

Result<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, store::Store& store,
                                              engine::Engine& engine) {
  ROOST_TRY(CheckListening(options.http, store));
  std::unique_ptr<Server> server(new Server());
  server->state_ = std::make_unique<State>(options, store, engine);
  State& state = *server->state_;
  ROOST_ASSIGN(state.http, HttpServer::Start(options.http, state.dispatcher, state.pool));
  state.services.address = server->address();
  store.SetCommitListener([&state](const store::CommitNotice& notice) {
    state.stats.CountCommit();
    if (notice.last_event_id != 0) state.run_access.ForgetAttempts();
    state.hub.OnCommit(notice);
  });
  // What was committed between the hub's making and its listening.
  state.hub.OnCommit({store.events().LastId(), {}});
  LogInfo("listening", {{"address", server->address()}});
  return server;
}

std::uint16_t Server::port() const { return state_->http->port(); }

std::string Server::address() const {
  std::string host = state_->options.http.host;
  if (host.find(':') != std::string::npos && !host.starts_with('[')) host = "[" + host + "]";
  return "http://" + host + ":" + std::to_string(port());
}

void Server::Stop() {
  if (!state_) return;
  if (state_->http) {
    state_->store.SetCommitListener(nullptr);
    state_->http->Stop();
  }
  state_->pool.Stop();
}

}  // namespace roost::api
