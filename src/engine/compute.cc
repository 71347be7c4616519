// Compute targets of the engine: what clients do with them, and what a turn of the queue does.
#include "engine/compute.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "engine/engine_state.h"

namespace roost::engine {
namespace {

tl::unexpected<Error> NoSuchTarget(const std::string& name) {
  return Fail(ErrorCode::kNotFound, fmt::format("There is no compute target named '{}'.", name));
}

tl::unexpected<Error> LocalStays() {
  return Fail(ErrorCode::kConflict,
              "'local' is the machine itself: it has no settings and cannot be deleted.");
}

// The run has no processes, and nothing of it needs a node any more.
bool NeedsNoNode(Phase phase) {
  return phase == Phase::kEnding || phase == Phase::kFinalizing || phase == Phase::kFinishing;
}

}  // namespace

bool IsLocal(const std::string& target) { return target == spec::kLocalTarget; }

// Called on any thread: what is checked here is asked again on the loop (CheckTarget).
Status Engine::State::FitToTarget(spec::RunDefinition* definition,
                                  std::vector<Problem>* problems) const {
  const std::string& name = definition->compute_target;
  if (!IsLocal(name)) {
    const auto cluster = store.compute_targets().Get(name);
    if (!cluster && cluster.error().code != ErrorCode::kNotFound) return Fail(cluster.error());
    if (!cluster || cluster->deleting) {
      ROOST_ASSIGN(const auto targets, store.compute_targets().List());
      std::vector<std::string> names = {"'local'"};
      for (const store::ComputeTarget& target : targets) {
        if (!target.deleting) names.push_back("'" + target.settings.name + "'");
      }
      problems->push_back(
          {"compute_target", fmt::format("there is no compute target '{}'; this server has {}",
                                         name, Join(names, ", "))});
    } else {
      FitToCluster(cluster->settings, total, options.missing_gpus, definition, problems);
    }
  }
  for (Problem& problem : CheckFitsMachine(definition->resources, total)) {
    problems->push_back(std::move(problem));
  }
  return {};
}

Status Engine::State::CheckTarget(const std::string& name) const {
  if (IsLocal(name) || clusters.Takes(name)) return {};
  return Invalid("compute_target",
                 fmt::format("the compute target '{}' has just been deleted", name));
}

std::map<std::string, int> Engine::State::WaitingByTarget() const {
  std::map<std::string, int> waiting;
  for (const auto& [key, live] : live_runs) {
    if (live.phase == Phase::kWaiting) ++waiting[live.run.compute_target];
  }
  return waiting;
}

Status Engine::State::TakeNode(LiveRun& live) {
  if (IsLocal(live.run.compute_target)) return {};
  ROOST_ASSIGN(live.node, clusters.Occupy(live.run.compute_target, live.run.id.value()));
  return {};
}

void Engine::State::GiveNodeBack(LiveRun& live) {
  if (live.node.empty()) return;
  clusters.Vacate(live.run.compute_target, live.node);
  live.node.clear();
}

void Engine::State::RecoverNode(LiveRun& live) {
  if (IsLocal(live.run.compute_target)) return;
  auto node = clusters.Reoccupy(live.run.compute_target, live.run.id.value());
  if (node) {
    live.node = std::move(*node);
  } else {
    LogWarning("node_not_found", {{"run", live.run.id.value()}, {"why", node.error().message}});
  }
}

// A waiting run keeps the node's size of its submit, but this machine may have become smaller.
void Engine::State::RefitWaiting(LiveRun& live) const {
  const store::ComputeTarget* cluster = clusters.Find(live.run.compute_target);
  if (cluster == nullptr) return;
  const spec::Resources node = NodeOf(cluster->settings, total);
  spec::Resources& ask = live.definition.resources;
  ask.cpus = std::min(ask.cpus, node.cpus);
  ask.gpus = std::min(ask.gpus, node.gpus);
}

// Nodes whose run ended, or went back to the queue, while no server was there.
void Engine::State::FreeStrayNodes() {
  for (const auto& [name, cluster] : clusters.all()) {
    const std::vector<store::ComputeNode> nodes = cluster.nodes;
    for (const store::ComputeNode& node : nodes) {
      if (node.run_id.empty()) continue;
      const bool held = std::any_of(live_runs.begin(), live_runs.end(), [&](const auto& entry) {
        return entry.second.run.id.value() == node.run_id && entry.second.node == node.id;
      });
      if (!held) clusters.Vacate(name, node.id);
    }
  }
}

std::string Engine::State::CancelReason(const LiveRun& live) const {
  const store::ComputeTarget* cluster = clusters.Find(live.run.compute_target);
  if (cluster == nullptr || !cluster->deleting) return "Canceled on request";
  return fmt::format("Canceled: its compute target '{}' was deleted", live.run.compute_target);
}

// One step towards the end of clusters that are being deleted; every turn makes it, so a refused
// write or a restart in the middle does no harm.
void Engine::State::ClearDeletedClusters() {
  std::vector<std::string> deleting;
  for (const auto& [name, cluster] : clusters.all()) {
    if (cluster.deleting) deleting.push_back(name);
  }
  for (const std::string& name : deleting) {
    std::vector<RunKey> keys;
    for (const auto& [key, live] : live_runs) {
      if (live.run.compute_target == name) keys.push_back(key);
    }
    for (const RunKey key : keys) {
      LiveRun* live = Find(key);
      if (live == nullptr || NeedsNoNode(live->phase)) continue;
      if (live->phase == Phase::kWaiting && !live->launch_recorded) {
        const std::string sentence =
            fmt::format("The compute target '{}' was deleted while the run waited for it", name);
        live->phase = Phase::kFinishing;
        live->outcome = {spec::RunState::kFailed, sentence, ErrorJson("StartFailed", sentence)};
        Finish(key);
      } else if (!live->run.cancel_requested) {
        if (const auto canceled = CancelLive(*live); !canceled) {
          LogWarning("step_put_off", {{"cluster", name}, {"why", canceled.error().message}});
        }
      }
    }
    const bool in_use = std::any_of(live_runs.begin(), live_runs.end(), [&](const auto& entry) {
      return entry.second.run.compute_target == name;
    });
    if (in_use) continue;
    if (const Status removed = clusters.Remove(name); !removed) {
      LogWarning("step_put_off", {{"cluster", name}, {"why", removed.error().message}});
    } else {
      LogInfo("cluster_deleted", {{"cluster", name}});
    }
  }
}

ComputeView Engine::State::ViewOfLocal(const std::map<std::string, int>& waiting) const {
  ComputeView view;
  view.is_local = true;
  view.target.settings.name = spec::kLocalTarget;
  view.target.settings.min_nodes = view.target.settings.max_nodes = view.target_nodes = 1;
  view.target.settings.idle_seconds = 0;
  view.node = view.wanted = {static_cast<double>(total.cpu_millis) / 1000.0,
                             static_cast<int>(total.gpus.size()), total.memory_mb};
  store::ComputeNode node{std::string(spec::kLocalTarget), {}, 0};
  for (const auto& [key, live] : live_runs) {
    if (IsLocal(live.run.compute_target) && live.holds_share && node.run_id.empty()) {
      node.run_id = live.run.id.value();
    }
  }
  view.target.nodes.push_back(std::move(node));
  const auto waits = waiting.find(view.target.settings.name);
  view.waiting_runs = waits == waiting.end() ? 0 : waits->second;
  return view;
}

ComputeView Engine::State::ViewOf(const store::ComputeTarget& cluster,
                                  const std::map<std::string, int>& waiting) const {
  const auto waits = waiting.find(cluster.settings.name);
  ComputeView view;
  view.target = cluster;
  view.waiting_runs = waits == waiting.end() ? 0 : waits->second;
  view.node = NodeOf(cluster.settings, total);
  view.wanted = {static_cast<double>(cluster.settings.size.cpus), cluster.settings.size.gpus,
                 cluster.settings.size.memory_mb};
  view.target_nodes = TargetNodes(cluster, view.waiting_runs, clock.Now());
  view.warnings = WarningsOf(cluster.settings, total, options.missing_gpus);
  return view;
}

std::vector<ComputeView> Engine::State::ListCompute() const {
  const auto waiting = WaitingByTarget();
  std::vector<ComputeView> views = {ViewOfLocal(waiting)};
  for (const auto& [name, cluster] : clusters.all()) views.push_back(ViewOf(cluster, waiting));
  return views;
}

Result<ComputeView> Engine::State::GetCompute(const std::string& name) const {
  if (IsLocal(name)) return ViewOfLocal(WaitingByTarget());
  const store::ComputeTarget* cluster = clusters.Find(name);
  if (cluster == nullptr) return NoSuchTarget(name);
  return ViewOf(*cluster, WaitingByTarget());
}

Result<Engine::ComputeCreated> Engine::State::CreateCompute(const spec::ClusterSettings& settings) {
  if (const store::ComputeTarget* there = clusters.Find(settings.name)) {
    if (there->deleting) {
      return Fail(ErrorCode::kConflict,
                  fmt::format("The compute target '{}' is being deleted; try again when its last "
                              "run is over.",
                              settings.name));
    }
    if (const auto differ = spec::Differences(there->settings, settings); !differ.empty()) {
      return Fail(ErrorCode::kConflict,
                  fmt::format("There is a compute target '{0}' with other settings ({1}). Choose "
                              "another name, change it (roost compute update {0}), or delete it.",
                              settings.name, Join(differ, ", ")));
    }
    return Engine::ComputeCreated{ViewOf(*there, WaitingByTarget()), false};
  }
  ROOST_TRY(clusters.Create(settings));
  LogInfo("cluster_created", {{"cluster", settings.name}});
  clusters.Rescale(WaitingByTarget());
  ROOST_ASSIGN(ComputeView view, GetCompute(settings.name));
  return Engine::ComputeCreated{std::move(view), true};
}

Result<ComputeView> Engine::State::UpdateCompute(const std::string& name,
                                                 const spec::ClusterChange& change) {
  if (IsLocal(name)) return LocalStays();
  const store::ComputeTarget* cluster = clusters.Find(name);
  if (cluster == nullptr) return NoSuchTarget(name);
  if (cluster->deleting) {
    return Fail(ErrorCode::kConflict,
                fmt::format("The compute target '{}' is being deleted.", name));
  }
  ROOST_ASSIGN(const spec::ClusterSettings settings, spec::Changed(cluster->settings, change));
  ROOST_TRY(clusters.Update(settings));
  clusters.Rescale(WaitingByTarget());
  ScheduleTurn();
  return GetCompute(name);
}

Result<ComputeView> Engine::State::DeleteCompute(const std::string& name) {
  if (IsLocal(name)) return LocalStays();
  const store::ComputeTarget* cluster = clusters.Find(name);
  if (cluster == nullptr) return NoSuchTarget(name);
  if (!cluster->deleting) {
    ROOST_TRY(clusters.SetDeleting(name));
    LogInfo("cluster_deleting", {{"cluster", name}});
    ScheduleTurn();
  }
  return GetCompute(name);
}

const std::vector<spec::VmSize>& Engine::vm_sizes() const { return state_->options.vm_sizes; }
MissingGpus Engine::missing_gpus() const { return state_->options.missing_gpus; }

Result<std::vector<ComputeView>> Engine::ListCompute() {
  return state_->Call<std::vector<ComputeView>>(
      [&]() -> Result<std::vector<ComputeView>> { return state_->ListCompute(); });
}

Result<ComputeView> Engine::GetCompute(const std::string& name) {
  return state_->Call<ComputeView>([&] { return state_->GetCompute(name); });
}

Result<Engine::ComputeCreated> Engine::CreateCompute(const spec::ClusterSettings& settings) {
  return state_->Call<ComputeCreated>([&] { return state_->CreateCompute(settings); });
}

Result<ComputeView> Engine::UpdateCompute(const std::string& name,
                                          const spec::ClusterChange& change) {
  return state_->Call<ComputeView>([&] { return state_->UpdateCompute(name, change); });
}

Result<ComputeView> Engine::DeleteCompute(const std::string& name) {
  return state_->Call<ComputeView>([&] { return state_->DeleteCompute(name); });
}

}  // namespace roost::engine
