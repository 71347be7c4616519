#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/files.h"
#include "engine/compute.h"
#include "environments/environment_cache.h"
#include "launch/launcher.h"
#include "launch/machine.h"
#include "spec/run_definition.h"
#include "store/runs.h"
#include "store/store.h"

namespace roost::engine {

struct EngineOptions {
  std::string server_url;  // what runs are told: "http://127.0.0.1:7070"
  fs::path trainer;        // roost-trainer, which runs find in PATH; empty: none
  // How environments are built. `python` is the interpreter of runs that name none; an empty
  // folder stands for `environments` in the data folder.
  environments::BuildSettings environments;
  environments::CommandRunner* environment_runner = nullptr;  // for tests; nullptr: real programs
  fs::path sdk_python_folder;                 // put last on a run's module path; empty: none
  std::uint64_t min_free_bytes = 1ULL << 30;  // below it the queue pauses with a reason
  std::int64_t grace_ms = 15'000;             // between TERM and KILL
  std::string on_run_end;                     // command or http(s) URL; empty: none
  launch::MachineResources machine;
  std::vector<spec::VmSize> vm_sizes = spec::ShippedVmSizes();
  MissingGpus missing_gpus = MissingGpus::kSubstitute;
  std::chrono::milliseconds log_watch_interval{2000};  // how often ./logs of live runs is looked at
  std::chrono::milliseconds retry_interval{1000};  // after the store refused a write (disk full)
  // For kill tests: called after each durable step of a run's life with the step's name ("created",
  // "building", "built", "preparing", "prepared", "launch_recorded", "starting", "launched",
  // "running", "end_recorded", "finalizing", "files_kept", "report_taken_in", "scratch_removed",
  // "finished", "cancel_requested", "requeued"), on the thread that did it.
  std::function<void(std::string_view)> after_step;
};

// How a launcher is made: the engine hands its loop and its listener over.
using LauncherFactory =
    std::function<std::unique_ptr<launch::Launcher>(EventLoop&, launch::LaunchListener)>;

struct QueueStatus {
  bool paused = false;
  std::string reason;
  double cpus_used = 0;
  int gpus_used = 0;
  std::int64_t memory_mb_used = 0;
  std::int64_t waiting = 0;
  std::int64_t running = 0;
};

// The story of a run: submit, queue, prepare, supervise, finalize, register, recover. Owns one
// thread (the loop), which alone moves managed runs, and a few workers for copying and hashing; the
// public functions may be called from any other thread between Start and Stop (kUnavailable
// otherwise), and return when what they promise is durable.
class Engine {
 public:
  Engine(store::Store& store, EngineOptions options, LauncherFactory make_launcher,
         Clock& clock = SystemClock());
  ~Engine();  // stops the loop; runs go on without us

  // Recovers every live launch, then starts to queue. Call once.
  Status Start();
  // No new launches; returns when the loop is idle. Runs go on.
  void Stop();

  // Checks everything that needs this machine (snapshot there, script in it, interpreter, resources
  // that exist) and reports all problems at once; then keeps the run, queued. A known idempotency
  // key gives the earlier run. An environment with name and content is registered under the name,
  // unless a run submits its child: a run may not change what a name stands for.
  Result<store::Runs::Created> Submit(const spec::RunDefinition& definition,
                                      const std::string& submitter,
                                      const std::string& idempotency_key,
                                      const std::string& request_digest, bool may_register = true);

  struct TrackedRun {
    std::string experiment = "Default";         // made when it is new
    std::optional<ExperimentId> experiment_id;  // instead of the name: one that is there
    std::string id;                             // empty: a uuid4
    std::string display_name;
    std::string description;
    std::string parent;
    std::string user_id;                              // as an MLflow client gave it
    Micros started_at = 0;                            // 0: now
    spec::RunState state = spec::RunState::kRunning;  // or kNotStarted
    std::optional<Digest> snapshot;
    std::map<std::string, std::optional<std::string>> tags;
    std::map<std::string, std::string> properties;
    std::string idempotency_key;  // as in Submit; empty: none
    std::string request_digest;
  };
  Result<store::Runs::Created> CreateTracked(const TrackedRun& run, const std::string& submitter);

  // Accepted (a waiting run is Canceled at once; a running one when its last process is gone; one
  // that is Finalizing has no processes left and keeps its outcome), or kConflict when the run is
  // Completed or Failed. Cancelling twice is fine.
  Result<store::Run> Cancel(const RunId& run);

  // A client's word: moves a tracked run, is stored beside a managed one.
  Result<store::Run> ReportStatus(const RunId& run, spec::RunState status,
                                  const std::string& error_json, Micros ended_at);

  QueueStatus Queue() const;

  // What a reference to a registered environment stands for; kNotFound when there is none.
  Result<spec::EnvironmentDefinition> ResolveEnvironment(
      const spec::EnvironmentDefinition& asked) const;
  // The environments on disk; lives as long as the engine, and may be used from any thread.
  environments::EnvironmentCache& environments();
  // Compute targets. Deleting one fails what waits for it, cancels what runs on it, and is over
  // when its last run is; `local` cannot be changed (kConflict).
  const std::vector<spec::VmSize>& vm_sizes() const;
  MissingGpus missing_gpus() const;
  Result<std::vector<ComputeView>> ListCompute();  // `local` first, then by name
  Result<ComputeView> GetCompute(const std::string& name);
  struct ComputeCreated {
    ComputeView view;
    bool created = true;  // false: it was there with the same settings; other ones are kConflict
  };
  Result<ComputeCreated> CreateCompute(const spec::ClusterSettings& settings);
  Result<ComputeView> UpdateCompute(const std::string& name, const spec::ClusterChange& change);
  Result<ComputeView> DeleteCompute(const std::string& name);

  struct State;  // engine_state.h; of this module alone

 private:
  std::unique_ptr<State> state_;
};

}  // namespace roost::engine
