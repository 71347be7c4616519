#include "roost/events.h"

namespace roost::client {

void EventParser::TakeLine(std::string_view line,
                           const std::function<void(const ServerEvent&)>& take) {
  if (line.empty()) {
    if (has_data_) take(event_);
    event_ = {};
    has_data_ = false;
    return;
  }
  if (line.front() == ':') return;  // a comment keeps the connection alive
  const auto colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) {
    value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
  }
  if (field == "id") {
    event_.id = value;
  } else if (field == "event") {
    event_.kind = value;
  } else if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  }
}

void EventParser::Feed(std::string_view piece,
                       const std::function<void(const ServerEvent&)>& take) {
  rest_.append(piece);
  std::size_t start = 0;
  for (std::size_t end = rest_.find('\n'); end != std::string::npos;
       end = rest_.find('\n', start)) {
    std::string_view line(rest_.data() + start, end - start);
    if (line.ends_with('\r')) line.remove_suffix(1);
    TakeLine(line, take);
    start = end + 1;
  }
  rest_.erase(0, start);
}

Status FollowEvents(Client& client, const std::string& run_id,
                    const std::function<bool(const ServerEvent&)>& take,
                    std::chrono::milliseconds patience) {
  std::string last_id;
  bool enough = false;
  Backoff backoff(patience);
  while (true) {
    EventParser parser;
    HttpRequest request;
    Query query;
    if (!run_id.empty()) query.emplace_back("run_id", run_id);
    request.target = "/events" + EncodeQuery(query);
    // The server writes a comment every 15 s, so a silent minute is a dead connection.
    request.stall_limit = std::chrono::seconds(60);
    request.headers.emplace_back("Accept", "text/event-stream");
    if (!last_id.empty()) request.headers.emplace_back("Last-Event-ID", last_id);
    request.on_body = [&](std::string_view piece) -> Status {
      backoff.Reset();
      parser.Feed(piece, [&](const ServerEvent& event) {
        if (!event.id.empty()) last_id = event.id;
        if (!enough) enough = !take(event);
      });
      if (enough) return Fail(ErrorCode::kUnavailable, "enough");
      return {};
    };
    auto sent = client.Send(std::move(request), false);
    if (enough || client.http().interrupted()) return {};
    if (!sent && sent.error().code != ErrorCode::kUnavailable &&
        sent.error().code != ErrorCode::kDeadline) {
      return Fail(sent.error());
    }
    if (!backoff.Wait()) {
      return sent ? Status{} : Fail(sent.error());
    }
  }
}

}  // namespace roost::client
