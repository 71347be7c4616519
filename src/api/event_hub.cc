#include "api/event_hub.h"

namespace roost::api {

void EventHub::Listener::SetWaker(std::function<void()> wake) {
  std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

std::set<RunKey> EventHub::Listener::TakeMetrics() {
  std::lock_guard lock(mutex_);
  has_metrics_.store(false, std::memory_order_relaxed);
  return std::exchange(metrics_, {});
}

void EventHub::Listener::Note(const store::CommitNotice& notice) {
  std::lock_guard lock(mutex_);
  bool news = notice.last_event_id != 0;
  for (const RunKey run : notice.runs_with_metrics) {
    if (run_ && *run_ != run) continue;
    // One wake is enough: the stream looks again by itself when its next notice is due.
    news = news || metrics_.empty();
    metrics_.insert(run);
    has_metrics_.store(true, std::memory_order_relaxed);
  }
  if (news && wake_) wake_();
}

void EventHub::OnCommit(const store::CommitNotice& notice) {
  if (notice.last_event_id != 0) {
    last_event_id_.store(notice.last_event_id, std::memory_order_release);
    generation_.fetch_add(1, std::memory_order_release);
  }
  std::lock_guard lock(mutex_);
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    if (const auto listener = it->lock()) {
      listener->Note(notice);
      ++it;
    } else {
      it = listeners_.erase(it);
    }
  }
}

std::shared_ptr<EventHub::Listener> EventHub::Listen(std::optional<RunKey> run) {
  auto listener = std::make_shared<Listener>(run);
  std::lock_guard lock(mutex_);
  listeners_.push_back(listener);
  return listener;
}

}  // namespace roost::api
