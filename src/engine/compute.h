#pragma once

#include <string>
#include <vector>

#include "engine/cluster_policy.h"
#include "store/compute_targets.h"

namespace roost::engine {

// A compute target as clients see it: `local`, or a cluster.
struct ComputeView {
  store::ComputeTarget target;  // of `local`: the name, one node, no times
  bool is_local = false;
  spec::Resources node;    // what one node really has
  spec::Resources wanted;  // what its size promises
  int target_nodes = 0;
  int waiting_runs = 0;
  std::vector<std::string> warnings;
};

}  // namespace roost::engine
