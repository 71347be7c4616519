#include "engine/queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace roost::engine {
namespace {

std::string Number(std::int64_t millis) {
  return fmt::format("{:g}", static_cast<double>(millis) / 1000.0);
}

std::string Cpus(std::int64_t millis) {
  return fmt::format("{} {}", Number(millis), millis == 1000 ? "CPU" : "CPUs");
}

std::string Gpus(int count) { return fmt::format("{} {}", count, count == 1 ? "GPU" : "GPUs"); }

std::string Memory(std::int64_t megabytes) {
  return FormatBytes(static_cast<std::uint64_t>(std::max<std::int64_t>(megabytes, 0)) << 20);
}

// How much of one kind there is, seen by the plan: what is really free, and what earlier waiting
// runs have left of it.
struct Kind {
  std::int64_t ask = 0;
  std::int64_t* left;
  bool* reserved;
  std::string wanted;  // "2 CPUs"
  std::string detail;  // "2 CPUs (1 of 2 free)"
  bool Short() const { return ask > *left; }
};

struct NodesLeft {
  int left = 0;  // not taken by a run, and not set aside for one
  int free = 0;  // not taken by a run
  int total = 0;
  bool reserved = false;
};

struct Remainder {
  std::int64_t cpu_millis, memory_mb, gpus;
  bool cpu_reserved = false, memory_reserved = false, gpu_reserved = false;
  std::map<std::string, NodesLeft> nodes = {};
};

std::vector<Kind> KindsOf(const spec::Resources& ask, const Capacity& total, const Capacity& free,
                          Remainder& left) {
  std::vector<Kind> kinds;
  const std::int64_t millis = CpuMillis(ask.cpus);
  kinds.push_back({millis, &left.cpu_millis, &left.cpu_reserved, Cpus(millis),
                   fmt::format("{} ({} of {} free)", Cpus(millis), Number(free.cpu_millis),
                               Number(total.cpu_millis))});
  if (ask.gpus > 0) {
    kinds.push_back(
        {ask.gpus, &left.gpus, &left.gpu_reserved, Gpus(ask.gpus),
         fmt::format("{} ({} of {} free)", Gpus(ask.gpus), free.gpus.size(), total.gpus.size())});
  }
  if (ask.memory_mb > 0) {
    const std::string wanted = Memory(ask.memory_mb) + " of memory";
    kinds.push_back({ask.memory_mb, &left.memory_mb, &left.memory_reserved, wanted,
                     fmt::format("{} ({} of {} free)", wanted, Memory(free.memory_mb),
                                 Memory(total.memory_mb))});
  }
  return kinds;
}

// Behind an earlier run the sentence has no numbers that change: otherwise every start would
// rewrite the reason of the whole queue.
std::string WaitingReason(const std::vector<Kind>& kinds) {
  std::vector<std::string> details;
  std::vector<std::string> behind;
  for (const Kind& kind : kinds) {
    if (!kind.Short()) continue;
    (*kind.reserved ? behind : details).push_back(*kind.reserved ? kind.wanted : kind.detail);
  }
  if (!behind.empty()) return "Waiting behind earlier runs for " + Join(behind, " and ");
  return "Waiting for " + Join(details, " and ");
}

// All nodes of its cluster are busy. Memory is no part of a node, so it is set aside as ever.
std::string WaitForNode(const WaitingRun& run, NodesLeft& nodes, Remainder& left) {
  std::string reason =
      nodes.reserved ? fmt::format("Waiting behind earlier runs for a node of {}", run.cluster)
                     : fmt::format("Waiting for a node of {} ({} of {} busy)", run.cluster,
                                   nodes.total - nodes.free, nodes.total);
  nodes.reserved = true;
  if (run.ask.memory_mb > 0) {
    left.memory_mb = std::max<std::int64_t>(0, left.memory_mb - run.ask.memory_mb);
    left.memory_reserved = true;
  }
  return reason;
}

}  // namespace

std::int64_t CpuMillis(double cpus) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::llround(cpus * 1000.0)));
}

