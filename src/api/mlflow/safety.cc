#include "api/mlflow/safety.h"

#include "api/auth.h"
#include "api/mlflow/errors.h"

namespace roost::api::mlflow {
namespace {

Response Forbidden(std::string text) {
  Response response(403, std::move(text));
  response.content_type = "text/plain; charset=utf-8";
  return response;
}

bool IsOfThisMachine(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && IsLoopbackHost(origin.substr(scheme + 3));
}

}  // namespace

bool TakesAnyHost(std::string_view path) { return path == "/health" || path == "/version"; }

Response InvalidHost() {
  return Forbidden("Invalid Host header - possible DNS rebinding attack detected");
}

std::optional<Response> BlockCrossOrigin(const Request& request) {
  const bool writes = request.method != Method::kGet && request.method != Method::kHead;
  const std::string& origin = request.Header(HeaderName::kOrigin);
  if (!writes || origin.empty() || !IsMlflowPath(request.path)) return std::nullopt;
  if (IsOfThisMachine(origin) || IsSameOrigin(request)) return std::nullopt;
  return Forbidden("Cross-origin request blocked");
}

}  // namespace roost::api::mlflow
