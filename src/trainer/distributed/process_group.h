#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "trainer/distributed/launch.h"

namespace roost::trainer {

// The processes of one training. Each calls the same functions in the same order, from one thread.
// When one of them dies, is late or ends with an error, every call of the others fails, with a
// sentence that names it.
class ProcessGroup {
 public:
  // A collective under way; its tensor is the backend's until Wait has returned.
  class Pending {
   public:
    virtual ~Pending() = default;
  };

  // False in a program that was built without Gloo.
  static bool Available();
  // Waits until all have met. `limit` is how long any of them may keep the others waiting, here and
  // later. Errors: 72 naming the processes that are missing, kConflict for two of one rank,
  // kUnavailable when this program was built without Gloo or the meeting point cannot be had.
  static Result<std::unique_ptr<ProcessGroup>> Connect(const Launch& launch,
                                                       std::chrono::milliseconds limit);
  // The process that keeps the store leaves last, and waits a few seconds for the others.
  virtual ~ProcessGroup() = default;

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_size() const { return local_size_; }  // processes on this machine

  // Sums a dense tensor over all processes, in place. Always gives something to wait for: what goes
  // wrong is Wait's outcome.
  virtual std::unique_ptr<Pending> StartSum(at::Tensor tensor) = 0;
  // Errors: 72, and kUnavailable when a process ended by itself.
  virtual Status Wait(std::unique_ptr<Pending> pending) = 0;
  // Gives all processes the values of rank 0, in place. Shapes and types must be the same.
  virtual Status Broadcast(const std::vector<at::Tensor>& tensors) = 0;
  // The text that rank 0 gives under this name, which is new with each call.
  virtual Result<std::string> TextOfFirst(const std::string& name, const std::string& own) = 0;
  // Tells the others that this process has failed and why; their calls fail from now on.
  virtual void Abort(const Error& error) = 0;

  Status Sum(const at::Tensor& tensor) { return Wait(StartSum(tensor)); }
  Status Barrier();

 protected:
  ProcessGroup(int rank, int size, int local_size)
      : rank_(rank), size_(size), local_size_(local_size) {}

 private:
  const int rank_;
  const int size_;
  const int local_size_;
};

}  // namespace roost::trainer
