#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace roost::trainer {

// Work of a GPU that is recorded once and then launched as a whole (a CUDA graph), which spares the
// processor some hundreds of launches a step.
//
// What is recorded must touch the same memory each time and must not wait for the GPU: it reads and
// writes tensors that live as long as this object. Memory that it allocates by the way stays its
// own. On the CPU, and where the trainer was built without CUDA, there is nothing to record: Run
// calls the work itself, so both ways compute the same.
class CapturedStep {
 public:
  // `warm_ups`: times that Run calls the work before it records it, so that libraries have made
  // their choices.
  static std::unique_ptr<CapturedStep> Make(const at::Device& device, std::function<void()> work,
                                            int warm_ups = 3);
  virtual ~CapturedStep() = default;
  // Does the work once, in the order of the current stream. Throws c10::Error as torch does.
  virtual void Run() = 0;
};

// For Make: null where the trainer was built without CUDA.
std::unique_ptr<CapturedStep> MakeGraphStep(const at::Device& gpu,
                                            const std::function<void()>& work, int warm_ups);

}  // namespace roost::trainer
