#include <charconv>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "engine/engine_state.h"
#include "store/launches.h"

namespace roost::engine {
namespace {

// The GPUs that a live launch was given; only its request tells.
std::vector<int> GpusOfLaunch(const spec::RunLayout& layout) {
  std::vector<int> gpus;
  const auto text = ReadFile(layout.launch_folder() / spec::launch_files::kRequest);
  if (!text) return gpus;
  const auto request = spec::ParseLaunchRequest(*text);
  if (!request) return gpus;
  const auto visible = request->environment.find("CUDA_VISIBLE_DEVICES");
  if (visible == request->environment.end()) return gpus;
  for (const std::string& index : Split(visible->second, ',')) {
    int gpu = 0;
    const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), gpu);
    if (error == std::errc() && end == index.data() + index.size()) gpus.push_back(gpu);
  }
  return gpus;
}

}  // namespace

// Oldest first, so that the queue has its old order. What launchers find out comes later, as events
// like any other.
Status Engine::State::Recover() {
  ROOST_ASSIGN(std::vector<store::Run> active, store.runs().Active());
  ROOST_TRY(clusters.Load());
  for (store::Run& run : active) RecoverRun(std::move(run));
  FreeStrayNodes();
  if (!live_runs.empty()) {
    LogInfo("recovered", {{"active_runs", std::to_string(live_runs.size())}});
  }
  return {};
}

void Engine::State::RecoverRun(store::Run run) {
  const nlohmann::json body = nlohmann::json::parse(run.definition_json, nullptr, false);
  auto definition = spec::ParseRunDefinition(body);
  LiveRun& live = Adopt(std::move(run), definition ? *definition : spec::RunDefinition());
  const RunKey key = live.run.key;
  if (!definition) {
    const std::string sentence =
        "This server cannot read the run's definition: " + definition.error().message;
    live.phase = Phase::kFinishing;
    live.outcome = {spec::RunState::kFailed, sentence, ErrorJson("ServerError", sentence)};
    return Finish(key);
  }

  const auto launch = store.launches().Newest(key);
  if (!launch && launch.error().code != ErrorCode::kNotFound) {
    live.phase = Phase::kEnding;  // out of the queue until it is known
    LogWarning("recovery_put_off", {{"run", live.run.id.value()}, {"why", launch.error().message}});
    loop.After(options.retry_interval, [this, key] {
      if (LiveRun* again = Find(key); again != nullptr && !stopping) RecoverRun(again->run);
    });
    return;
  }
  const bool nothing_runs = !launch || launch->ended;
  switch (live.run.state) {
    case spec::RunState::kFinalizing:
    case spec::RunState::kRunning:
    case spec::RunState::kStarting:
    case spec::RunState::kCancelRequested:
      if (launch) break;
      [[fallthrough]];
    default:
      if (!nothing_runs) break;
      if (live.run.cancel_requested) {
        live.phase = Phase::kFinishing;
        live.outcome = {spec::RunState::kCanceled, CancelReason(live), {}};
        return Finish(key);
      }
      RefitWaiting(live);
      if (live.run.state != spec::RunState::kQueued) Requeue(key);
      return;
  }
  live.attempt = launch->attempt;
  live.launch_id = launch->id;
  live.launch_recorded = true;
  if (!launch->ended) return RecoverLaunch(live);
  auto end = ParseLaunchEnd(launch->exit_json);
  live.end =
      end ? std::move(*end)
          : LaunchEnd{{}, "The record of its end cannot be read: " + end.error().message, false};
  live.phase = Phase::kEnding;
  RecordEnd(key);
}

void Engine::State::RecoverLaunch(LiveRun& live) {
  const spec::RunLayout layout = LayoutOf(live);
  const RunKey key = live.run.key;
  // Died between the launch's row and the state: only Starting leads on to what Reattach may tell.
  if (live.run.state == spec::RunState::kPreparing) {
    if (const Status moved = Move(live, spec::RunState::kStarting, "Starting the process");
        !moved) {
      LogWarning("step_put_off", {{"run", live.run.id.value()}, {"why", moved.error().message}});
      live.phase = Phase::kEnding;
      loop.After(options.retry_interval, [this, key] {
        if (LiveRun* again = Find(key); again != nullptr && !stopping) RecoverLaunch(*again);
      });
      return;
    }
  }
  live.phase = Phase::kLaunched;
  HoldEnvironment(live);
  live.gpus = GpusOfLaunch(layout);
  live.holds_share = true;
  TakeShare(live.definition.resources, live.gpus, free);
  RecoverNode(live);
  live.log_watch = std::make_shared<LogWatch>(key, layout.logs_folder());
  // In a store that was restored from a backup, the launch belongs to the server it was copied
  // from, whose processes are not ours to fence, to end, or to run a second time.
  std::error_code error;
  if (!fs::is_directory(layout.launch_folder(), error)) {
    return OnEnded(live, {{},
                          "The run was going on when the backup was made from which this data "
                          "folder was restored",
                          false});
  }
  const std::string launch_id = live.launch_id;
  const bool canceled = live.run.cancel_requested;
  launcher->Reattach(launch_id, layout.launch_folder());
  if (canceled && Find(key) != nullptr) launcher->Stop(launch_id, layout.launch_folder());
}

}  // namespace roost::engine
