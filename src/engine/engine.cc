#include "engine/engine.h"

#include "base/log.h"
#include "engine/engine_state.h"
#include "store/metrics.h"

namespace roost::engine {
namespace {

environments::BuildSettings BuildSettingsOf(const EngineOptions& options,
                                            const fs::path& data_folder) {
  environments::BuildSettings settings = options.environments;
  if (settings.folder.empty()) settings.folder = fs::absolute(data_folder) / "environments";
  return settings;
}

}  // namespace

Engine::Engine(store::Store& store, EngineOptions options, LauncherFactory make_launcher,
               Clock& clock)
    : state_(std::make_unique<State>(store, std::move(options), std::move(make_launcher), clock)) {}

Engine::~Engine() { state_->Stop(); }

Status Engine::Start() { return state_->Start(); }
void Engine::Stop() { state_->Stop(); }

Result<store::Runs::Created> Engine::Submit(const spec::RunDefinition& definition,
                                            const std::string& submitter,
                                            const std::string& idempotency_key,
                                            const std::string& request_digest, bool may_register) {
  return state_->Submit(definition, submitter, idempotency_key, request_digest, may_register);
}

Result<store::Runs::Created> Engine::CreateTracked(const TrackedRun& run,
                                                   const std::string& submitter) {
  return state_->CreateTracked(run, submitter);
}

Result<store::Run> Engine::Cancel(const RunId& run) {
  return state_->Call<store::Run>([&] { return state_->Cancel(run); });
}

Result<store::Run> Engine::ReportStatus(const RunId& run, spec::RunState status,
                                        const std::string& error_json, Micros ended_at) {
  return state_->ReportStatus(run, status, error_json, ended_at);
}

Result<spec::EnvironmentDefinition> Engine::ResolveEnvironment(
    const spec::EnvironmentDefinition& asked) const {
  return state_->ResolveEnvironment(asked);
}

environments::EnvironmentCache& Engine::environments() { return *state_->cache; }

QueueStatus Engine::Queue() const {
  std::lock_guard lock(state_->mutex);
  return state_->queue_status;
}

Engine::State::State(store::Store& store_, EngineOptions options_, LauncherFactory make_launcher_,
                     Clock& clock_)
    : store(store_),
      options(std::move(options_)),
      make_launcher(std::move(make_launcher_)),
      clock(clock_),
      total(CapacityOf(options.machine)),
      mount_means(FindMountMeans(store.data_folder())),
      free(total),
      clusters(store.compute_targets(), clock),
      hook(options.on_run_end, clock_),
      runner(options.environment_runner != nullptr ? *options.environment_runner : process_runner),
      cache(std::make_unique<environments::EnvironmentCache>(
          BuildSettingsOf(options, store_.data_folder()), runner, clock_)) {}

Status Engine::State::Start() {
  launcher =
      make_launcher(loop, [this](const std::string& launch_id, const launch::LaunchEvent& event) {
        OnLaunchEvent(launch_id, event);
      });
  thread = std::thread([this] { Run(); });
  {
    std::lock_guard lock(mutex);
    accepting = true;
  }
  auto recovered = Call<int>([this]() -> Result<int> {
    ROOST_TRY(Recover());
    ScheduleTurn();
    Tick();
    return 0;
  });
  if (!recovered) return Fail(std::move(recovered.error()));
  return {};
}

void Engine::State::Run() { loop.Run(); }

// New calls are refused first, then workers finish what they hold (files half taken in are left to
// the next start), and the loop ends last because their results are posted to it.
void Engine::State::Stop() {
  {
    std::lock_guard lock(mutex);
    accepting = false;
  }
  stopping = true;
  preparers.Stop();
  data_preparers.Stop();
  collectors.Stop();
  hook.Stop();
  if (!thread.joinable()) return;
  loop.Stop();
  thread.join();
}

// Again and again: what waits for disk space, ./logs of live runs, the store's background work.
void Engine::State::Tick() {
  if (stopping) return;
  ScheduleTurn();
  WatchLogs();
  if (!sealing.exchange(true)) {
    collectors.Post([this] {
      const Status sealed = store.metrics().SealSome();
      if (!sealed) LogWarning("sealing_failed", {{"why", sealed.error().message}});
      sealing = false;
    });
  }
  loop.After(options.log_watch_interval, [this] { Tick(); });
}

void Engine::State::PublishStatus() {
  QueueStatus now;
  now.reason = PauseReason();
  now.paused = !now.reason.empty();
  now.cpus_used = static_cast<double>(total.cpu_millis - free.cpu_millis) / 1000.0;
  now.gpus_used = static_cast<int>(total.gpus.size() - free.gpus.size());
  now.memory_mb_used = total.memory_mb - free.memory_mb;
  for (const auto& [key, live] : live_runs)
    ++(live.phase == Phase::kWaiting || live.phase == Phase::kBuilding ? now.waiting : now.running);
  std::lock_guard lock(mutex);
  queue_status = now;
}

Status Engine::State::Move(LiveRun& live, spec::RunState to, std::string reason,
                           std::optional<std::string> error_json) {
  auto moved =
      store.runs().MoveState(live.run.key, {to, std::move(reason), std::move(error_json), 0});
  if (!moved) {
    const auto kept = store.runs().Get(live.run.key);
    if (!kept || kept->state != to) return Fail(std::move(moved.error()));
    moved = *kept;
  }
  live.run = std::move(*moved);
  return {};
}

LiveRun* Engine::State::Find(RunKey key) {
  const auto found = live_runs.find(key);
  return found == live_runs.end() ? nullptr : &found->second;
}

LiveRun* Engine::State::FindLaunch(const std::string& launch_id) {
  for (auto& [key, live] : live_runs) {
    if (live.launch_id == launch_id) return &live;
  }
  return nullptr;
}

spec::RunLayout Engine::State::LayoutOf(const LiveRun& live) const {
  return {fs::absolute(store.data_folder()), live.run.id, live.attempt};
}

void Engine::State::RetryLater(RunKey key, void (State::*step)(RunKey), const Error& why) {
  LogWarning("step_put_off", {{"run_key", std::to_string(key.value())}, {"why", why.message}});
  loop.After(options.retry_interval, [this, key, step] {
    if (!stopping && Find(key) != nullptr) (this->*step)(key);
  });
}

}  // namespace roost::engine
