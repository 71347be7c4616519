#include <charconv>
#include <set>

#include "api/event_hub.h"
#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/run_access.h"
#include "store/events.h"

namespace roost::api {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kEventsAtOnce = 200;
constexpr milliseconds kMetricsInterval{200};  // at most five notices a second for each run

// The event's kind on the wire: everything about a run is one kind.
std::string_view WireKind(const std::string& kind) {
  return kind.starts_with("run_") ? std::string_view("run") : std::string_view(kind);
}

class EventSource : public StreamSource {
 public:
  EventSource(Services& services, std::optional<store::Run> run, std::int64_t after, bool reset)
      : services_(services),
        run_id_(run ? run->id.value() : ""),
        listener_(services.hub.Listen(run ? std::optional(run->key) : std::nullopt)),
        after_(after),
        reset_(reset) {}
  ~EventSource() override { listener_->SetWaker(nullptr); }

  void SetWaker(std::function<void()> wake) override { listener_->SetWaker(std::move(wake)); }

  Readiness Poll() override {
    const auto now = steady_clock::now();
    if (!opened_ || services_.hub.last_event_id() > looked_at_) return Readiness::kReady;
    if (listener_->HasMetrics() && now >= next_metrics_) return Readiness::kReady;
    return now >= next_comment_ ? Readiness::kReady : Readiness::kWait;
  }

  milliseconds PollInterval() const override {
    auto next = next_comment_;
    if (listener_->HasMetrics()) next = std::min(next, next_metrics_);
    const auto left = std::chrono::ceil<milliseconds>(next - steady_clock::now());
    return std::max(milliseconds(1), left);
  }

  Result<bool> Read(std::string* to, std::size_t) override {
    const auto now = steady_clock::now();
    if (!opened_) {
      opened_ = true;
      // An id without data moves the client's Last-Event-ID and shows nothing.
      if (reset_) to->append("event: reset\ndata: {}\n");
      to->append("id: " + TokenOf(after_) + "\n\n");
    }
    ROOST_TRY(AppendEvents(to));
    if (listener_->HasMetrics() && now >= next_metrics_) {
      AppendMetrics(to);
      next_metrics_ = now + kMetricsInterval;
    }
    if (to->empty() && now >= next_comment_) to->append(": still here\n\n");
    if (!to->empty()) next_comment_ = now + services_.options.event_keep_alive;
    return false;
  }

 private:
  std::string TokenOf(std::int64_t id) const {
    return services_.store.epoch() + "." + std::to_string(id);
  }

  Status AppendEvents(std::string* to) {
    const std::int64_t newest = services_.hub.last_event_id();
    while (true) {
      ROOST_ASSIGN(const auto events,
                   services_.store.events().After(after_, run_id_, kEventsAtOnce));
      // Of several events of one run only the last needs the run: it is shown as it is now.
      std::set<std::string> shown;
      std::vector<std::string> texts;
      for (auto event = events.rbegin(); event != events.rend(); ++event) {
        texts.push_back(EventText(*event, &shown));
      }
      for (auto text = texts.rbegin(); text != texts.rend(); ++text) to->append(*text);
      if (!events.empty()) after_ = events.back().id;
      if (events.size() < kEventsAtOnce) break;
      if (to->size() > (256 << 10)) return {};  // the rest with the next piece
    }
    looked_at_ = std::max(newest, after_);
    return {};
  }

  std::string EventText(const store::Event& event, std::set<std::string>* shown) {
    Json data = event.body_json.empty() ? Json::object() : ParsedOrText(event.body_json);
    const std::string_view kind = WireKind(event.kind);
    if (kind == "run") {
      if (!shown->insert(event.run_id).second) return "";
      auto run = services_.store.runs().Get(RunId(event.run_id));
      if (!run) return "";  // removed for good since
      data = RunJson(*run, services_.options.clock->Now(), {});
    } else if (data.is_object() && !event.run_id.empty()) {
      data["run_id"] = event.run_id;
    }
    return "id: " + TokenOf(event.id) + "\nevent: " + std::string(kind) + "\ndata: " + Dump(data) +
           "\n\n";
  }

  void AppendMetrics(std::string* to) {
    for (const RunKey key : listener_->TakeMetrics()) {
      auto known = names_.find(key);
      if (known == names_.end()) {
        auto run = services_.store.runs().Get(key);
        if (!run) continue;
        if (names_.size() > 1000) names_.clear();
        known = names_.emplace(key, run->id.value()).first;
      }
      to->append("event: metrics\ndata: " + Dump({{"run_id", known->second}}) + "\n\n");
    }
  }

  Services& services_;
  const std::string run_id_;
  std::shared_ptr<EventHub::Listener> listener_;
  std::int64_t after_;
  std::int64_t looked_at_ = 0;
  bool reset_;
  bool opened_ = false;
  steady_clock::time_point next_comment_{};
  steady_clock::time_point next_metrics_{};
  std::map<RunKey, std::string> names_;
};

// The number of a token of this store that can still be resumed from.
std::optional<std::int64_t> ReadToken(Services& services, const std::string& token) {
  const std::size_t dot = token.rfind('.');
  if (dot == std::string::npos || token.substr(0, dot) != services.store.epoch()) {
    return std::nullopt;
  }
  std::int64_t id = 0;
  const char* end = token.data() + token.size();
  const auto parsed = std::from_chars(token.data() + dot + 1, end, id);
  if (parsed.ec != std::errc() || parsed.ptr != end || id < 0) return std::nullopt;
  const std::int64_t oldest = services.store.events().OldestId();
  if (id > services.store.events().LastId() || id + 1 < oldest) return std::nullopt;
  return id;
}

}  // namespace

Result<Response> GetEvents(Services& services, Request& request) {
  std::optional<store::Run> run;
  if (const auto run_id = request.QueryValue("run_id")) {
    ROOST_TRY(services.run_access.Check(request.token, *run_id));
    ROOST_ASSIGN(run, services.store.runs().Get(RunId(*run_id)));
  } else if (request.token.run) {
    return Fail(ErrorCode::kPermissionDenied,
                "With a run's own token events need run_id: its own, or a child's.");
  }
  std::string token = request.Header(HeaderName::kLastEventId);
  if (token.empty()) token = request.QueryValue("after").value_or("");
  std::int64_t after = services.store.events().LastId();
  bool reset = false;
  if (!token.empty()) {
    const auto resumed = ReadToken(services, token);
    reset = !resumed;
    after = resumed.value_or(after);
  }
  Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Accel-Buffering", "no");
  response.stream = std::make_unique<EventSource>(services, std::move(run), after, reset);
  return response;
}

}  // namespace roost::api
