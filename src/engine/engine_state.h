#pragma once

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "engine/clusters.h"
#include "engine/engine.h"
#include "engine/finalize.h"
#include "engine/outcome.h"
#include "engine/queue.h"
#include "engine/run_data.h"
#include "engine/run_end_hook.h"
#include "engine/run_inputs.h"
#include "engine/watch_logs.h"
#include "engine/worker_pool.h"
#include "environments/command_runner.h"
#include "environments/environment_cache.h"
#include "spec/run_layout.h"

namespace roost::engine {

// Where the engine is with a run; finer than the run's state, and never stored.
enum class Phase {
  kWaiting,     // in the queue
  kBuilding,    // its environment is being built
  kPreparing,   // a worker makes the working folder
  kLaunching,   // prepared; the launch is being recorded and started
  kLaunched,    // a shim has it, or will be found not to
  kEnding,      // the last process is gone; that is being recorded
  kFinalizing,  // a worker takes in its files
  kFinishing,   // only the final state is left to write
};

// A managed run that is not final, as the loop knows it.
struct LiveRun {
  store::Run run;  // as last written
  spec::RunDefinition definition;
  Phase phase = Phase::kWaiting;
  bool holds_share = false;
  std::vector<int> gpus;                                      // of its share
  std::optional<environments::ReadyEnvironment> environment;  // held for as long as the run lives
  Digest environment_id;  // of the definition's; zero until it was looked for
  std::shared_ptr<environments::EnvironmentCache::Request> build;  // in kBuilding
  std::string node;                                                // of its cluster; empty: none
  int attempt = 0;                                                 // being prepared or launched
  std::shared_ptr<std::atomic<bool>> preparing_stopped;  // asked by the worker in kPreparing
  std::string launch_id;                                 // of this attempt; empty: none yet
  bool launch_recorded = false;
  RunDataPlan data_plan;  // from kLaunching on
  LaunchEnd end;
  Outcome outcome;
  std::shared_ptr<LogWatch> log_watch;  // while its processes run
  bool watching = false;                // a worker is in log_watch now
};

// What a run tells of the environment that was built for it.
std::map<std::string, std::string> EnvironmentProperties(
    const environments::ReadyEnvironment& environment);

// The engine's insides. Everything but the calls marked otherwise happens on the loop's thread.
// Each step writes to the store, then to memory, then speaks to the launcher; a step that the store
// refused is tried again later, so every step may be done twice.
struct Engine::State {
  State(store::Store& store, EngineOptions options, LauncherFactory make_launcher, Clock& clock);

  // engine.cc: the loop and its edges.
  Status Start();
  void Stop();  // any thread
  void Run();   // the loop's thread
  void Tick();
  void PublishStatus();
  void Step(std::string_view name) const {
    if (options.after_step) options.after_step(name);
  }
  // Runs `work` on the loop and waits for its result; kUnavailable when there is no loop. Called on
  // any other thread.
  template <class T>
  Result<T> Call(std::function<Result<T>()> work) {
    std::promise<Result<T>> promise;
    auto future = promise.get_future();
    {
      std::lock_guard lock(mutex);
      if (!accepting) {
        return Fail(ErrorCode::kUnavailable, "the server is starting or stopping; try again");
      }
      loop.Post([&] { promise.set_value(work()); });
    }
    return future.get();
  }

  // submit.cc. Check is called on any thread.
  Result<spec::RunDefinition> Check(const spec::RunDefinition& asked) const;
  Result<store::Runs::Created> Submit(const spec::RunDefinition& definition,
                                      const std::string& submitter,
                                      const std::string& idempotency_key,
                                      const std::string& request_digest, bool may_register);

  // schedule.cc: the queue's turns.
  void ScheduleTurn();
  std::string PauseReason() const;
  LiveRun& Adopt(store::Run run, spec::RunDefinition definition);
  // Without those that wait for their environment, unless `all`.
  std::vector<WaitingRun> Waiting(bool all) const;
  void GiveBack(LiveRun& live);
  void Requeue(RunKey key);

