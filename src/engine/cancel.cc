#include <fmt/format.h>

#include "base/log.h"
#include "engine/engine_state.h"

namespace roost::engine {

Result<store::Run> Engine::State::Cancel(const RunId& id) {
  ROOST_ASSIGN(store::Run run, store.runs().Get(id));
  if (LiveRun* live = Find(run.key)) return CancelLive(*live);
  if (run.state == spec::RunState::kCanceled) return run;
  if (spec::IsFinal(run.state)) {
    return Fail(ErrorCode::kConflict,
                fmt::format("run {} is {} already", id.value(), spec::ToString(run.state)));
  }
  // A tracked run has no processes of ours; its client learns about it when it asks.
  store::Move move;
  move.to = spec::RunState::kCanceled;
  move.reason = "Canceled on request";
  ROOST_ASSIGN(run, store.runs().MoveState(run.key, move));
  hook.Tell(run);
  return run;
}

Result<store::Run> Engine::State::CancelLive(LiveRun& live) {
  const RunKey key = live.run.key;
  switch (live.phase) {
    case Phase::kWaiting:
    case Phase::kBuilding:
    case Phase::kPreparing:
    case Phase::kLaunching: {
      // Nothing runs, unless a launch was recorded whose start is being tried again.
      if (live.launch_recorded) {
        return Fail(ErrorCode::kUnavailable,
                    "the run is being started, but the server cannot write to its disk; try again");
      }
      ROOST_TRY(Move(live, spec::RunState::kCanceled, CancelReason(live)));
      const store::Run canceled = live.run;
      live.outcome = {spec::RunState::kCanceled, canceled.reason, {}};
      if (live.build) cache->Cancel(live.build);  // others may go on waiting for it
      if (live.preparing_stopped) *live.preparing_stopped = true;
      const bool prepared = live.phase == Phase::kPreparing || live.phase == Phase::kLaunching;
      live.phase = Phase::kFinishing;
      if (prepared) {
        // The same single worker, so the removal comes after the preparation.
        PreparersOf(live).Post([this, layout = LayoutOf(live)] {
          RemoveDataLinks(layout);
          if (const Status removed = RemoveTree(layout.attempt_folder()); !removed) {
            LogWarning("scratch_not_removed", {{"why", removed.error().message}});
          }
        });
      }
      Finish(key);
      return canceled;
    }
    case Phase::kLaunched:
      break;
    case Phase::kEnding:
    case Phase::kFinalizing:
    case Phase::kFinishing:
      return live.run;
  }
  // The wish is kept before the state, so a death between the two is a cancel all the same.
  if (!live.run.cancel_requested) {
    ROOST_TRY(store.runs().SetCancelRequested(key));
    live.run.cancel_requested = true;
    Step("cancel_requested");
  }
  if (live.run.state != spec::RunState::kCancelRequested) {
    ROOST_TRY(Move(live, spec::RunState::kCancelRequested,
                   "Cancel requested; waiting for its processes to end"));
  }
  LogInfo("run_cancel_requested", {{"run", live.run.id.value()}});
  if (live.phase == Phase::kLaunched) {
    launcher->Stop(live.launch_id, LayoutOf(live).launch_folder());
  }
  return live.run;
}

}  // namespace roost::engine
