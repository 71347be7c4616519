#include "api/http_types.h"

#include "api/json.h"

namespace roost::api {

std::string_view ToString(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kHead:
      return "HEAD";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kPatch:
      return "PATCH";
    case Method::kDelete:
      return "DELETE";
    case Method::kOther:
      break;
  }
  return "OTHER";
}

std::optional<std::string> Request::QueryValue(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string> Request::QueryValues(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : query) {
    if (key == name) values.push_back(value);
  }
  return values;
}

void Request::Clear() {
  method = Method::kOther;
  http_1_1 = true;
  keep_alive = true;
  target.clear();
  path.clear();
  query.clear();
  for (std::string& header : headers) header.clear();
  host_headers = 0;
  content_length.reset();
  has_body = false;
  // One large upload must not keep its memory for the life of the connection.
  if (body.capacity() > (64 << 10)) std::string().swap(body);
  body.clear();
  route = nullptr;
  parameters.clear();
  token_from_cookie = false;
}

Response Response::OfError(const Error& error) {
  Response response(ToHttpStatus(error.code), ErrorToJsonText(error));
  if (error.code == ErrorCode::kUnauthenticated) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"roost\"");
  }
  if (error.code == ErrorCode::kUnavailable) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace roost::api
