#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace roost::cli {

// What several runs have in common and where they differ.
struct ComparisonRow {
  std::string name;                 // "tags.team", "metrics.loss", "argument --lr"
  std::vector<std::string> values;  // one for each run; "" where it has none
  bool differs = false;
};
// Status, duration and what was run, arguments, tags, properties and metrics, in this order.
std::vector<ComparisonRow> CompareRuns(const std::vector<nlohmann::json>& runs);

}  // namespace roost::cli
