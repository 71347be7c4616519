#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launch/cgroup.h"

namespace roost::launch {

// What control groups leave of the machine: the least of a group and all above it. nullopt where
// nothing limits.

// Cores behind "200000 100000", the content of cgroup v2's cpu.max.
std::optional<double> ParseCpuMax(const std::string& text);
std::optional<double> CpuQuota(const OwnGroups& own);
std::optional<std::int64_t> MemoryLimitBytes(const OwnGroups& own);

}  // namespace roost::launch
