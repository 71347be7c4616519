#include "launch/nvml.h"

#include <dlfcn.h>

#include <array>

namespace roost::launch {
namespace {

// The few parts of NVML's binary interface that are used, so that neither its header nor its
// library is needed to build or to run without a GPU. Functions return 0 for success.
using Device = void*;
struct MemoryInfo {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
using InitFunction = int (*)();
using ShutdownFunction = int (*)();
using CountFunction = int (*)(unsigned*);
using HandleFunction = int (*)(unsigned, Device*);
using NameFunction = int (*)(Device, char*, unsigned);
using MemoryFunction = int (*)(Device, MemoryInfo*);

struct Nvml {
  InitFunction init;
  ShutdownFunction shutdown;
  CountFunction count;
  HandleFunction handle;
  NameFunction name;
  MemoryFunction memory;
};

template <class Function>
bool Load(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

bool LoadAll(void* library, Nvml& nvml) {
  return Load(library, "nvmlInit_v2", nvml.init) && Load(library, "nvmlShutdown", nvml.shutdown) &&
         Load(library, "nvmlDeviceGetCount_v2", nvml.count) &&
         Load(library, "nvmlDeviceGetHandleByIndex_v2", nvml.handle) &&
         Load(library, "nvmlDeviceGetName", nvml.name) &&
         Load(library, "nvmlDeviceGetMemoryInfo", nvml.memory);
}

std::vector<Gpu> ReadDevices(const Nvml& nvml) {
  std::vector<Gpu> gpus;
  unsigned count = 0;
  if (nvml.count(&count) != 0) return gpus;
  for (unsigned index = 0; index < count; ++index) {
    Device device = nullptr;
    // A device that this user may not use, or one that fell off the bus.
    if (nvml.handle(index, &device) != 0) continue;
    Gpu gpu;
    gpu.index = static_cast<int>(index);
    std::array<char, 96> name{};
    if (nvml.name(device, name.data(), static_cast<unsigned>(name.size())) == 0) {
      gpu.name = name.data();
    }
    MemoryInfo memory{};
    if (nvml.memory(device, &memory) == 0) {
      gpu.memory_mb = static_cast<std::int64_t>(memory.total / (1024 * 1024));
    }
    gpus.push_back(gpu);
  }
  return gpus;
}

}  // namespace

std::vector<Gpu> ReadGpus(const std::string& library_name) {
  void* library = dlopen(library_name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  std::vector<Gpu> gpus;
  Nvml nvml{};
  if (LoadAll(library, nvml) && nvml.init() == 0) {
    gpus = ReadDevices(nvml);
    nvml.shutdown();
  }
  dlclose(library);
  return gpus;
}

}  // namespace roost::launch
