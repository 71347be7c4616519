#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/http_types.h"
#include "base/clock.h"
#include "store/store.h"

namespace roost::api {

// Carries the news of each commit from the store's writer to the streams that wait for it. The
// writer's thread only counts, notes runs and wakes; streams read what happened by themselves.
class EventHub {
 public:
  // What one event stream is told beside the events in the store.
  class Listener {
   public:
    // `run`: only this run's metrics; none: all.
    explicit Listener(std::optional<RunKey> run) : run_(run) {}
    void SetWaker(std::function<void()> wake);
    bool HasMetrics() const { return has_metrics_.load(std::memory_order_relaxed); }
    std::set<RunKey> TakeMetrics();

   private:
    friend class EventHub;
    void Note(const store::CommitNotice& notice);

    const std::optional<RunKey> run_;
    std::atomic<bool> has_metrics_{false};
    std::mutex mutex_;  // guards what follows
    std::function<void()> wake_;
    std::set<RunKey> metrics_;
  };

  explicit EventHub(std::int64_t last_event_id) : last_event_id_(last_event_id) {}

  void OnCommit(const store::CommitNotice& notice);  // the store's writer thread
  // Grows with every commit that had events.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  std::int64_t last_event_id() const { return last_event_id_.load(std::memory_order_acquire); }
  // Told until the last owner lets go of it.
  std::shared_ptr<Listener> Listen(std::optional<RunKey> run);

 private:
  std::atomic<std::uint64_t> generation_{1};
  std::atomic<std::int64_t> last_event_id_;
  std::mutex mutex_;  // guards listeners_
  std::vector<std::weak_ptr<Listener>> listeners_;
};

}  // namespace roost::api
