#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace roost::api {

// Threads for handlers that block on disk or database. Work that takes minutes (gc, backup) has a
// lane of its own, whose thread starts with its first task, so that it never holds up the others.
class WorkerPool {
 public:
  enum class Lane { kNormal, kSlow };

  explicit WorkerPool(std::size_t threads);
  ~WorkerPool();  // Stop
  WorkerPool(const WorkerPool&) = delete;

  // Any thread. A task must not throw. After Stop the task is run by the caller at once.
  void Post(Lane lane, std::function<void()> task);
  void Stop();  // does what is queued, then ends the threads

 private:
  struct Queue {
    std::deque<std::function<void()>> tasks;
    std::condition_variable ready;
  };
  void Work(Queue& queue);

  std::mutex mutex_;  // guards everything below
  bool stopping_ = false;
  Queue normal_;
  Queue slow_;
  std::vector<std::thread> threads_;
  bool slow_started_ = false;
};

}  // namespace roost::api
