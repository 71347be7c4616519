#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "engine/engine_state.h"

namespace roost::engine {

LiveRun& Engine::State::Adopt(store::Run run, spec::RunDefinition definition) {
  const RunKey key = run.key;
  LiveRun& live = live_runs[key];
  live.attempt = run.attempt;
  live.run = std::move(run);
  live.definition = std::move(definition);
  return live;
}

WaitingRun AskOf(RunKey key, const spec::RunDefinition& definition) {
  const std::string& target = definition.compute_target;
  return {key, definition.resources, IsLocal(target) ? std::string() : target};
}

std::vector<WaitingRun> Engine::State::Waiting(bool all) const {
  std::vector<WaitingRun> waiting;
  for (const auto& [key, live] : live_runs) {
    if (live.phase == Phase::kWaiting && (all || live.environment))
      waiting.push_back(AskOf(key, live.definition));
  }
  return waiting;
}

// The sentence has no numbers that change, or the whole queue's reasons would be rewritten just
// when the disk is full.
std::string Engine::State::PauseReason() const {
  if (options.min_free_bytes == 0) return {};
  const auto space = GetDiskSpace(store.data_folder());
  if (!space || space->free_bytes >= options.min_free_bytes) return {};
  return fmt::format(
      "Waiting for disk space: less than {} are free where the server keeps its data",
      FormatBytes(options.min_free_bytes));
}

// A turn is posted, not made at once: whoever asked for it is answered first, and many changes in
// one round of the loop cost one turn.
void Engine::State::ScheduleTurn() {
  if (turn_posted) return;
  turn_posted = true;
  loop.Post([this] {
    turn_posted = false;
    if (stopping) return;
    if (!clusters.all().empty()) ClearDeletedClusters();
    const std::string pause = PauseReason();
    TakeEnvironments(pause.empty());
    if (!clusters.all().empty()) clusters.Rescale(WaitingByTarget());
    for (QueueDecision& decision :
         PlanQueue(total, free, Waiting(!pause.empty()), pause, clusters.Pools())) {
      if (decision.start) {
        StartPreparing(decision.key);
        continue;
      }
      LiveRun* live = Find(decision.key);
      if (live == nullptr || live->run.reason == decision.reason) continue;
      if (const Status kept = store.runs().SetReason(decision.key, decision.reason); kept) {
        live->run.reason = std::move(decision.reason);
      }
    }
    PublishStatus();
  });
}

void Engine::State::GiveBack(LiveRun& live) {
  if (!live.holds_share) return;
  GiveBackShare(live.definition.resources, live.gpus, free);
  GiveNodeBack(live);
  live.holds_share = false;
  live.gpus.clear();
  ScheduleTurn();
}

// For a launch that never ran anything: the run waits again, with its place in the order.
void Engine::State::Requeue(RunKey key) {
  LiveRun* live = Find(key);
  if (live == nullptr) return;
  // One that was being prepared when the server died has no launch yet, so no number of its own.
  const bool prepared_only = live->run.state == spec::RunState::kPreparing;
  const int attempt = prepared_only ? live->run.attempt + 1 : live->attempt;
  if (const Status moved =
          Move(*live, spec::RunState::kQueued, "Queued again: nothing had started");
      !moved) {
    return RetryLater(key, &State::Requeue, moved.error());
  }
  Step("requeued");
  LogInfo("run_requeued", {{"run", live->run.id.value()}});
  // In the pool that prepares the next attempt, so before it.
  PreparersOf(*live).Post([layout = spec::RunLayout(store.data_folder(), live->run.id, attempt)] {
    RemovePrepared(layout);
  });
  live->phase = Phase::kWaiting;
  live->launch_id.clear();
  live->launch_recorded = false;
  live->end = {};
  GiveBack(*live);
  ScheduleTurn();
}

}  // namespace roost::engine
