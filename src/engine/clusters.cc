#include "engine/clusters.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace roost::engine {
namespace {

std::vector<NodeUse> UsesOf(const store::ComputeTarget& cluster) {
  std::vector<NodeUse> uses;
  for (const store::ComputeNode& node : cluster.nodes) {
    uses.push_back({!node.run_id.empty(), node.since});
  }
  return uses;
}

std::vector<store::ComputeNode>::iterator FindNode(store::ComputeTarget& cluster,
                                                   const std::string& id) {
  return std::find_if(cluster.nodes.begin(), cluster.nodes.end(),
                      [&](const store::ComputeNode& node) { return node.id == id; });
}

// The lowest names that are free.
std::vector<store::ComputeNode> NewNodes(store::ComputeTarget& cluster, int count, Micros now) {
  std::vector<store::ComputeNode> added;
  for (int number = 1; static_cast<int>(added.size()) < count; ++number) {
    std::string id = fmt::format("{}-{}", cluster.settings.name, number);
    if (FindNode(cluster, id) == cluster.nodes.end()) added.push_back({std::move(id), {}, now});
  }
  return added;
}

void SortById(std::vector<store::ComputeNode>& nodes) {
  std::sort(nodes.begin(), nodes.end(),
            [](const store::ComputeNode& a, const store::ComputeNode& b) {
              return a.id.size() != b.id.size() ? a.id.size() < b.id.size() : a.id < b.id;
            });
}

}  // namespace

Status Clusters::Load() {
  ROOST_ASSIGN(std::vector<store::ComputeTarget> targets, table_.List());
  clusters_.clear();
  for (store::ComputeTarget& target : targets) {
    std::string name = target.settings.name;
    clusters_.emplace(std::move(name), std::move(target));
  }
  return {};
}

const store::ComputeTarget* Clusters::Find(const std::string& name) const {
  const auto found = clusters_.find(name);
  return found == clusters_.end() ? nullptr : &found->second;
}

store::ComputeTarget* Clusters::FindMutable(const std::string& name) {
  const auto found = clusters_.find(name);
  return found == clusters_.end() ? nullptr : &found->second;
}

bool Clusters::Takes(const std::string& name) const {
  const store::ComputeTarget* cluster = Find(name);
  return cluster != nullptr && !cluster->deleting;
}

Status Clusters::Create(const spec::ClusterSettings& settings) {
  ROOST_ASSIGN(store::ComputeTarget made, table_.Create(settings));
  clusters_.insert_or_assign(settings.name, std::move(made));
  return {};
}

Status Clusters::Update(const spec::ClusterSettings& settings) {
  ROOST_ASSIGN(store::ComputeTarget changed, table_.Update(settings));
  Take(std::move(changed));
  return {};
}

Status Clusters::SetDeleting(const std::string& name) {
  ROOST_ASSIGN(store::ComputeTarget changed, table_.SetDeleting(name));
  Take(std::move(changed));
  return {};
}

// All but the nodes, whose rows may lag behind (Vacate).
void Clusters::Take(store::ComputeTarget changed) {
  store::ComputeTarget& cluster = clusters_.at(changed.settings.name);
  changed.nodes = std::move(cluster.nodes);
  cluster = std::move(changed);
}

Status Clusters::Remove(const std::string& name) {
  ROOST_TRY(table_.Remove(name));
  clusters_.erase(name);
  return {};
}

void Clusters::Rescale(const std::map<std::string, int>& waiting) {
  const Micros now = clock_.Now();
  for (auto& [name, cluster] : clusters_) {
    if (cluster.deleting) continue;
    const auto waits = waiting.find(name);
    const ScalePlan plan = PlanScale(cluster.settings, UsesOf(cluster),
                                     waits == waiting.end() ? 0 : waits->second, now);
    Status kept;
    if (plan.add > 0) kept = Grow(cluster, plan.add);
    if (!plan.remove.empty()) {
      std::vector<std::string> ids;
      for (const std::size_t index : plan.remove) ids.push_back(cluster.nodes[index].id);
      kept = table_.Resize(name, {}, ids, now);
      if (kept) {
        std::erase_if(cluster.nodes, [&](const store::ComputeNode& node) {
          return std::find(ids.begin(), ids.end(), node.id) != ids.end();
        });
        cluster.resized_at = now;
      }
    }
    if (!kept) LogWarning("step_put_off", {{"cluster", name}, {"why", kept.error().message}});
  }
}

Status Clusters::Grow(store::ComputeTarget& cluster, int count) {
  const Micros now = clock_.Now();
  const std::vector<store::ComputeNode> added = NewNodes(cluster, count, now);
  ROOST_TRY(table_.Resize(cluster.settings.name, added, {}, now));
  cluster.nodes.insert(cluster.nodes.end(), added.begin(), added.end());
  SortById(cluster.nodes);
  cluster.resized_at = now;
  return {};
}

NodePools Clusters::Pools() const {
  NodePools pools;
  for (const auto& [name, cluster] : clusters_) {
    if (cluster.deleting) continue;
    const auto busy =
        std::count_if(cluster.nodes.begin(), cluster.nodes.end(),
                      [](const store::ComputeNode& node) { return !node.run_id.empty(); });
    const int most = cluster.settings.max_nodes;
    pools[name] = {std::max(0, most - static_cast<int>(busy)), most};
  }
  return pools;
}

Status Clusters::Use(store::ComputeTarget& cluster, store::ComputeNode& node,
                     const std::string& run_id) {
  const store::ComputeNode used{node.id, run_id, clock_.Now()};
  ROOST_TRY(table_.SetUse(cluster.settings.name, used));
  node = used;
  return {};
}

Result<std::string> Clusters::Occupy(const std::string& name, const std::string& run_id) {
  store::ComputeTarget* cluster = FindMutable(name);
  if (cluster != nullptr) {
    for (store::ComputeNode& node : cluster->nodes) {
      if (!node.run_id.empty()) continue;
      ROOST_TRY(Use(*cluster, node, run_id));
      return node.id;
    }
  }
  return Fail(ErrorCode::kUnavailable, fmt::format("no node of {} is idle", name));
}

// The node is free from now on; a row that could not be written is made good by the next use, or by
// the next start, which sees that the run has no share.
void Clusters::Vacate(const std::string& name, const std::string& node_id) {
  store::ComputeTarget* cluster = FindMutable(name);
  if (cluster == nullptr) return;
  const auto node = FindNode(*cluster, node_id);
  if (node == cluster->nodes.end()) return;
  if (const Status kept = Use(*cluster, *node, {}); !kept) {
    LogWarning("node_use_not_kept", {{"node", node_id}, {"why", kept.error().message}});
    node->run_id.clear();
    node->since = clock_.Now();
  }
}

Result<std::string> Clusters::Reoccupy(const std::string& name, const std::string& run_id) {
  store::ComputeTarget* cluster = FindMutable(name);
  if (cluster == nullptr) return Fail(ErrorCode::kNotFound, fmt::format("{} is gone", name));
  for (const store::ComputeNode& node : cluster->nodes) {
    if (node.run_id == run_id) return node.id;
  }
  auto taken = Occupy(name, run_id);
  if (taken || taken.error().code != ErrorCode::kUnavailable) return taken;
  ROOST_TRY(Grow(*cluster, 1));
  return Occupy(name, run_id);
}

int TargetNodes(const store::ComputeTarget& cluster, int waiting, Micros now) {
  if (cluster.deleting) return 0;
  return PlanScale(cluster.settings, UsesOf(cluster), waiting, now).target;
}

}  // namespace roost::engine
