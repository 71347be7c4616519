#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace roost::trainer {

// Kernels in CUDA C++ that are compiled when they are first needed, for the GPU that is there: the
// program carries their text, not machine code for every GPU.
//
// Requires: lives, with its texts, as long as the process; it is known by its address.
struct KernelSource {
  struct File {
    std::string name, text;
  };
  File main;
  std::vector<File> included;        // found by #include "name"
  std::vector<std::string> options;  // of NVRTC, such as "-DWIDTH=4"
  std::vector<std::string> kernels;  // extern "C"; launched by their place in this list
};

struct CompiledKernels {
  std::string code;  // a cubin
  std::string log;   // the compiler's warnings
};
// For an architecture such as "sm_90"; needs no GPU. Throws c10::Error with the compiler's log, or
// where the trainer was built without CUDA.
CompiledKernels CompileKernels(const KernelSource& source, const std::string& architecture);

struct LaunchSize {
  unsigned grid_x = 1, grid_y = 1, threads = 1;
};

// What launches kernels: a GPU, or in tests what stands for one. Errors are thrown as c10::Error
// that names the kernel.
class KernelLauncher {
 public:
  virtual ~KernelLauncher() = default;
  // Of the current device.
  virtual int Multiprocessors() = 0;
  // In the order of the current stream of the current device. `arguments` is the kernel's one
  // parameter, which is copied. The first launch of a source on a device compiles and loads all of
  // it, so it has to come before a graph is captured; later ones only launch.
  virtual void Launch(const KernelSource& source, std::size_t kernel, const LaunchSize& size,
                      const void* arguments) = 0;
};

// torch's current CUDA device; from any thread. Null where the trainer was built without CUDA.
KernelLauncher* GpuKernels();

}  // namespace roost::trainer
