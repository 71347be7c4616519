#include "api/worker_pool.h"

#include <signal.h>

namespace roost::api {

WorkerPool::WorkerPool(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Work(normal_); });
  }
}

WorkerPool::~WorkerPool() { Stop(); }

void WorkerPool::Post(Lane lane, std::function<void()> task) {
  {
    std::unique_lock lock(mutex_);
    if (!stopping_) {
      Queue& queue = lane == Lane::kSlow ? slow_ : normal_;
      queue.tasks.push_back(std::move(task));
      if (lane == Lane::kSlow && !slow_started_) {
        slow_started_ = true;
        threads_.emplace_back([this] { Work(slow_); });
      }
      queue.ready.notify_one();
      return;
    }
  }
  task();
}

void WorkerPool::Stop() {
  std::vector<std::thread> threads;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    normal_.ready.notify_all();
    slow_.ready.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
}

void WorkerPool::Work(Queue& queue) {
  // A peer that is gone is an error of the write, not the end of the program.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  std::unique_lock lock(mutex_);
  while (true) {
    queue.ready.wait(lock, [&] { return stopping_ || !queue.tasks.empty(); });
    if (queue.tasks.empty()) return;
    std::function<void()> task = std::move(queue.tasks.front());
    queue.tasks.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace roost::api
