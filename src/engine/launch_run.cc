#include <fcntl.h>
#include <fmt/format.h>

#include "base/log.h"
#include "base/subprocess.h"
#include "engine/engine_state.h"
#include "engine/prepare.h"
#include "engine/run_container.h"
#include "engine/run_data.h"
#include "engine/run_environment.h"
#include "engine/run_inputs.h"
#include "store/launches.h"
#include "store/tokens.h"

namespace roost::engine {

void Engine::State::StartPreparing(RunKey key) {
  LiveRun* live = Find(key);
  if (live == nullptr || live->phase != Phase::kWaiting) return;
  Status moved = TakeNode(*live);
  if (moved) moved = Move(*live, spec::RunState::kPreparing, "Making the working folder");
  if (!moved) {
    GiveNodeBack(*live);
    // It stays in the queue, and the next turn tries again.
    LogWarning("step_put_off", {{"run", live->run.id.value()}, {"why", moved.error().message}});
    return;
  }
  live->phase = Phase::kPreparing;
  live->gpus = TakeShare(live->definition.resources, free);
  live->holds_share = true;
  live->attempt = live->run.attempt + 1;
  live->preparing_stopped = std::make_shared<std::atomic<bool>>(false);
  Step("preparing");
  const bool in_image = live->environment && live->environment->container;
  PreparersOf(*live).Post([this, key, attempt = live->attempt, layout = LayoutOf(*live), in_image,
                           definition = live->definition, run_id = live->run.id,
                           stopped = live->preparing_stopped] {
    if (*stopped) return;  // cancelled while it waited for this worker
    // A server that died just after the run was queued again has left these.
    if (attempt > 1) RemovePrepared({store.data_folder(), run_id, attempt - 1});
    Status prepared = PrepareAttempt(store, layout, definition.snapshot);
    if (prepared) {
      prepared = PrepareRunData(store, {key, layout, definition, mount_means, in_image,
                                        [this, stopped] { return stopping || *stopped; }});
    }
    if (prepared) Step("prepared");
    loop.Post([this, key, attempt, prepared] { OnPrepared(key, attempt, prepared); });
  });
}

void Engine::State::OnPrepared(RunKey key, int attempt, const Status& prepared) {
  LiveRun* live = Find(key);
  if (stopping || live == nullptr || live->phase != Phase::kPreparing || live->attempt != attempt) {
    return;
  }
  if (!prepared) {
    return FailToStart(key, "StartFailed",
                       "The working folder could not be made: " + prepared.error().message);
  }
  auto plan = ReadDataPlan(LayoutOf(*live));
  const bool has_data = !live->definition.inputs.empty() || !live->definition.outputs.empty();
  if (plan && has_data && plan->values.empty()) {
    plan = Fail(ErrorCode::kInternal, "its file is gone");
  }
  if (!plan) {
    return FailToStart(key, "StartFailed",
                       "What was prepared of the run's data is not known: " + plan.error().message);
  }
  live->data_plan = std::move(*plan);
  live->phase = Phase::kLaunching;
  Launch(key);
}

Status Engine::State::RecordLaunch(LiveRun& live, const std::string& token) {
  // A second try keeps the id of the first, whose row may be there although its answer was an
  // error.
  if (live.launch_id.empty()) live.launch_id = RandomHex(16);
  store::Launch row;
  row.id = live.launch_id;
  row.run = live.run.key;
  row.attempt = live.attempt;
  row.target = live.run.compute_target;
  row.token_digest = DigestOf(token).ToText();
  row.created_at = clock.Now();
  if (Status kept = store.launches().Create(row); !kept) {
    const auto newest = store.launches().Newest(live.run.key);
    if (!newest || newest->id != live.launch_id) return kept;
  }
  live.launch_recorded = true;
  live.run.attempt = live.attempt;
  return {};
}

spec::LaunchRequest Engine::State::MakeRequest(const LiveRun& live,
                                               const std::string& token) const {
  const spec::RunLayout layout = LayoutOf(live);
  RunIdentity identity;
  identity.server_url = options.server_url;
  identity.token = token;
  identity.launch_id = live.launch_id;
  identity.attempt = live.attempt;
  if (live.environment) {
    identity.python = live.environment->python;
    identity.environment_folder = live.environment->prefix;
  }
  identity.sdk_python_folder = options.sdk_python_folder;
  identity.trainer = options.trainer;
  identity.gpus = live.gpus;
  identity.machine_has_gpus = !total.gpus.empty();

  spec::LaunchRequest request;
  request.launch_id = live.launch_id;
  request.attempt = live.attempt;
  request.environment =
      MakeRunEnvironment(live.run, live.definition, layout, identity, CurrentEnvironment());
  AddDataVariables(live.data_plan, &request.environment);
  request.mounts = live.data_plan.mounts;
  const spec::RunDefinition definition = WithDataPaths(live.definition, live.data_plan);
  request.argv = MakeRunArguments(definition, identity.python, request.environment);
  request.working_folder = layout.working_folder().string();
  request.log_file = (layout.log_folder() / fs::path(spec::kDriverLog).filename()).string();
  request.time_limit_ms = live.definition.time_limit_seconds * 1000;
  request.grace_ms = options.grace_ms;
  request.memory_limit_mb = live.definition.resources.memory_mb;
  if (live.environment && live.environment->container) PutIntoImage(live, definition, request);
  return request;
}

void Engine::State::PutIntoImage(const LiveRun& live, const spec::RunDefinition& definition,
                                 spec::LaunchRequest& request) const {
  ContainerRun run;
  run.name = fmt::format("{}-{}", live.run.id.value(), live.attempt);
  if (!options.sdk_python_folder.empty()) run.read_only.push_back(options.sdk_python_folder);
  run.gpus = live.gpus;
  run.tool_environment = options.environments.variables;
  if (definition.script.empty()) {
    request.argv = CommandInContainer(definition.command);
  } else if (request.argv.front().empty()) {
    request.argv.front() = "python";  // the image has none that was found; its own error says so
  }
  // A file can be mounted only when it is there.
  if (const auto report = OpenFile(LayoutOf(live).report_file(), O_WRONLY | O_CREAT | O_APPEND);
      !report) {
    LogWarning("no_report_file", {{"run", live.run.id.value()}, {"why", report.error().message}});
  }
  const auto notes = PutIntoContainer(*live.environment->container, run, LayoutOf(live), request);
  for (const std::string& note : notes) {
    LogWarning("container_note", {{"run", live.run.id.value()}, {"note", note}});
  }
}

// Row first, then the state, then the launcher: a death in between is found by recovery, which
// fences the launch before it starts another.
void Engine::State::Launch(RunKey key) {
  LiveRun* live = Find(key);
  if (live == nullptr || live->phase != Phase::kLaunching) return;
  const spec::RunLayout layout = LayoutOf(*live);
  const auto token = store.tokens().CreateForRun(key, live->attempt);
  if (!token) return RetryLater(key, &State::Launch, token.error());
  if (!live->launch_recorded) {
    if (const Status kept = RecordLaunch(*live, *token); !kept) {
      return RetryLater(key, &State::Launch, kept.error());
    }
    Step("launch_recorded");
  }
  if (const Status moved = Move(*live, spec::RunState::kStarting, "Starting the process"); !moved) {
    return RetryLater(key, &State::Launch, moved.error());
  }
  Step("starting");

  const spec::LaunchRequest request = MakeRequest(*live, *token);
  live->phase = Phase::kLaunched;
  live->log_watch = std::make_shared<LogWatch>(key, layout.logs_folder());
  if (const Status started = launcher->Start(request, layout.launch_folder()); !started) {
    spec::ExitRecord record;
    record.launch_id = live->launch_id;
    record.attempt = live->attempt;
    record.ended_at = clock.Now();
    record.cause = spec::EndCause::kStartFailed;
    record.message = started.error().message;
    return OnEnded(*live, {std::move(record), {}, false});
  }
  Step("launched");
}

// Nothing was launched; the run fails with the reason.
void Engine::State::FailToStart(RunKey key, const char* code, const std::string& why) {
  LiveRun* live = Find(key);
  if (live == nullptr) return;
  live->phase = Phase::kFinishing;
  live->outcome = {spec::RunState::kFailed, why, ErrorJson(code, why)};
  collectors.Post([this, key, layout = LayoutOf(*live)] {
    RemovePrepared(layout);
    loop.Post([this, key] { Finish(key); });
  });
}

}  // namespace roost::engine
