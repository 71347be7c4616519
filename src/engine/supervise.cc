#include <fmt/format.h>

#include "base/log.h"
#include "engine/engine_state.h"
#include "engine/run_container.h"
#include "store/launches.h"
#include "store/tokens.h"

namespace roost::engine {
namespace {

// A shim that cannot even claim its launch would otherwise be started for ever.
constexpr int kMaxUnclaimedAttempts = 5;

// "Running since 07:35:30 UTC".
std::string RunningSince(Micros at) {
  return "Running since " + FormatTime(at).substr(11, 8) + " UTC";
}

// True when the claim is a fence: the launch was lost before anything ran, and nothing of it will.
bool WasFenced(const spec::RunLayout& layout) {
  const auto text = ReadFile(layout.launch_folder() / spec::launch_files::kClaim);
  if (!text) return false;
  const auto claim = spec::ParseClaim(*text);
  return claim && claim->child_pid == 0;
}

}  // namespace

void Engine::State::OnLaunchEvent(const std::string& launch_id, const launch::LaunchEvent& event) {
  LiveRun* live = FindLaunch(launch_id);
  if (stopping || live == nullptr || live->phase != Phase::kLaunched) return;
  if (std::holds_alternative<launch::Started>(event)) {
    OnStarted(*live);
  } else if (const auto* exited = std::get_if<launch::Exited>(&event)) {
    OnEnded(*live, {exited->record, {}, false});
  } else {
    const bool unclaimed = WasFenced(LayoutOf(*live));
    OnEnded(*live, {{}, std::get<launch::Lost>(event).reason, unclaimed});
  }
}

void Engine::State::OnStarted(LiveRun& live) {
  if (live.run.state != spec::RunState::kStarting) return;
  if (const Status moved = Move(live, spec::RunState::kRunning, RunningSince(clock.Now()));
      !moved) {
    // The end is what matters: the run goes to Finalizing from Starting as well.
    LogWarning("step_put_off", {{"run", live.run.id.value()}, {"why", moved.error().message}});
    const RunKey key = live.run.key;
    loop.After(options.retry_interval, [this, key] {
      LiveRun* again = Find(key);
      if (!stopping && again != nullptr && again->phase == Phase::kLaunched) OnStarted(*again);
    });
    return;
  }
  Step("running");
}

void Engine::State::OnEnded(LiveRun& live, LaunchEnd end) {
  live.phase = Phase::kEnding;
  live.end = std::move(end);
  RecordEnd(live.run.key);
}

// The launch's row first: with the end in it, recovery need not ask the launcher again.
void Engine::State::RecordEnd(RunKey key) {
  LiveRun* live = Find(key);
  if (live == nullptr || live->phase != Phase::kEnding) return;
  if (const Status kept = store.launches().End(live->launch_id, ToJsonText(live->end)); !kept) {
    return RetryLater(key, &State::RecordEnd, kept.error());
  }
  Step("end_recorded");
  // Only from Starting: a run that was seen running has run, whatever its folder says now.
  const bool again = live->end.unclaimed && live->run.state == spec::RunState::kStarting &&
                     live->attempt < kMaxUnclaimedAttempts;
  if (again && !live->run.cancel_requested) return Requeue(key);
  StartFinalizing(key);
}

void Engine::State::StartFinalizing(RunKey key) {
  LiveRun* live = Find(key);
  // A log watch in the middle of its work comes back here; it may not overwrite what finalize
  // takes.
  if (live == nullptr || live->phase != Phase::kEnding || live->watching) return;
  live->log_watch.reset();
  if (live->run.state != spec::RunState::kFinalizing &&
      live->run.state != spec::RunState::kCancelRequested) {
    if (const Status moved = Move(*live, spec::RunState::kFinalizing, "Keeping outputs and logs");
        !moved) {
      return RetryLater(key, &State::StartFinalizing, moved.error());
    }
    Step("finalizing");
  }
  live->phase = Phase::kFinalizing;
  GiveBack(*live);
  FinalizeJob job{key,
                  LayoutOf(*live),
                  live->definition,
                  live->end,
                  live->run.cancel_requested,
                  clock.Now(),
                  [this] { return stopping.load(); },
                  options.after_step};
  collectors.Post([this, job = std::move(job)] {
    RemoveContainer(job.layout, runner);
    Result<Outcome> outcome = FinalizeRun(store, job);
    loop.Post([this, key = job.run, outcome = std::move(outcome)] { OnFinalized(key, outcome); });
  });
}

void Engine::State::OnFinalized(RunKey key, const Result<Outcome>& outcome) {
  LiveRun* live = Find(key);
  if (stopping || live == nullptr) return;
  if (!outcome && (outcome.error().code == ErrorCode::kExhausted ||
                   outcome.error().code == ErrorCode::kUnavailable)) {
    // Nothing was removed yet. The outputs wait in the scratch folder until there is space.
    live->phase = Phase::kEnding;
    const std::string reason = "Waiting to keep the run's files: " + outcome.error().message;
    if (live->run.reason != reason && store.runs().SetReason(key, reason)) {
      live->run.reason = reason;
    }
    return RetryLater(key, &State::StartFinalizing, outcome.error());
  }
  if (outcome) {
    live->outcome = *outcome;
    if (outcome->state == spec::RunState::kCanceled && live->run.cancel_requested) {
      live->outcome.reason = CancelReason(*live);
    }
  } else {
    const std::string sentence =
        fmt::format("The run's files could not be kept: {}. They are still in {}",
                    outcome.error().message, LayoutOf(*live).scratch_folder().string());
    live->outcome = {spec::RunState::kFailed, sentence, ErrorJson("ServerError", sentence)};
  }
  live->phase = Phase::kFinishing;
  Finish(key);
}

void Engine::State::Finish(RunKey key) {
  LiveRun* live = Find(key);
  if (live == nullptr || live->phase != Phase::kFinishing) return;
  if (const Status moved =
          Move(*live, live->outcome.state, live->outcome.reason, live->outcome.error_json);
      !moved) {
    return RetryLater(key, &State::Finish, moved.error());
  }
  Step("finished");
  if (const Status deleted = store.tokens().DeleteOfRun(key); !deleted) {
    LogWarning("run_token_not_deleted",
               {{"run", live->run.id.value()}, {"why", deleted.error().message}});
  }
  LogInfo("run_ended", {{"run", live->run.id.value()},
                        {"status", std::string(spec::ToString(live->run.state))}});
  hook.Tell(live->run);
  GiveBack(*live);
  live_runs.erase(key);
  ScheduleTurn();
}

void Engine::State::WatchLogs() {
  for (auto& [key, live] : live_runs) {
    if (live.phase != Phase::kLaunched || !live.log_watch || live.watching) continue;
    live.watching = true;
    collectors.Post([this, key = key, watch = live.log_watch] {
      const Status taken = watch->TakeChanged(store, clock, [this] { return stopping.load(); });
      if (!taken && !stopping) LogWarning("log_watch_failed", {{"why", taken.error().message}});
      loop.Post([this, key] {
        LiveRun* run = Find(key);
        if (run == nullptr) return;
        run->watching = false;
        if (!stopping) StartFinalizing(key);  // when it ended in the meantime
      });
    });
  }
}

}  // namespace roost::engine
