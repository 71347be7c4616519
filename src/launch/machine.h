#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace roost::launch {

struct Gpu {
  int index = 0;
  std::string name;
  std::int64_t memory_mb = 0;
};

// What this machine has for runs: cores that this process may use (affinity and cgroup quota),
// memory, and NVIDIA GPUs as NVML reports them (loaded at run time; none where it is missing).
struct MachineResources {
  double cpus = 1;
  std::int64_t memory_mb = 0;
  std::vector<Gpu> gpus;
};
MachineResources ReadMachineResources();

}  // namespace roost::launch
