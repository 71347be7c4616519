#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "api/http_types.h"

namespace roost::api {

// Parses one HTTP/1 request after the other out of the bytes that a connection received, into a
// Request. The only file of ours that knows Beast is http_parser.cc.
class RequestParser {
 public:
  RequestParser(Request& request, std::size_t max_header);
  ~RequestParser();

  void StartNext();  // forgets the last request; Request::Clear is the caller's
  // Takes the head; returns how many bytes it used. Bytes that it did not use must be given again
  // with more behind them. Malformed input is kInvalidArgument, a head that is too long kTooLarge.
  Result<std::size_t> FeedHead(std::string_view bytes);
  // Appends the body (chunks decoded) to Request::body; the same rules.
  Result<std::size_t> FeedBody(std::string_view bytes);
  bool HasHead() const;
  bool IsDone() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roost::api
