#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace roost {

// One thread's queue of work, timers and file descriptors (epoll). The thread that calls Run owns
// all state that the posted functions touch. Post may be called from any thread; everything else
// only from the loop's own thread, or before Run.
class EventLoop {
 public:
  using TimerId = std::uint64_t;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;

  // Posted work runs in the order of posting, timers in the order of their deadlines.
  void Post(std::function<void()> work);
  TimerId After(std::chrono::milliseconds delay, std::function<void()> work);
  void CancelTimer(TimerId id);
  // Calls `ready` each time the descriptor is readable (level triggered) until Unwatch. Requires: a
  // descriptor that can be polled (no regular file), unwatched before it is closed.
  void Watch(int fd, std::function<void()> ready);
  void Unwatch(int fd);

  void Run();   // until Stop; work posted before Stop is done first
  void Stop();  // from any thread
  // Does what is ready now and returns; true when it did something, which may have made more work
  // ready. For tests.
  bool RunReady();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roost
