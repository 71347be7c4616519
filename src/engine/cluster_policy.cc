#include "engine/cluster_policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace roost::engine {
namespace {

std::string Gpus(int count) { return fmt::format("{} {}", count, count == 1 ? "GPU" : "GPUs"); }

std::string Memory(std::int64_t megabytes) {
  return FormatBytes(static_cast<std::uint64_t>(std::max<std::int64_t>(megabytes, 0)) << 20);
}

// "STANDARD_NC6 promises 1 GPU; this machine has none"; empty: they are there.
std::string MissingGpusOf(const spec::ClusterSettings& cluster, const Capacity& machine) {
  const int there = static_cast<int>(machine.gpus.size());
  if (cluster.size.gpus <= there) return {};
  return fmt::format("{} promises {}; this machine has {}", cluster.size.name,
                     Gpus(cluster.size.gpus), there == 0 ? "none" : std::to_string(there));
}

}  // namespace

std::string_view ToString(MissingGpus missing) {
  return missing == MissingGpus::kRefuse ? "require" : "substitute";
}

spec::Resources NodeOf(const spec::ClusterSettings& cluster, const Capacity& machine) {
  const std::int64_t nodes = std::max(1, cluster.max_nodes);
  spec::Resources node;
  const std::int64_t share = std::max<std::int64_t>(1, machine.cpu_millis / nodes);
  node.cpus = static_cast<double>(std::min(CpuMillis(cluster.size.cpus), share)) / 1000.0;
  node.gpus = std::min(cluster.size.gpus, static_cast<int>(machine.gpus.size()));
  node.memory_mb = std::min(cluster.size.memory_mb, machine.memory_mb / nodes);
  return node;
}

std::string GpuSubstitution(const spec::ClusterSettings& cluster, const Capacity& machine) {
  const std::string missing = MissingGpusOf(cluster, machine);
  if (missing.empty()) return {};
  if (machine.gpus.empty()) return missing + ", so the run has CPUs only";
  return fmt::format("{}, so the run has {}", missing, Gpus(static_cast<int>(machine.gpus.size())));
}

std::vector<std::string> WarningsOf(const spec::ClusterSettings& cluster, const Capacity& machine,
                                    MissingGpus missing) {
  std::vector<std::string> warnings;
  if (const std::string gpus = MissingGpusOf(cluster, machine); !gpus.empty()) {
    warnings.push_back(missing == MissingGpus::kRefuse
                           ? gpus +
                                 ", and the server was started with --gpu require, so runs are "
                                 "refused"
                           : gpus + (machine.gpus.empty() ? ", so runs have CPUs only"
                                                          : ", so runs have no more"));
  }
  const spec::Resources node = NodeOf(cluster, machine);
  if (CpuMillis(node.cpus) < CpuMillis(cluster.size.cpus) ||
      node.memory_mb < cluster.size.memory_mb) {
    warnings.push_back(
        fmt::format("{} promises {} CPUs and {} of memory; with max_nodes {} a node of this "
                    "machine has {:g} and {}",
                    cluster.size.name, cluster.size.cpus, Memory(cluster.size.memory_mb),
                    cluster.max_nodes, node.cpus, Memory(node.memory_mb)));
  }
  if (cluster.priority == spec::VmPriority::kLowPriority) {
    warnings.push_back("lowpriority is the same as dedicated here: no node is ever taken away");
  }
  return warnings;
}

void FitToCluster(const spec::ClusterSettings& cluster, const Capacity& machine,
                  MissingGpus missing, spec::RunDefinition* run, std::vector<Problem>* problems) {
  const spec::VmSize& size = cluster.size;
  const spec::Resources ask = run->resources;
  const auto too_much = [&](const char* field, const std::string& asked, const std::string& has) {
    problems->push_back({field, fmt::format("the run asks for {}; a node of '{}' ({}) has {}",
                                            asked, cluster.name, size.name, has)});
  };
  if (CpuMillis(ask.cpus) > CpuMillis(size.cpus)) {
    too_much("resources.cpus", fmt::format("{:g} CPUs", ask.cpus), std::to_string(size.cpus));
  }
  if (ask.gpus > size.gpus) {
    too_much("resources.gpus", Gpus(ask.gpus), size.gpus == 0 ? "none" : std::to_string(size.gpus));
  }
  if (ask.memory_mb > size.memory_mb) {
    too_much("resources.memory_mb", Memory(ask.memory_mb), Memory(size.memory_mb));
  }
  if (cluster.max_nodes == 0) {
    problems->push_back({"compute_target.max_nodes",
                         fmt::format("'{0}' has at most 0 nodes, so the run would wait for ever; "
                                     "allow some: roost compute update {0} --max-nodes 1",
                                     cluster.name)});
  }
  const std::string substitution = GpuSubstitution(cluster, machine);
  if (!substitution.empty() && missing == MissingGpus::kRefuse) {
    problems->push_back(
        {"resources.gpus",
         MissingGpusOf(cluster, machine) +
             ", and the server was started with --gpu require; choose a target with another size"});
  }
  const spec::Resources node = NodeOf(cluster, machine);
  run->resources.cpus = node.cpus;
  run->resources.gpus = node.gpus;
  if (!substitution.empty()) run->properties[kGpuSubstitutionProperty] = substitution;
}

ScalePlan PlanScale(const spec::ClusterSettings& cluster, const std::vector<NodeUse>& nodes,
                    int waiting, Micros now) {
  std::vector<std::size_t> idle;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].busy) idle.push_back(i);
  }
  const int current = static_cast<int>(nodes.size());
  const int busy = current - static_cast<int>(idle.size());
  const int needed = std::clamp(busy + waiting, cluster.min_nodes, cluster.max_nodes);
  ScalePlan plan;
  if (current < needed) {
    plan.add = needed - current;
    plan.target = needed;
    return plan;
  }
  std::sort(idle.begin(), idle.end(), [&](std::size_t a, std::size_t b) {
    return nodes[a].since != nodes[b].since ? nodes[a].since < nodes[b].since : a > b;
  });
  int left = current;
  for (const std::size_t node : idle) {
    if (left <= needed) break;
    const bool idle_enough = now - nodes[node].since >= cluster.idle_seconds * 1'000'000;
    if (left <= cluster.max_nodes && !idle_enough) break;
    plan.remove.push_back(node);
    --left;
  }
  plan.target = std::min(left, cluster.max_nodes);
  return plan;
}

}  // namespace roost::engine
