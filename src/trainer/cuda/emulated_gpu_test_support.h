#pragma once

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>
#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trainer/cuda/norm_program.h"
#include "trainer/cuda/run_time_kernels.h"

// The kernels' own source, compiled as C++ and run on the CPU: blocks one after the other, the
// threads of a block in turns from barrier to barrier. For one test program's file only.
#define __device__
#define __forceinline__ inline
#define __shared__ static   // blocks run one at a time
#define ROOST_PRAGMA(text)  // of unrolling

namespace roost::trainer {

// A block whose threads are fibers of the thread that calls Run. `backwards` runs the last first:
// results that differ by it tell of a barrier that is missing.
class EmulatedBlock {
 public:
  void Run(unsigned threads, bool backwards, const std::function<void(unsigned)>& body) {
    body_ = &body;
    if (fibers_.size() < threads) fibers_.resize(threads);
    for (unsigned i = 0; i < threads; ++i) fibers_[i].Prepare();
    running_ = this;
    for (unsigned waiting = threads; waiting > 0;) {
      waiting = 0;
      for (unsigned i = 0; i < threads; ++i) {
        current_ = backwards ? threads - 1 - i : i;
        Fiber& fiber = fibers_[current_];
        if (fiber.done) continue;
        resumed(current_);
        swapcontext(&outside_, &fiber.context);
        waiting += fiber.done ? 0 : 1;
      }
      ASSERT_TRUE(waiting == 0 || waiting == threads) << "some threads never reach a barrier";
    }
  }
  static void Wait() {
    EmulatedBlock& block = *running_;
    swapcontext(&block.fibers_[block.current_].context, &block.outside_);
  }

  std::function<void(unsigned)> resumed;  // called before a thread goes on

 private:
  struct Fiber {
    static constexpr std::size_t kStack = std::size_t{64} * 1024;
    void Prepare() {
      if (!stack) stack = std::make_unique_for_overwrite<char[]>(kStack);
      done = false;
      getcontext(&context);
      context.uc_stack.ss_sp = stack.get();
      context.uc_stack.ss_size = kStack;
      context.uc_link = nullptr;  // Main never returns
      makecontext(&context, &Main, 0);
    }
    ucontext_t context{};
    std::unique_ptr<char[]> stack;
    bool done = false;
  };

  static void Main() {
    EmulatedBlock& block = *running_;
    const unsigned self = block.current_;
    (*block.body_)(self);
    block.fibers_[self].done = true;
    Wait();
  }

  static inline EmulatedBlock* running_ = nullptr;
  std::vector<Fiber> fibers_;
  ucontext_t outside_{};
  unsigned current_ = 0;
  const std::function<void(unsigned)>* body_ = nullptr;
};

// What the kernels find on a GPU.
namespace norm_kernels {
struct Index {
  unsigned x = 0, y = 0;
};
inline Index threadIdx, blockIdx, blockDim, gridDim;
inline void __syncthreads() { EmulatedBlock::Wait(); }
inline float rsqrtf(float value) { return 1 / std::sqrt(value); }
}  // namespace norm_kernels
}  // namespace roost::trainer

#include "trainer/cuda/norm_kernels.cuh"

namespace roost::trainer {
namespace norm_kernels {

inline float ToFloat(Float16 value) { return c10::Half(value.bits, c10::Half::from_bits()); }
inline float ToFloat(BFloat16 value) {
  return c10::BFloat16(value.bits, c10::BFloat16::from_bits());
}
inline void Round(float wide, Float16& to) { to.bits = c10::Half(wide).x; }
inline void Round(float wide, BFloat16& to) { to.bits = c10::BFloat16(wide).x; }

template <class T, int V>
void RunThread(std::size_t kernel, const void* arguments) {
  switch (kernel) {
    case kSumMoments:
      return SumMoments<T, V>(*static_cast<const SumMomentsArguments*>(arguments));
    case kFinishMoments:
      return FinishMoments<T>(*static_cast<const FinishMomentsArguments*>(arguments));
    case kMoveStatistics:
      return MoveStatistics(*static_cast<const MoveStatisticsArguments*>(arguments));
    case kApplyNorm:
      return ApplyNorm<T, V>(*static_cast<const ApplyNormArguments*>(arguments));
    case kSumGradients:
      return SumGradients<T, V>(*static_cast<const SumGradientsArguments*>(arguments));
    case kFinishGradients:
      return FinishGradients(*static_cast<const FinishGradientsArguments*>(arguments));
    case kApplyGradient:
      return ApplyGradient<T, V>(*static_cast<const ApplyGradientArguments*>(arguments));
    default:
      FAIL() << "no kernel " << kernel;
  }
}

}  // namespace norm_kernels

// Runs the kernels of NormProgram.
class EmulatedGpu : public KernelLauncher {
 public:
  explicit EmulatedGpu(int multiprocessors, bool backwards = false)
      : multiprocessors_(multiprocessors), backwards_(backwards) {
    block_.resumed = [](unsigned thread) { norm_kernels::threadIdx = {thread, 0}; };
  }

  int Multiprocessors() override { return multiprocessors_; }

  void Launch(const KernelSource& source, std::size_t kernel, const LaunchSize& size,
              const void* arguments) override {
    launched.push_back(source.kernels.at(kernel));
    vector = 0;
    const auto run = ThreadOf(source);
    ASSERT_LE(size.grid_y, 65535U);
    ASSERT_LE(size.threads, 1024U);
    const bool has_barriers =
        kernel != kMoveStatistics && kernel != kApplyNorm && kernel != kApplyGradient;
    norm_kernels::blockDim = {size.threads, 1};
    norm_kernels::gridDim = {size.grid_x, size.grid_y};
    const unsigned blocks = size.grid_x * size.grid_y;
    for (unsigned i = 0; i < blocks; ++i) {
      const unsigned block = backwards_ ? blocks - 1 - i : i;
      norm_kernels::blockIdx = {block % size.grid_x, block / size.grid_x};
      if (has_barriers) {
        block_.Run(size.threads, backwards_, [&](unsigned) { run(kernel, arguments); });
      } else {
        for (unsigned thread = 0; thread < size.threads; ++thread) {
          norm_kernels::threadIdx = {thread, 0};
          run(kernel, arguments);
        }
      }
    }
  }

  std::vector<std::string> launched;
  int vector = 0;  // of the last launch

 private:
  using Thread = void (*)(std::size_t, const void*);
  template <class T, int V>
  bool Is(const KernelSource& source, c10::ScalarType type, Thread& thread) {
    if (&source != &NormProgram(type, V)) return false;
    thread = &norm_kernels::RunThread<T, V>;
    vector = V;
    return true;
  }
  Thread ThreadOf(const KernelSource& source) {
    using norm_kernels::BFloat16;
    using norm_kernels::Float16;
    Thread thread = nullptr;
    const bool known =
        Is<float, 4>(source, c10::kFloat, thread) || Is<float, 1>(source, c10::kFloat, thread) ||
        Is<Float16, 8>(source, c10::kHalf, thread) || Is<Float16, 1>(source, c10::kHalf, thread) ||
        Is<BFloat16, 8>(source, c10::kBFloat16, thread) ||
        Is<BFloat16, 1>(source, c10::kBFloat16, thread);
    EXPECT_TRUE(known) << source.main.name;
    return thread;
  }

  const int multiprocessors_;
  const bool backwards_;
  EmulatedBlock block_;
};

}  // namespace roost::trainer
