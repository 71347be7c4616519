#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace roost::client {

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  bool ok() const { return status >= 200 && status < 300; }
  std::string Header(const std::string& lower_case_name) const;
};

struct HttpRequest {
  std::string method = "GET";
  std::string target;  // "/api/v1/runs?limit=5", encoded
  std::vector<std::pair<std::string, std::string>> headers;

  // A body that is at hand, or one of `stream_size` bytes that `read_body` makes while it is sent
  // (fills the buffer, gives how much; an error ends the request with that error).
  std::string body;
  std::uint64_t stream_size = 0;
  std::function<Result<std::size_t>(char* buffer, std::size_t capacity)> read_body;

  // Told of the head of a 2xx answer, then of each piece of its body, which is then not kept in the
  // answer. An error ends the request with that error.
  std::function<Status(const HttpAnswer& head)> on_head;
  std::function<Status(std::string_view piece)> on_body;

  // Longest time without a byte in either direction; zero: none (long silent streams).
  std::chrono::seconds stall_limit{60};
};

// One curl handle with its kept-alive connections. Used by one thread at a time; Interrupt alone
// may be called from any thread.
class Http {
 public:
  struct Options {
    std::string url;      // "http://127.0.0.1:7070"
    std::string token;    // sent as bearer token
    std::string ca_file;  // certificates to trust for https; empty: the system's
    std::chrono::milliseconds connect_timeout{5'000};
  };
  explicit Http(Options options);
  ~Http();
  Http(const Http&) = delete;

  // One attempt. Any HTTP status is an answer; kUnavailable when the server cannot be reached or
  // the connection breaks, kDeadline when it stalls.
  Result<HttpAnswer> Send(const HttpRequest& request);

  // Ends the request that is going on, and every later one, with kUnavailable.
  void Interrupt();
  bool interrupted() const;

  const std::string& url() const { return options_.url; }

 private:
  struct State;
  Options options_;
  std::unique_ptr<State> state_;
};

// Percent-encoding for one part of a path, a whole path (keeps '/'), and a query.
std::string EncodePart(std::string_view text);
std::string EncodePath(std::string_view path);
using Query = std::vector<std::pair<std::string, std::string>>;
std::string EncodeQuery(const Query& query);  // "" or "?a=b&c=d"

}  // namespace roost::client
