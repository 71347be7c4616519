#include "roost/client.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/strings.h"

namespace roost::client {
namespace {

constexpr const char* kBase = "/api/v1";
constexpr std::chrono::milliseconds kFirstWait{50};
constexpr std::chrono::milliseconds kLongestWait{1'000};

ErrorCode CodeOfStatus(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalidArgument;
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kConflict;
    case 413:
      return ErrorCode::kTooLarge;
    case 502:
    case 503:
      return ErrorCode::kUnavailable;
    case 504:
      return ErrorCode::kDeadline;
    case 507:
      return ErrorCode::kExhausted;
    default:
      return ErrorCode::kInternal;
  }
}

ErrorCode CodeOfText(const std::string& text, int status) {
  for (const ErrorCode code :
       {ErrorCode::kInvalidArgument, ErrorCode::kUnauthenticated, ErrorCode::kPermissionDenied,
        ErrorCode::kNotFound, ErrorCode::kConflict, ErrorCode::kTooLarge, ErrorCode::kExhausted,
        ErrorCode::kUnavailable, ErrorCode::kDeadline, ErrorCode::kInternal}) {
    if (ToString(code) == text) return code;
  }
  return CodeOfStatus(status);
}

std::string TextField(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

ServerLink ParseServerLink(const std::string& text) {
  ServerLink link{text, ""};
  if (const auto query = text.find('?'); query != std::string::npos) {
    link.url = text.substr(0, query);
    for (const std::string& pair : Split(text.substr(query + 1), '&')) {
      if (pair.starts_with("token=")) link.token = pair.substr(6);
    }
  }
  while (link.url.ends_with('/')) link.url.pop_back();
  return link;
}

Error ErrorOfAnswer(const HttpAnswer& answer, const std::string& method, const std::string& path) {
  const auto body = nlohmann::json::parse(answer.body, nullptr, false);
  if (body.is_object() && body.contains("error") && body["error"].is_object()) {
    const auto& told = body["error"];
    Error error{CodeOfText(TextField(told, "code"), answer.status), TextField(told, "message"), {}};
    if (const auto details = told.find("details"); details != told.end() && details->is_array()) {
      for (const auto& detail : *details) {
        if (!detail.is_object()) continue;
        error.details.push_back({TextField(detail, "field"), TextField(detail, "message")});
      }
    }
    if (!error.message.empty()) return error;
  }
  return {CodeOfStatus(answer.status),
          "The server answered " + std::to_string(answer.status) + " to " + method + " " + path +
              (answer.body.empty() ? "." : ": " + ToValidUtf8(answer.body.substr(0, 300))),
          {}};
}

Backoff::Backoff(std::chrono::milliseconds patience) : patience_(patience) { Reset(); }

void Backoff::Reset() {
  started_ = std::chrono::steady_clock::now();
  next_ = kFirstWait;
}

bool Backoff::Wait() {
  if (std::chrono::steady_clock::now() + next_ > started_ + patience_) return false;
  std::this_thread::sleep_for(next_);
  next_ = std::min(next_ * 2, kLongestWait);
  return true;
}

Client::Client(ClientOptions options)
    : options_([&options] {
        ServerLink link = ParseServerLink(options.url);
        options.url = link.url;
        if (options.token.empty()) options.token = link.token;
        return std::move(options);
      }()),
      http_({options_.url, options_.token, options_.ca_file}) {}

Result<HttpAnswer> Client::Send(HttpRequest request, bool repeatable) {
  const std::string path = request.target;
  request.target = kBase + path;
  Backoff backoff(repeatable ? options_.retry_for : std::chrono::milliseconds(0));
  while (true) {
    auto answer = http_.Send(request);
    if (answer && answer->ok()) return answer;
    const Error error = answer ? ErrorOfAnswer(*answer, request.method, path) : answer.error();
    const bool passing = error.code == ErrorCode::kUnavailable && !http_.interrupted();
    if (!passing || !repeatable || !backoff.Wait()) return Fail(error);
  }
}

Result<nlohmann::json> Client::SendJson(const std::string& method, const std::string& path,
                                        const Json* body, bool repeatable,
                                        const std::string& idempotency_key,
                                        std::chrono::seconds stall_limit) {
  HttpRequest request;
  request.method = method;
  request.target = path;
  request.stall_limit = stall_limit;
  if (body != nullptr) {
    request.body = body->dump(-1, ' ', false, Json::error_handler_t::replace);
    request.headers.emplace_back("Content-Type", "application/json");
  }
  if (!idempotency_key.empty()) request.headers.emplace_back("Idempotency-Key", idempotency_key);
  ROOST_ASSIGN(const HttpAnswer answer, Send(std::move(request), repeatable));
  if (answer.body.empty()) return Json::object();
  Json parsed = Json::parse(answer.body, nullptr, false);
  if (parsed.is_discarded()) {
    return Fail(ErrorCode::kInternal, "The answer to " + method + " " + path +
                                          " is not JSON. Is this the address of a Roost server?");
  }
  return parsed;
}

Result<nlohmann::json> Client::Get(const std::string& path, const Query& query) {
  return SendJson("GET", path + EncodeQuery(query), nullptr, true, "", std::chrono::seconds(60));
}

Result<nlohmann::json> Client::Put(const std::string& path, const Json& body) {
  return SendJson("PUT", path, &body, true, "", std::chrono::seconds(60));
}

Result<nlohmann::json> Client::Patch(const std::string& path, const Json& body) {
  return SendJson("PATCH", path, &body, true, "", std::chrono::seconds(60));
}

Result<nlohmann::json> Client::Delete(const std::string& path) {
  return SendJson("DELETE", path, nullptr, true, "", std::chrono::seconds(60));
}

Result<nlohmann::json> Client::Post(const std::string& path, const Json& body,
                                    const std::string& idempotency_key) {
  return SendJson("POST", path, &body, !idempotency_key.empty(), idempotency_key,
                  std::chrono::seconds(120));
}

Result<nlohmann::json> Client::PostRepeatable(const std::string& path, const Json& body) {
  return SendJson("POST", path, &body, true, "", std::chrono::seconds(120));
}

Result<nlohmann::json> Client::PostPatiently(const std::string& path, const Json& body) {
  return SendJson("POST", path, &body, false, "", std::chrono::seconds(0));
}

Result<nlohmann::json> Client::GetItems(const std::string& path, Query query, std::size_t limit) {
  constexpr std::size_t kPage = 1000;
  Json all = Json::array();
  std::string page_token;
  do {
    Query page = query;
    const std::size_t wanted = limit == 0 ? kPage : std::min(kPage, limit - all.size());
    page.emplace_back("limit", std::to_string(wanted));
    if (!page_token.empty()) page.emplace_back("page_token", page_token);
    ROOST_ASSIGN(Json answer, Get(path, page));
    const auto items = answer.find("items");
    if (items == answer.end() || !items->is_array()) {
      return Fail(ErrorCode::kInternal, "The answer to GET " + path + " has no items.");
    }
    for (auto& item : *items) all.push_back(std::move(item));
    page_token = TextField(answer, "next_page_token");
  } while (!page_token.empty() && (limit == 0 || all.size() < limit));
  return all;
}

}  // namespace roost::client
