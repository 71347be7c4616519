#include <c10/util/Exception.h>

#include "trainer/cuda/run_time_kernels.h"

namespace roost::trainer {

CompiledKernels CompileKernels(const KernelSource& source, const std::string&) {
  TORCH_CHECK(false, "The kernels of ", source.main.name,
              " cannot be compiled: roost-trainer was built without CUDA.");
}

KernelLauncher* GpuKernels() { return nullptr; }

}  // namespace roost::trainer
