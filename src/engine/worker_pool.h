#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace roost::engine {

// A few threads for work that takes long (copying, hashing). Jobs start in the order in which they
// were posted. Post may be called from any thread.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t threads);
  ~WorkerPool();  // Stop()
  WorkerPool(const WorkerPool&) = delete;

  void Post(std::function<void()> job);  // dropped after Stop
  // Drops the jobs that wait, and returns when those that run are done.
  void Stop();
  std::size_t waiting() const;

 private:
  void Work();

  mutable std::mutex mutex_;  // guards jobs_ and stopping_
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace roost::engine
