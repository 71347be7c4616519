#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "spec/vm_sizes.h"

namespace roost::spec {

// The target that is always there: the whole machine.
inline constexpr std::string_view kLocalTarget = "local";

enum class VmPriority { kDedicated, kLowPriority };
std::string_view ToString(VmPriority priority);  // "lowpriority"
std::optional<VmPriority> ParseVmPriority(std::string_view text);

// What a user asks for when making a cluster. `size` is copied out of the table of sizes, so that a
// cluster stays what it was when the operator edits the table.
struct ClusterSettings {
  std::string name;
  VmSize size;
  VmPriority priority = VmPriority::kDedicated;
  int min_nodes = 0;
  int max_nodes = 0;  // at least min_nodes
  std::int64_t idle_seconds = 1800;
  std::string description;
  std::map<std::string, std::string> tags;
  bool operator==(const ClusterSettings&) const = default;
};

// The body of POST /compute: {"name", "vm_size", "vm_priority", "min_nodes", "max_nodes",
// "idle_seconds_before_scaledown", "description", "tags"}. All problems are reported at once.
Result<ClusterSettings> ParseCluster(const nlohmann::json& body, const std::vector<VmSize>& sizes);

// The body of PATCH /compute/{name}; what is left out stays.
struct ClusterChange {
  std::optional<int> min_nodes;
  std::optional<int> max_nodes;
  std::optional<std::int64_t> idle_seconds;
  std::optional<std::string> description;
  std::map<std::string, std::optional<std::string>> tags;  // no value: the tag is removed
};
Result<ClusterChange> ParseClusterChange(const nlohmann::json& body);
Result<ClusterSettings> Changed(ClusterSettings settings, const ClusterChange& change);

// Names of the settings in which the two differ, as on the wire.
std::vector<std::string> Differences(const ClusterSettings& a, const ClusterSettings& b);

inline constexpr int kMaxClusterNodes = 1000;
inline constexpr std::int64_t kMaxIdleSeconds = 315'360'000;  // ten years

// 2 to 24 letters, digits and '-', first a letter, last a letter or digit; no reserved name.
Status CheckClusterName(std::string_view name);

}  // namespace roost::spec
