#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <utility>

#include "trainer/cuda/captured_step.h"

namespace roost::trainer {
namespace {

using c10::cuda::CUDAStream;

// `after` goes on when what `before` has been given so far is done.
void Order(const CUDAStream& before, const CUDAStream& after) {
  at::cuda::CUDAEvent event;
  event.record(before);
  event.block(after);
}

class GraphStep : public CapturedStep {
 public:
  GraphStep(const at::Device& gpu, std::function<void()> work, int warm_ups)
      : stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, gpu.index())),
        work_(std::move(work)),
        warm_ups_(warm_ups) {}

  // Nothing may be recorded on the default stream, and what was tried out on another stream would
  // be tried out again: so all of it runs on one of its own.
  void Run() override {
    const CUDAStream outer = c10::cuda::getCurrentCUDAStream(stream_.device_index());
    Order(outer, stream_);
    {
      const c10::cuda::CUDAStreamGuard guard(stream_);
      if (runs_ < warm_ups_) {
        ++runs_;
        work_();
      } else {
        if (!recorded_) Record();
        graph_.replay();
      }
    }
    Order(stream_, outer);
  }

 private:
  void Record() {
    // What the warm-ups used is free, and the recorded work gets memory of its own.
    stream_.synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    // Other threads pin memory meanwhile, which is no part of this.
    graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      work_();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (...) {  // the first failure is the one that tells why
      }
      throw;
    }
    graph_.capture_end();
    recorded_ = true;
  }

  const CUDAStream stream_;
  const std::function<void()> work_;
  const int warm_ups_;
  int runs_ = 0;
  bool recorded_ = false;
  at::cuda::CUDAGraph graph_;
};

}  // namespace

std::unique_ptr<CapturedStep> MakeGraphStep(const at::Device& gpu,
                                            const std::function<void()>& work, int warm_ups) {
  return std::make_unique<GraphStep>(gpu, work, warm_ups);
}

}  // namespace roost::trainer
