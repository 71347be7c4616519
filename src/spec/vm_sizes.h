#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace roost::spec {

// What a node of a size has where such machines are rented. Memory is in MiB.
struct VmSize {
  std::string name;  // "STANDARD_NC6"; upper or lower case means the same
  int cpus = 1;
  int gpus = 0;
  std::int64_t memory_mb = 0;
  bool operator==(const VmSize&) const = default;
};

inline constexpr std::string_view kDefaultVmSize = "STANDARD_NC6";

// Azure's common sizes, by name.
std::vector<VmSize> ShippedVmSizes();

// The shipped table with the rows of an operator's file, {"items": [{"name", "cpus", "gpus",
// "memory_mb"}]}, added or put in the place of those with the same name. What GET /compute-sizes
// answers can be read. All problems are reported at once.
Result<std::vector<VmSize>> ParseVmSizes(const nlohmann::json& body);

// "" is kDefaultVmSize; nullptr: there is none of that name.
const VmSize* FindVmSize(const std::vector<VmSize>& sizes, std::string_view name);

}  // namespace roost::spec
