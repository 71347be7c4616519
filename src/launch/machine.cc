#include "launch/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <optional>
#include <sstream>

#include "launch/cgroup.h"
#include "launch/machine_limits.h"
#include "launch/nvml.h"
#include "launch/proc.h"

namespace roost::launch {
namespace {

std::optional<std::int64_t> ReadNumber(const std::string& path) {
  const std::string text = ReadSmallFile(path);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;  // "max", or no such file
  return number;
}

// The smallest limit among `folder` and the groups above it: each of them binds.
template <class Value>
std::optional<Value> Smallest(std::string folder,
                              const std::function<std::optional<Value>(const std::string&)>& read) {
  std::optional<Value> smallest;
  while (folder.size() > 1 && access((folder + "/cgroup.procs").c_str(), F_OK) == 0) {
    if (const std::optional<Value> limit = read(folder)) {
      smallest = std::min(smallest.value_or(*limit), *limit);
    }
    folder.resize(folder.rfind('/'));
  }
  return smallest;
}

double UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<double>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace

std::optional<double> ParseCpuMax(const std::string& text) {
  std::istringstream words(text);
  double quota = 0;
  double period = 0;
  if (!(words >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<double> CpuQuota(const OwnGroups& own) {
  const std::optional<double> unified = Smallest<double>(own.unified, [](const std::string& group) {
    return ParseCpuMax(ReadSmallFile(group + "/cpu.max"));
  });
  if (unified) return unified;
  return Smallest<double>(own.cpu, [](const std::string& group) -> std::optional<double> {
    const auto quota = ReadNumber(group + "/cpu.cfs_quota_us");
    const auto period = ReadNumber(group + "/cpu.cfs_period_us");
    if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
    return static_cast<double>(*quota) / static_cast<double>(*period);
  });
}

std::optional<std::int64_t> MemoryLimitBytes(const OwnGroups& own) {
  const std::optional<std::int64_t> unified = Smallest<std::int64_t>(
      own.unified, [](const std::string& group) { return ReadNumber(group + "/memory.max"); });
  if (unified) return unified;
  return Smallest<std::int64_t>(own.memory, [](const std::string& group) {
    return ReadNumber(group + "/memory.limit_in_bytes");
  });
}

MachineResources ReadMachineResources() {
  const OwnGroups own = FindOwnGroups();
  MachineResources machine;
  machine.cpus = UsableCores();
  if (const auto quota = CpuQuota(own)) machine.cpus = std::min(machine.cpus, *quota);
  machine.memory_mb = NumberAfter(ReadSmallFile("/proc/meminfo"), "MemTotal:") / 1024;
  if (const auto limit = MemoryLimitBytes(own)) {
    machine.memory_mb = std::min(machine.memory_mb, *limit / (1024 * 1024));
  }
  machine.gpus = ReadGpus("libnvidia-ml.so.1");
  return machine;
}

}  // namespace roost::launch
