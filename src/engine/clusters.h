#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/cluster_policy.h"
#include "store/compute_targets.h"

namespace roost::engine {

// The clusters of this server and who has their nodes; owned by the engine, used on its loop alone.
// Every change is in the store first. Nodes are named <cluster>-1, <cluster>-2...
class Clusters {
 public:
  Clusters(store::ComputeTargets& table, Clock& clock) : table_(table), clock_(clock) {}

  Status Load();  // what an earlier server left

  const std::map<std::string, store::ComputeTarget>& all() const { return clusters_; }
  const store::ComputeTarget* Find(const std::string& name) const;  // nullptr: there is none
  // Whether new runs may go there.
  bool Takes(const std::string& name) const;

  Status Create(const spec::ClusterSettings& settings);
  // Requires: it is there.
  Status Update(const spec::ClusterSettings& settings);
  Status SetDeleting(const std::string& name);
  Status Remove(const std::string& name);

  // Nodes for what waits, by the cluster's name; none for those that were idle long enough. What
  // the store refuses is tried again the next time.
  void Rescale(const std::map<std::string, int>& waiting);
  NodePools Pools() const;

  // A run takes an idle node and gives it back. kUnavailable: there is none now.
  Result<std::string> Occupy(const std::string& name, const std::string& run_id);
  void Vacate(const std::string& name, const std::string& node_id);
  // The node that the run has from before a restart; one is made when that was lost.
  Result<std::string> Reoccupy(const std::string& name, const std::string& run_id);

 private:
  void Take(store::ComputeTarget changed);
  store::ComputeTarget* FindMutable(const std::string& name);
  Status Use(store::ComputeTarget& cluster, store::ComputeNode& node, const std::string& run_id);
  Status Grow(store::ComputeTarget& cluster, int count);

  store::ComputeTargets& table_;
  Clock& clock_;
  std::map<std::string, store::ComputeTarget> clusters_;
};

// How many nodes the cluster is on its way to have.
int TargetNodes(const store::ComputeTarget& cluster, int waiting, Micros now);

}  // namespace roost::engine