Capacity CapacityOf(const launch::MachineResources& machine) {
  Capacity capacity{CpuMillis(machine.cpus), machine.memory_mb, {}};
  for (const launch::Gpu& gpu : machine.gpus) capacity.gpus.push_back(gpu.index);
  std::sort(capacity.gpus.begin(), capacity.gpus.end());
  return capacity;
}

std::vector<int> TakeShare(const spec::Resources& ask, Capacity& free) {
  const auto count = std::min(static_cast<std::size_t>(ask.gpus), free.gpus.size());
  const std::vector<int> gpus(free.gpus.begin(),
                              free.gpus.begin() + static_cast<std::ptrdiff_t>(count));
  TakeShare(ask, gpus, free);
  return gpus;
}

void TakeShare(const spec::Resources& ask, const std::vector<int>& gpus, Capacity& free) {
  free.cpu_millis -= CpuMillis(ask.cpus);
  free.memory_mb -= ask.memory_mb;
  for (int gpu : gpus) std::erase(free.gpus, gpu);
}

void GiveBackShare(const spec::Resources& ask, const std::vector<int>& gpus, Capacity& free) {
  free.cpu_millis += CpuMillis(ask.cpus);
  free.memory_mb += ask.memory_mb;
  free.gpus.insert(free.gpus.end(), gpus.begin(), gpus.end());
  std::sort(free.gpus.begin(), free.gpus.end());
}

std::vector<QueueDecision> PlanQueue(const Capacity& total, Capacity free,
                                     const std::vector<WaitingRun>& waiting,
                                     std::string_view pause_reason, const NodePools& pools) {
  std::vector<QueueDecision> decisions;
  decisions.reserve(waiting.size());
  Remainder left{free.cpu_millis, free.memory_mb, static_cast<std::int64_t>(free.gpus.size())};
  for (const auto& [name, pool] : pools) left.nodes[name] = {pool.free, pool.free, pool.total};
  for (const WaitingRun& run : waiting) {
    if (!pause_reason.empty()) {
      decisions.push_back({run.key, false, std::string(pause_reason)});
      continue;
    }
    NodesLeft* nodes = run.cluster.empty() ? nullptr : &left.nodes[run.cluster];
    if (nodes != nullptr && nodes->left == 0) {
      decisions.push_back({run.key, false, WaitForNode(run, *nodes, left)});
      continue;
    }
    std::vector<Kind> kinds = KindsOf(run.ask, total, free, left);
    const bool fits =
        std::none_of(kinds.begin(), kinds.end(), [](const Kind& kind) { return kind.Short(); });
    if (nodes != nullptr) --nodes->left;
    if (fits) {
      if (nodes != nullptr) --nodes->free;
      for (const Kind& kind : kinds) *kind.left -= kind.ask;
      TakeShare(run.ask, free);
      decisions.push_back({run.key, true, {}});
      continue;
    }
    decisions.push_back({run.key, false, WaitingReason(kinds)});
    if (nodes != nullptr) nodes->reserved = true;
    for (const Kind& kind : kinds) {
      *kind.left = kind.Short() ? 0 : *kind.left - kind.ask;
      *kind.reserved = true;
    }
  }
  return decisions;
}

std::vector<Problem> CheckFitsMachine(const spec::Resources& ask, const Capacity& total) {
  std::vector<Problem> problems;
  if (const std::int64_t millis = CpuMillis(ask.cpus); millis > total.cpu_millis) {
    problems.push_back({"resources.cpus", fmt::format("the run asks for {}, this machine has {}",
                                                      Cpus(millis), Cpus(total.cpu_millis))});
  }
  if (ask.gpus > static_cast<int>(total.gpus.size())) {
    problems.push_back(
        {"resources.gpus",
         fmt::format("the run asks for {}, this machine has {}", Gpus(ask.gpus),
                     total.gpus.empty() ? "none" : Gpus(static_cast<int>(total.gpus.size())))});
  }
  if (ask.memory_mb > total.memory_mb) {
    problems.push_back(
        {"resources.memory_mb", fmt::format("the run asks for {} of memory, this machine has {}",
                                            Memory(ask.memory_mb), Memory(total.memory_mb))});
  }
  return problems;
}

}  // namespace roost::engine
