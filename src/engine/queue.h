#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "launch/machine.h"
#include "spec/run_definition.h"

namespace roost::engine {

// The queue's policy: pure functions over what waits and what is free.
//
// Runs start in the order of their submission. A run that does not fit blocks every kind of
// resource that it asks for: of a kind that it is short of, nothing is left for later runs; of the
// others, what it asks for is set aside. So a later run overtakes only with resources that the
// earlier one does not need, and can never delay it.
//
// A run on a cluster takes one of its nodes and, of the machine, what that node has. While all
// nodes are busy, it sets no CPUs and GPUs aside: the node that it gets brings the share of the run
// before.

// An amount of each kind of resource. CPUs are counted in thousandths, so fractions add up exactly.
struct Capacity {
  std::int64_t cpu_millis = 0;
  std::int64_t memory_mb = 0;
  std::vector<int> gpus;  // indices, ascending
  bool operator==(const Capacity&) const = default;
};
Capacity CapacityOf(const launch::MachineResources& machine);
std::int64_t CpuMillis(double cpus);

// Takes a run's share away from `free` and gives the indices of its GPUs. Requires: it fits.
std::vector<int> TakeShare(const spec::Resources& ask, Capacity& free);
// The same for a run that holds certain GPUs already (after a restart).
void TakeShare(const spec::Resources& ask, const std::vector<int>& gpus, Capacity& free);
void GiveBackShare(const spec::Resources& ask, const std::vector<int>& gpus, Capacity& free);

// Nodes of one cluster; those that it may still make count as free.
struct NodePool {
  int free = 0;
  int total = 0;
};
using NodePools = std::map<std::string, NodePool>;  // by the cluster's name

struct WaitingRun {
  RunKey key;
  spec::Resources ask;
  std::string cluster = {};  // a node of which it needs; empty: none
};

struct QueueDecision {
  RunKey key;
  bool start = false;
  std::string reason;  // of a run that goes on waiting: "Waiting for 2 CPUs (1 of 2 free)"
};

// One decision for each waiting run, in the given order. With a `pause_reason` nothing starts and
// all wait for that reason. A cluster that is not in `pools` has no nodes.
std::vector<QueueDecision> PlanQueue(const Capacity& total, Capacity free,
                                     const std::vector<WaitingRun>& waiting,
                                     std::string_view pause_reason, const NodePools& pools = {});

// What a run asks for beyond what the machine has at all; such a run would wait for ever, so it is
// refused at submit.
std::vector<Problem> CheckFitsMachine(const spec::Resources& ask, const Capacity& total);

}  // namespace roost::engine
