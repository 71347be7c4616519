#pragma once

#include "api/http_types.h"
#include "api/routes.h"
#include "api/services.h"

namespace roost::api {

// The way of a request through the application: route, host, who speaks, parameters, handler. The
// one place where an Error becomes an answer.
class Dispatcher : public Application {
 public:
  // `services` outlives this. `loopback`: only Host headers of this machine are answered.
  Dispatcher(Services& services, bool loopback) : services_(services), loopback_(loopback) {}

  Intake Begin(Request& request, Response* answer) override;
  Response Handle(Request& request) override;
  void HandleAsync(Request& request, Responder responder) override;
  Result<std::unique_ptr<BodySink>> OpenSink(Request& request) override;
  bool IsSlow(const Request& request) const override { return request.route->slow; }
  Response AnswerOf(const Request& request, const Error& error) override;
  void Answered(const Request& request, int status) override;

 private:
  Status CheckHost(const Request& request) const;
  Status Authenticate(Request& request, const Route& route) const;
  Status CheckOwnRun(const Request& request) const;

  Services& services_;
  const bool loopback_;
};

}  // namespace roost::api
