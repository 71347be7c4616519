#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace roost::trainer {

// Sums and broadcasts of tensors that lie on a GPU, among all processes of a group (NCCL). They run
// on a stream of their own, after what the current stream was given before, and beside what it is
// given later.
//
// Every process calls the same functions in the same order, one at a time. Nothing here waits: what
// is started may never end, when another process has died, and nobody but the caller can find that
// out (WaitFor in distributed/watched_work.h).
class DeviceCollectives {
 public:
  // How far a work has come. Nothing else may be started before it has left kStarting.
  enum class Stage { kStarting, kRunning, kDone, kFailed };

  // What was started. Used by one thread at a time; ends before what started it.
  class Work {
   public:
    virtual ~Work() = default;
    // To be asked again and again; after kDone the result is there for whatever is launched next.
    virtual Stage Ask() = 0;
    virtual std::string failure() const = 0;  // a sentence, after kFailed
    // Ends all works of this process that are under way; they fail. Takes some seconds at most.
    virtual void Abort() = 0;
  };

  // False in a program that was built without NCCL.
  static bool Available();
  // What all processes of one group must know to find each other: made by rank 0, any bytes.
  static Result<std::string> NewMeeting();
  // Errors: kUnavailable when this program was built without NCCL, or the GPU cannot be used.
  static Result<std::unique_ptr<DeviceCollectives>> Make(const std::string& meeting, int rank,
                                                         int size, int gpu);
  virtual ~DeviceCollectives() = default;

  // True for a tensor that is summed and given here; others are the caller's own business.
  virtual bool Takes(const at::Tensor& tensor) const = 0;
  // Connects the processes; comes first.
  virtual std::unique_ptr<Work> Connect() = 0;
  // Sums a dense tensor of floats, 64-bit integers or bytes over all processes, in place. Layouts
  // must be the same. Its memory may be given back before the work has ended.
  virtual std::unique_ptr<Work> Sum(const at::Tensor& tensor) = 0;
  // Gives all processes rank 0's values, in place; as Sum.
  virtual std::unique_ptr<Work> GiveFirst(const at::Tensor& tensor) = 0;
  // As Work's.
  virtual void Abort() = 0;
};

}  // namespace roost::trainer
