#include "api/dispatch.h"

#include <algorithm>
#include <exception>

#include "api/auth.h"
#include "api/http_stats.h"
#include "api/json.h"
#include "api/mlflow/errors.h"
#include "api/mlflow/safety.h"
#include "api/run_access.h"
#include "base/log.h"

namespace roost::api {
namespace {

// In the words of the surface that the request speaks to.
Response AnswerError(const Request& request, const Error& error) {
  const bool mlflow = request.route != nullptr ? request.route->surface == Surface::kMlflow
                                               : mlflow::IsMlflowPath(request.path);
  return mlflow ? mlflow::ErrorResponse(error) : Response::OfError(error);
}

Error NoRoute(const Request& request) {
  const std::string message = "There is nothing at " + request.path + ".";
  if (!mlflow::IsMlflowPath(request.path)) return {ErrorCode::kNotFound, message, {}};
  return mlflow::Fail(mlflow::Code::kEndpointNotFound, message).value();
}

Response NotAllowed(const Request& request, const std::string& allowed) {
  Response response = AnswerError(
      request, {ErrorCode::kInvalidArgument, request.path + " takes " + allowed + " only.", {}});
  response.status = 405;
  response.headers.emplace_back("Allow", allowed);
  return response;
}

Status CheckQuery(const Request& request, const Route& route) {
  if (route.surface == Surface::kMlflow) return {};
  Error error{ErrorCode::kInvalidArgument, "", {}};
  for (const auto& [name, value] : request.query) {
    if (std::find(route.query.begin(), route.query.end(), name) == route.query.end()) {
      error.details.push_back({name, "is no query parameter of this route"});
    }
  }
  if (error.details.empty()) return {};
  error.message = "`" + error.details.front().field + "` is no query parameter of this route.";
  return Fail(std::move(error));
}

// Libraries may throw (memory, above all); a handler that does is our mistake, not the client's.
Error FromException(const Request& request, const std::exception& exception) {
  LogError("handler_failed", {{"path", request.path}, {"what", exception.what()}});
  return {ErrorCode::kInternal, "The server could not answer this request; its log says why.", {}};
}

}  // namespace

Status Dispatcher::CheckHost(const Request& request) const {
  if (request.host_headers != 1 && request.http_1_1) {
    return Fail(ErrorCode::kInvalidArgument, "The request needs one Host header.");
  }
  const std::string& host = request.Header(HeaderName::kHost);
  const bool may_be_tricked = loopback_ && request.host_headers > 0 && !IsLoopbackHost(host) &&
                              !IsPrivateAddressHost(host) && !mlflow::TakesAnyHost(request.path);
  if (!may_be_tricked) return {};
  return Fail(ErrorCode::kPermissionDenied,
              "This server answers on this machine only; use http://127.0.0.1 or localhost.");
}

Status Dispatcher::Authenticate(Request& request, const Route& route) const {
  request.token = store::Token{};
  if (route.access == Access::kPublic) return {};
  const Credentials credentials = ReadCredentials(request);
  if (credentials.secret.empty()) {
    return Fail(ErrorCode::kUnauthenticated,
                "This needs a token: send \"Authorization: Bearer <token>\", or open the link that "
                "the server printed at its start.");
  }
  ROOST_ASSIGN(request.token, services_.store.tokens().Find(credentials.secret));
  request.token_from_cookie = credentials.from_cookie;
  const bool writes = request.method != Method::kGet && request.method != Method::kHead;
  if (credentials.from_cookie && writes && !IsSameOrigin(request)) {
    return Fail(ErrorCode::kPermissionDenied,
                "A change that is authorised by the cookie must come from the server's own page.");
  }
  if (route.access == Access::kUser && request.token.run) {
    return Fail(ErrorCode::kPermissionDenied,
                "A run's own token may only touch its run and its children.");
  }
  return {};
}

Application::Intake Dispatcher::Begin(Request& request, Response* answer) {
  const auto refuse = [&](const Error& error) {
    *answer = AnswerError(request, error);
    return Intake::kAnswer;
  };
  if (auto host = CheckHost(request); !host) {
    const bool is_foreign = host.error().code == ErrorCode::kPermissionDenied;
    if (!is_foreign || !mlflow::IsMlflowPath(request.path)) return refuse(host.error());
    *answer = mlflow::InvalidHost();
    return Intake::kAnswer;
  }
  if (auto blocked = mlflow::BlockCrossOrigin(request)) {
    *answer = std::move(*blocked);
    return Intake::kAnswer;
  }
  RouteMatch match = FindRoute(request.method, request.path, &request.parameters);
  if (match.bad_escape) {
    return refuse({ErrorCode::kInvalidArgument, "The path has a broken %XX escape.", {}});
  }
  if (!match.route) {
    if (match.allowed.empty()) return refuse(NoRoute(request));
    *answer = NotAllowed(request, match.allowed);
    return Intake::kAnswer;
  }
  request.route = match.route;
  if (auto allowed = Authenticate(request, *match.route); !allowed) return refuse(allowed.error());
  if (auto known = CheckQuery(request, *match.route); !known) return refuse(known.error());
  const std::string& coding = request.Header(HeaderName::kContentEncoding);
  if (!coding.empty() && coding != "identity") {
    return refuse({ErrorCode::kInvalidArgument,
                   "Bodies must not be encoded; leave Content-Encoding out.",
                   {}});
  }
  if (match.route->async) return Intake::kAsync;
  return match.route->upload ? Intake::kUpload : Intake::kBlocking;
}

Status Dispatcher::CheckOwnRun(const Request& request) const {
  if (request.route->access != Access::kOwn || !request.token.run) return {};
  return services_.run_access.Check(request.token, request.parameters[0]);
}

Response Dispatcher::Handle(Request& request) {
  Result<Response> result = Fail(ErrorCode::kInternal, "");
  try {
    if (auto own = CheckOwnRun(request); !own) return AnswerError(request, own.error());
    result = request.route->blocking(services_, request);
  } catch (const std::exception& exception) {
    result = Fail(FromException(request, exception));
  }
  if (result) return std::move(*result);
  if (result.error().code == ErrorCode::kInternal) {
    LogError("request_failed", {{"path", request.path}, {"message", result.error().message}});
  }
  return AnswerError(request, result.error());
}

void Dispatcher::HandleAsync(Request& request, Responder responder) {
  request.route->async(services_, request, responder);
}

Result<std::unique_ptr<BodySink>> Dispatcher::OpenSink(Request& request) {
  ROOST_TRY(CheckOwnRun(request));
  return request.route->upload(services_, request);
}

Response Dispatcher::AnswerOf(const Request& request, const Error& error) {
  return AnswerError(request, error);
}

void Dispatcher::Answered(const Request& request, int status) {
  services_.stats.Count(request, status);
}

}  // namespace roost::api
