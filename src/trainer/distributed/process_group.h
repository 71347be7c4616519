#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "trainer/cuda/device_collectives.h"
#include "trainer/distributed/launch.h"

namespace roost::trainer {

// The processes of one training. Each calls the same functions in the same order, from one thread.
// When one of them dies, is late or ends with an error, every call of the others fails, with a
// sentence that names it. Tensors lie on the processor, or on this process's GPU after UseGpu: then
// a sum may also be started by a hook of the backward pass, on torch's own thread, while the
// process's thread waits for that pass.
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
  int local_size() const;                         // processes on this machine
  int local_rank() const { return local_rank_; }  // the launcher's, else counted in rank's order
  const std::vector<std::string>& hosts() const { return hosts_; }  // each rank's machine

  // Connects the processes' GPUs by NCCL, each one's number as it sees them: tensors that lie there
  // are summed and given without the processor. Before the first of them. Errors: kUnavailable in a
  // program without NCCL, those of Wait.
  Status UseGpu(int gpu);
  // The same for any device whose collectives there are.
  virtual Status UseDevice(std::unique_ptr<DeviceCollectives> device) = 0;

  // Sums a dense tensor over all processes, in place. Always gives something to wait for: what goes
  // wrong is Wait's outcome. On a GPU it begins after what the current stream was given.
  virtual std::unique_ptr<Pending> StartSum(at::Tensor tensor) = 0;
  // Then the sum is there, also for what is launched on any stream of a GPU. Errors: 72, and
  // kUnavailable when a process ended by itself.
  virtual Status Wait(std::unique_ptr<Pending> pending) = 0;
  // Gives all processes the values of rank 0, in place. Shapes and types must be the same.
  virtual Status Broadcast(const std::vector<at::Tensor>& tensors) = 0;
  // The text that rank 0 gives under this name, which is new with each call.
  virtual Result<std::string> TextOfFirst(const std::string& name, const std::string& own) = 0;
  // All processes' texts under a name that is new with each call, by their ranks.
  virtual Result<std::vector<std::string>> TextsOfAll(const std::string& name,
                                                      const std::string& own) = 0;
  // Tells the others that this process has failed and why; their calls fail from now on.
  virtual void Abort(const Error& error) = 0;

  Status Sum(const at::Tensor& tensor) { return Wait(StartSum(tensor)); }
  Status Barrier();

 protected:
  // `hosts`: one a rank.
  ProcessGroup(const Launch& launch, std::vector<std::string> hosts);

 private:
  const int rank_;
  const int size_;
  const std::vector<std::string> hosts_;
  const int local_rank_;
};

}  // namespace roost::trainer
