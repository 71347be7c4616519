#include "base/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <mutex>
#include <queue>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "base/files.h"

namespace roost {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Work = std::function<void()>;

struct Deadline {
  SteadyClock::time_point at;
  EventLoop::TimerId id;  // grows, so equal deadlines keep their order
  bool operator>(const Deadline& other) const {
    return at != other.at ? at > other.at : id > other.id;
  }
};

struct Watched {
  int fd;
  std::shared_ptr<Work> ready;  // shared, so that it may unwatch itself while it runs
};

constexpr std::uint64_t kWakeId = 0;  // the eventfd's; watches count from 1

}  // namespace

struct EventLoop::State {
  Fd epoll{epoll_create1(EPOLL_CLOEXEC)};
  Fd wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

  std::mutex mutex;
  std::deque<Work> posted;  // guarded by mutex; an empty function is the mark that Stop leaves

  // The loop's own thread only:
  bool stopped = false;
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines;
  std::unordered_map<TimerId, Work> timers;  // a deadline without its entry was canceled
  TimerId last_timer = 0;
  // Watches have numbers of their own: a descriptor's number may be in use again before the last
  // event for its old owner is handed out.
  std::unordered_map<std::uint64_t, Watched> watches;
  std::unordered_map<int, std::uint64_t> watch_of_fd;
  std::uint64_t last_watch = kWakeId;

  void Add(Work work);
  bool RunPosted();
  bool RunTimers();
  bool RunDescriptors(int timeout_ms);
  int MillisecondsToNextTimer();
  void DropCanceledDeadlines();
};

void EventLoop::State::Add(Work work) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex);
    was_empty = posted.empty();
    posted.push_back(std::move(work));
  }
  if (!was_empty) return;  // the first one has woken the loop already
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the loop is awake.
  [[maybe_unused]] const ssize_t written = write(wake.get(), &one, sizeof one);
}

// Runs what is there now; what that posts has its turn after timers and descriptors.
bool EventLoop::State::RunPosted() {
  std::deque<Work> batch;
  {
    const std::lock_guard lock(mutex);
    batch.swap(posted);
  }
  if (batch.empty()) return false;
  while (!batch.empty()) {
    const Work work = std::move(batch.front());
    batch.pop_front();
    if (!work) {
      stopped = true;
      break;
    }
    work();
  }
  if (batch.empty()) return true;

  // Posted after Stop: kept in order for a later Run.
  const std::lock_guard lock(mutex);
  posted.insert(posted.begin(), std::make_move_iterator(batch.begin()),
                std::make_move_iterator(batch.end()));
  return true;
}

// Runs the timers that are due now; one that these start with no delay waits for the next turn.
bool EventLoop::State::RunTimers() {
  const SteadyClock::time_point now = SteadyClock::now();
  const TimerId newest = last_timer;
  bool ran = false;
  while (!deadlines.empty() && deadlines.top().at <= now && deadlines.top().id <= newest) {
    const TimerId id = deadlines.top().id;
    deadlines.pop();
    const auto timer = timers.find(id);
    if (timer == timers.end()) continue;
    const Work work = std::move(timer->second);
    timers.erase(timer);
    work();
    ran = true;
  }
  return ran;
}

bool EventLoop::State::RunDescriptors(int timeout_ms) {
  std::array<epoll_event, 64> events{};
  const int count =
      epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  ROOST_CHECK(count >= 0 || errno == EINTR);
  bool ran = false;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
    if (id == kWakeId) {
      std::uint64_t value = 0;
      [[maybe_unused]] const ssize_t got = read(wake.get(), &value, sizeof value);
      continue;
    }
    const auto watch = watches.find(id);
    if (watch == watches.end()) continue;  // unwatched by one that ran before it
    const std::shared_ptr<Work> ready = watch->second.ready;
    (*ready)();
    ran = true;
  }
  return ran;
}

int EventLoop::State::MillisecondsToNextTimer() {
  while (!deadlines.empty() && !timers.contains(deadlines.top().id)) deadlines.pop();
  if (deadlines.empty()) return -1;
  // Rounded up: waking early would spin until the deadline.
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(deadlines.top().at - SteadyClock::now());
  return static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, 3'600'000));
}

// Far-away timers that are always canceled must not pile up.
void EventLoop::State::DropCanceledDeadlines() {
  if (deadlines.size() < 2 * timers.size() + 64) return;
  std::vector<Deadline> kept;
  for (; !deadlines.empty(); deadlines.pop()) {
    if (timers.contains(deadlines.top().id)) kept.push_back(deadlines.top());
  }
  deadlines = decltype(deadlines)(std::greater<>(), std::move(kept));
}

EventLoop::EventLoop() : state_(std::make_unique<State>()) {
  ROOST_CHECK(state_->epoll.valid() && state_->wake.valid());
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeId}};
  ROOST_CHECK(epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, state_->wake.get(), &event) == 0);
}

EventLoop::~EventLoop() = default;

void EventLoop::Post(std::function<void()> work) {
  ROOST_CHECK(work != nullptr);
  state_->Add(std::move(work));
}

EventLoop::TimerId EventLoop::After(std::chrono::milliseconds delay, std::function<void()> work) {
  ROOST_CHECK(work != nullptr);
  const TimerId id = ++state_->last_timer;
  state_->timers.emplace(id, std::move(work));
  state_->deadlines.push({SteadyClock::now() + delay, id});
  return id;
}

void EventLoop::CancelTimer(TimerId id) {
  state_->timers.erase(id);
  state_->DropCanceledDeadlines();
}

void EventLoop::Watch(int fd, std::function<void()> ready) {
  ROOST_CHECK(ready != nullptr);
  Unwatch(fd);
  const std::uint64_t id = ++state_->last_watch;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = id}};
  ROOST_CHECK(epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  state_->watches.emplace(id, Watched{fd, std::make_shared<Work>(std::move(ready))});
  state_->watch_of_fd[fd] = id;
}

void EventLoop::Unwatch(int fd) {
  const auto found = state_->watch_of_fd.find(fd);
  if (found == state_->watch_of_fd.end()) return;
  // Fails for a descriptor that is closed already, which has ended the watch too.
  epoll_ctl(state_->epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
  state_->watches.erase(found->second);
  state_->watch_of_fd.erase(found);
}

void EventLoop::Run() {
  State& state = *state_;
  state.stopped = false;
  while (true) {
    const bool worked = state.RunPosted();
    if (state.stopped) return;
    state.RunTimers();
    state.RunDescriptors(worked ? 0 : state.MillisecondsToNextTimer());
  }
}

void EventLoop::Stop() { state_->Add(nullptr); }

bool EventLoop::RunReady() {
  State& state = *state_;
  const bool posted = state.RunPosted();
  const bool timers = state.RunTimers();
  const bool descriptors = state.RunDescriptors(0);
  return posted || timers || descriptors;
}

}  // namespace roost