  // environments.cc: what the run's interpreter is, and its build where it needs one. The first two
  // are called on any thread.
  Result<spec::EnvironmentDefinition> ResolveEnvironment(
      const spec::EnvironmentDefinition& asked) const;
  Status FillInEnvironment(spec::RunDefinition* definition, std::vector<Problem>* problems) const;
  void TakeEnvironments(bool may_build);
  void StartBuilding(RunKey key);
  void Build(LiveRun& live);
  void FinishBuilding(RunKey key);
  void HoldEnvironment(LiveRun& live);
  // compute.cc: compute targets. FitToTarget is called on any thread.
  Status FitToTarget(spec::RunDefinition* definition, std::vector<Problem>* problems) const;
  Status CheckTarget(const std::string& name) const;
  std::map<std::string, int> WaitingByTarget() const;
  Status TakeNode(LiveRun& live);
  void GiveNodeBack(LiveRun& live);
  void RecoverNode(LiveRun& live);
  void RefitWaiting(LiveRun& live) const;
  void FreeStrayNodes();
  std::string CancelReason(const LiveRun& live) const;
  void ClearDeletedClusters();
  ComputeView ViewOfLocal(const std::map<std::string, int>& waiting) const;
  ComputeView ViewOf(const store::ComputeTarget& cluster,
                     const std::map<std::string, int>& waiting) const;
  std::vector<ComputeView> ListCompute() const;
  Result<ComputeView> GetCompute(const std::string& name) const;
  Result<ComputeCreated> CreateCompute(const spec::ClusterSettings& settings);
  Result<ComputeView> UpdateCompute(const std::string& name, const spec::ClusterChange& change);
  Result<ComputeView> DeleteCompute(const std::string& name);

  // launch_run.cc: from the queue to the launcher.
  void StartPreparing(RunKey key);
  void OnPrepared(RunKey key, int attempt, const Status& prepared);
  void Launch(RunKey key);
  Status RecordLaunch(LiveRun& live, const std::string& token);
  spec::LaunchRequest MakeRequest(const LiveRun& live, const std::string& token) const;
  void PutIntoImage(const LiveRun& live, const spec::RunDefinition& definition,
                    spec::LaunchRequest& request) const;
  void FailToStart(RunKey key, const char* code, const std::string& why);

  // supervise.cc: launch events -> states.
  void OnLaunchEvent(const std::string& launch_id, const launch::LaunchEvent& event);
  void OnStarted(LiveRun& live);
  void OnEnded(LiveRun& live, LaunchEnd end);
  void RecordEnd(RunKey key);
  void StartFinalizing(RunKey key);
  void OnFinalized(RunKey key, const Result<Outcome>& outcome);
  void Finish(RunKey key);
  void WatchLogs();

  // cancel.cc.
  Result<store::Run> Cancel(const RunId& run);
  Result<store::Run> CancelLive(LiveRun& live);
  Result<store::Run> ReportStatus(const RunId& run, spec::RunState status,
                                  const std::string& error_json, Micros ended_at);  // any thread
  Result<store::Runs::Created> CreateTracked(const TrackedRun& run,
                                             const std::string& submitter);  // same

  // recover.cc.
  Status Recover();
  void RecoverRun(store::Run run);
  void RecoverLaunch(LiveRun& live);

  // Moves the run in the store and in memory. A run that is there already counts as moved: an
  // earlier try may have been kept although its answer was an error.
  Status Move(LiveRun& live, spec::RunState to, std::string reason,
              std::optional<std::string> error_json = {});
  LiveRun* Find(RunKey key);
  LiveRun* FindLaunch(const std::string& launch_id);
  spec::RunLayout LayoutOf(const LiveRun& live) const;
  WorkerPool& PreparersOf(const LiveRun& live) {
    return live.definition.inputs.empty() ? preparers : data_preparers;
  }
  void RetryLater(RunKey key, void (State::*step)(RunKey), const Error& why);

  store::Store& store;
  const EngineOptions options;
  const LauncherFactory make_launcher;
  Clock& clock;
  const Capacity total;
  const MountMeans mount_means;
  EventLoop loop;
  std::unique_ptr<launch::Launcher> launcher;
  std::map<RunKey, LiveRun> live_runs;  // in the order of submission
  Capacity free;
  Clusters clusters;
  bool turn_posted = false;

  std::atomic<bool> stopping{false};
  std::atomic<bool> sealing{false};

  mutable std::mutex mutex;  // guards accepting and queue_status
  bool accepting = false;
  QueueStatus queue_status;

  RunEndHook hook;
  WorkerPool preparers{1};       // apart, so that a long finalize delays no start
  WorkerPool data_preparers{1};  // the same for runs with inputs, which may be large
  WorkerPool collectors{2};      // finalize, log watches, sealing of metrics
  std::thread thread;

  // Last, so that it goes first: its builds tell the loop how they ended.
  environments::ProcessRunner process_runner;
  environments::CommandRunner& runner;  // that of the options, else the one above
  const std::unique_ptr<environments::EnvironmentCache> cache;
};

bool IsLocal(const std::string& target);                              // compute.cc
WaitingRun AskOf(RunKey key, const spec::RunDefinition& definition);  // schedule.cc

}  // namespace roost::engine
