#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/queue.h"
#include "spec/compute_target.h"
#include "spec/run_definition.h"

namespace roost::engine {

// What clusters have and how they grow and shrink: pure functions.
//
// A node is a slot of this machine. It holds nothing of the machine while it is idle; the run that
// has it takes the node's CPUs and GPUs out of the same capacity as local runs.

// What one node has here: the size's CPUs, but no more than lets max_nodes nodes work side by side
// on `machine`; the size's GPUs as far as the machine has them; a fair share of the memory.
spec::Resources NodeOf(const spec::ClusterSettings& cluster, const Capacity& machine);

// Whether a size's GPUs may be missing: the run is told and has CPUs only, or it is refused.
enum class MissingGpus { kSubstitute, kRefuse };

// As `roost serve --gpu` takes it and `GET /server` tells it: "substitute" or "require".
std::string_view ToString(MissingGpus missing);

// "STANDARD_NC6 promises 1 GPU; this machine has none, so the run has CPUs only"; empty when the
// machine has what the size promises.
std::string GpuSubstitution(const spec::ClusterSettings& cluster, const Capacity& machine);

// Sentences on where a node is less than its size promises, or a setting means nothing here.
std::vector<std::string> WarningsOf(const spec::ClusterSettings& cluster, const Capacity& machine,
                                    MissingGpus missing);

// A run's property that holds GpuSubstitution.
inline constexpr const char* kGpuSubstitutionProperty = "roost.gpu_substitution";

// Puts a run on a node of `cluster`: checks what it asks for against what the size promises, and
// gives it the whole node, with the property where GPUs are missing. The problems go to the list.
void FitToCluster(const spec::ClusterSettings& cluster, const Capacity& machine,
                  MissingGpus missing, spec::RunDefinition* run, std::vector<Problem>* problems);

struct NodeUse {
  bool busy = false;
  Micros since = 0;
};

struct ScalePlan {
  int add = 0;
  std::vector<std::size_t> remove;  // indices of idle nodes
  int target = 0;                   // nodes when all of it has come about
};

// Up at once, to what is busy and what waits; down to the same as soon as nodes were idle for the
// cluster's time, the longest idle first. Never less than min_nodes; nodes beyond max_nodes go when
// they are idle.
ScalePlan PlanScale(const spec::ClusterSettings& cluster, const std::vector<NodeUse>& nodes,
                    int waiting, Micros now);

}  // namespace roost::engine
