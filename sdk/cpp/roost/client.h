#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "roost/http.h"

namespace roost::client {

struct ClientOptions {
  std::string url = {};  // "http://127.0.0.1:7070"; the link that the server prints works too
  std::string token = {};
  std::string ca_file = {};
  // How long a request that may be repeated is tried again when the server refuses connections or
  // says 503, e.g. while it restarts.
  std::chrono::milliseconds retry_for{1'000};
};

// Splits "http://host:port/?token=abc" into address and token; other texts are the address alone.
struct ServerLink {
  std::string url;
  std::string token;
};
ServerLink ParseServerLink(const std::string& text);

// The server's REST interface (docs/wire.md) for one thread at a time: JSON in, JSON out, errors as
// the server's sentence and code. Paths are relative to /api/v1 and encoded by the caller where
// they hold names (EncodePart, EncodePath).
class Client {
 public:
  explicit Client(ClientOptions options);

  using Json = nlohmann::json;
  Result<Json> Get(const std::string& path, const Query& query = {});
  Result<Json> Put(const std::string& path, const Json& body);
  Result<Json> Patch(const std::string& path, const Json& body);
  Result<Json> Delete(const std::string& path);
  // Not repeated after a fault, unless `idempotency_key` makes that safe.
  Result<Json> Post(const std::string& path, const Json& body,
                    const std::string& idempotency_key = "");
  // A POST that may be repeated because of what it means (content-addressed uploads, cancel).
  Result<Json> PostRepeatable(const std::string& path, const Json& body);
  // A POST that may take long without a word (backup, gc).
  Result<Json> PostPatiently(const std::string& path, const Json& body);

  // Follows next_page_token until `limit` items are there (0: all).
  Result<Json> GetItems(const std::string& path, Query query, std::size_t limit);

  // Any request below /api/v1. An answer that is not 2xx becomes its error. With `repeatable`, it
  // is tried again for ClientOptions::retry_for; `request`'s callbacks must bear that.
  Result<HttpAnswer> Send(HttpRequest request, bool repeatable);

  Http& http() { return http_; }
  const ClientOptions& options() const { return options_; }

 private:
  Result<Json> SendJson(const std::string& method, const std::string& path, const Json* body,
                        bool repeatable, const std::string& idempotency_key,
                        std::chrono::seconds stall_limit);

  ClientOptions options_;
  Http http_;
};

// The error that an answer stands for: its JSON form, or a sentence about its status.
Error ErrorOfAnswer(const HttpAnswer& answer, const std::string& method, const std::string& path);

// Waits between attempts: 50 ms, doubling to 1 s.
class Backoff {
 public:
  explicit Backoff(std::chrono::milliseconds patience);
  // Sleeps and gives true, or gives false when the patience is used up.
  bool Wait();
  void Reset();

 private:
  std::chrono::milliseconds patience_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::milliseconds next_;
};

}  // namespace roost::client
