#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nvrtc.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "trainer/cuda/run_time_kernels.h"

namespace roost::trainer {
namespace {

void CheckCompiler(nvrtcResult result, const KernelSource& source) {
  TORCH_CHECK(result == NVRTC_SUCCESS, "The kernels of ", source.main.name,
              " cannot be compiled: ", nvrtcGetErrorString(result), ".");
}

void CheckCuda(cudaError_t result, const char* what, const std::string& name) {
  if (result == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // told here, so not again by whoever asks next
  TORCH_CHECK(false, what, " ", name, ": ", cudaGetErrorString(result), " (",
              cudaGetErrorName(result), ").");
}

struct DestroyProgram {
  void operator()(nvrtcProgram program) const { nvrtcDestroyProgram(&program); }
};
using Program = std::unique_ptr<std::remove_pointer_t<nvrtcProgram>, DestroyProgram>;

Program MakeProgram(const KernelSource& source) {
  std::vector<const char*> names;
  std::vector<const char*> texts;
  for (const KernelSource::File& file : source.included) {
    names.push_back(file.name.c_str());
    texts.push_back(file.text.c_str());
  }
  nvrtcProgram program = nullptr;
  CheckCompiler(nvrtcCreateProgram(&program, source.main.text.c_str(), source.main.name.c_str(),
                                   static_cast<int>(names.size()), texts.data(), names.data()),
                source);
  return Program(program);
}

std::string LogOf(const Program& program, const KernelSource& source) {
  std::size_t size = 0;
  CheckCompiler(nvrtcGetProgramLogSize(program.get(), &size), source);
  std::string log(size, '\0');
  if (size > 0) CheckCompiler(nvrtcGetProgramLog(program.get(), log.data()), source);
  while (!log.empty() && (log.back() == '\0' || log.back() == '\n')) log.pop_back();
  return log;
}

// NVRTC looks for its other half by name alone, and PyTorch's packages lie in no folder that is
// searched: what is loaded already is found. Where there is none beside it, it goes on to look.
void LoadBuiltins(const KernelSource& source) {
  int major = 0;
  int minor = 0;
  CheckCompiler(nvrtcVersion(&major, &minor), source);
  Dl_info compiler{};
  if (dladdr(reinterpret_cast<const void*>(&nvrtcVersion), &compiler) == 0) return;
  const std::string path = compiler.dli_fname;
  const std::string builtins = path.substr(0, path.rfind('/') + 1) + "libnvrtc-builtins.so." +
                               std::to_string(major) + "." + std::to_string(minor);
  static_cast<void>(dlopen(builtins.c_str(), RTLD_NOW | RTLD_GLOBAL));  // for good
}

// "sm_90" makes machine code of that GPU, "compute_90" a program that the driver translates.
CompiledKernels Compile(const KernelSource& source, const std::string& architecture) {
  LoadBuiltins(source);
  const Program program = MakeProgram(source);
  std::vector<std::string> options = source.options;
  options.push_back("--std=c++17");
  options.push_back("--gpu-architecture=" + architecture);
  std::vector<const char*> arguments;
  for (const std::string& option : options) arguments.push_back(option.c_str());
  const nvrtcResult result =
      nvrtcCompileProgram(program.get(), static_cast<int>(arguments.size()), arguments.data());
  CompiledKernels compiled{.code = {}, .log = LogOf(program, source)};
  TORCH_CHECK(result == NVRTC_SUCCESS, "The kernels of ", source.main.name,
              " cannot be compiled for ", architecture, ": ", nvrtcGetErrorString(result), "\n",
              compiled.log);
  const bool machine_code = architecture.starts_with("sm_");
  std::size_t size = 0;
  CheckCompiler(machine_code ? nvrtcGetCUBINSize(program.get(), &size)
                             : nvrtcGetPTXSize(program.get(), &size),
                source);
  compiled.code.resize(size);
  CheckCompiler(machine_code ? nvrtcGetCUBIN(program.get(), compiled.code.data())
                             : nvrtcGetPTX(program.get(), compiled.code.data()),
                source);
  return compiled;
}

int Attribute(cudaDeviceAttr attribute, int device) {
  int value = 0;
  CheckCuda(cudaDeviceGetAttribute(&value, attribute, device), "Cannot ask about",
            "GPU " + std::to_string(device));
  return value;
}

// A GPU that is newer than the compiler gets the newest that the compiler knows, as a program.
std::string ArchitectureOf(int device, const KernelSource& source) {
  int count = 0;
  CheckCompiler(nvrtcGetNumSupportedArchs(&count), source);
  std::vector<int> known(static_cast<std::size_t>(count));
  CheckCompiler(nvrtcGetSupportedArchs(known.data()), source);
  const int wanted = 10 * Attribute(cudaDevAttrComputeCapabilityMajor, device) +
                     Attribute(cudaDevAttrComputeCapabilityMinor, device);
  if (std::find(known.begin(), known.end(), wanted) != known.end()) {
    return "sm_" + std::to_string(wanted);
  }
  int best = 0;
  for (const int architecture : known) {
    if (architecture < wanted) best = std::max(best, architecture);
  }
  TORCH_CHECK(best > 0, "The kernels of ", source.main.name, " cannot be compiled for GPU ", device,
              ": this CUDA knows none as old as that.");
  return "compute_" + std::to_string(best);
}

// The kernels of one source on one device; stays loaded.
class LoadedKernels {
 public:
  LoadedKernels(const KernelSource& source, int device) : source_(source) {
    const CompiledKernels compiled = Compile(source, ArchitectureOf(device, source));
    cudaLibrary_t library = nullptr;
    CheckCuda(cudaLibraryLoadData(&library, compiled.code.data(), nullptr, nullptr, 0, nullptr,
                                  nullptr, 0),
              "Cannot load the kernels of", source.main.name);
    for (const std::string& name : source.kernels) {
      cudaKernel_t kernel = nullptr;
      CheckCuda(cudaLibraryGetKernel(&kernel, library, name.c_str()), "Cannot find the kernel",
                name);
      // Brings it onto the device now: else the first launch would, perhaps inside of a capture.
      cudaFuncAttributes attributes{};
      CheckCuda(cudaFuncGetAttributes(&attributes, static_cast<const void*>(kernel)),
                "Cannot load the kernel", name);
      kernels_.push_back(kernel);
    }
  }

  void Launch(std::size_t kernel, const LaunchSize& size, const void* arguments) const {
    // CUDA reads the parameters only.
    void* parameters[] = {const_cast<void*>(arguments)};
    CheckCuda(cudaLaunchKernel(static_cast<const void*>(kernels_.at(kernel)),
                               dim3(size.grid_x, size.grid_y), dim3(size.threads), parameters,
                               /*sharedMem=*/0, c10::cuda::getCurrentCUDAStream().stream()),
              "Cannot launch the kernel", source_.kernels.at(kernel));
  }

 private:
  const KernelSource& source_;
  std::vector<cudaKernel_t> kernels_;
};

class CudaLauncher : public KernelLauncher {
 public:
  int Multiprocessors() override {
    const int device = c10::cuda::current_device();
    const std::lock_guard lock(mutex_);
    int& count = multiprocessors_[device];
    if (count == 0) count = Attribute(cudaDevAttrMultiProcessorCount, device);
    return count;
  }

  void Launch(const KernelSource& source, std::size_t kernel, const LaunchSize& size,
              const void* arguments) override {
    Loaded(source).Launch(kernel, size, arguments);
  }

 private:
  const LoadedKernels& Loaded(const KernelSource& source) {
    const std::pair<const KernelSource*, int> key(&source, c10::cuda::current_device());
    const std::lock_guard lock(mutex_);
    std::unique_ptr<LoadedKernels>& loaded = loaded_[key];
    if (!loaded) loaded = std::make_unique<LoadedKernels>(source, key.second);
    return *loaded;
  }

  std::mutex mutex_;                    // guards both
  std::map<int, int> multiprocessors_;  // by device
  std::map<std::pair<const KernelSource*, int>, std::unique_ptr<LoadedKernels>> loaded_;
};

}  // namespace

CompiledKernels CompileKernels(const KernelSource& source, const std::string& architecture) {
  return Compile(source, architecture);
}

KernelLauncher* GpuKernels() {
  // Never destroyed: at the end of the process CUDA may be gone before it.
  static KernelLauncher* const launcher = new CudaLauncher();
  return launcher;
}

}  // namespace roost::trainer
