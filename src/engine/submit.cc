#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "engine/engine_state.h"
#include "engine/run_inputs.h"
#include "spec/curated_environments.h"
#include "store/environments.h"
#include "store/experiments.h"
#include "store/snapshots.h"

namespace roost::engine {
namespace {

constexpr const char* kQueued = "Queued";

std::string NormalisedScript(std::string script) {
  while (script.starts_with("./")) script.erase(0, 2);
  return script;
}

// Empty when the script is there.
std::string ProblemWithScript(const spec::SnapshotManifest& manifest, const std::string& script) {
  const auto has = [&](const std::string& path) {
    return std::any_of(manifest.files.begin(), manifest.files.end(),
                       [&](const spec::SnapshotFile& file) { return file.path == path; });
  };
  if (has(script)) return {};
  for (const spec::SnapshotFile& file : manifest.files) {
    if (fs::path(file.path).filename() == fs::path(script).filename()) {
      return fmt::format("there is no '{}' in the submitted folder; did you mean '{}'?", script,
                         file.path);
    }
  }
  return fmt::format(
      "there is no '{}' in the submitted folder; the path is relative to that folder, and "
      ".amlignore or .gitignore may leave files out",
      script);
}

// That there is something to run, and that its snapshot has it. An error is the store's own.
Status CheckSource(store::Store& store, const spec::RunDefinition& definition,
                   std::vector<Problem>* problems) {
  if (definition.script.empty() == definition.command.empty()) {
    problems->push_back({"script", "give either a script or a command"});
  }
  if (!definition.snapshot) {
    if (!definition.script.empty()) {
      problems->push_back({"snapshot", "a script needs the snapshot of the folder that it is in"});
    }
    return {};
  }
  const auto manifest = store.snapshots().Get(*definition.snapshot);
  if (!manifest) {
    if (manifest.error().code != ErrorCode::kNotFound) return Fail(manifest.error());
    problems->push_back({"snapshot", fmt::format("there is no snapshot {}; send the folder first",
                                                 definition.snapshot->ToText())});
  } else if (!definition.script.empty()) {
    std::string problem = ProblemWithScript(*manifest, definition.script);
    if (!problem.empty()) problems->push_back({"script", std::move(problem)});
  }
  return {};
}

Status CheckParent(store::Store& store, const std::string& parent_id,
                   std::vector<Problem>* problems) {
  if (parent_id.empty()) return {};
  const auto parent = store.runs().Get(RunId(parent_id));
  if (!parent && parent.error().code != ErrorCode::kNotFound) return Fail(parent.error());
  if (!parent || parent->lifecycle == spec::Lifecycle::kDeleted) {
    problems->push_back({"parent", fmt::format("there is no run '{}'", parent_id)});
  }
  return {};
}

}  // namespace

// Gives the definition complete with what this machine fills in, or all problems at once.
Result<spec::RunDefinition> Engine::State::Check(const spec::RunDefinition& asked) const {
  spec::RunDefinition definition = asked;
  definition.script = NormalisedScript(definition.script);
  std::vector<Problem> problems;
  ROOST_TRY(FitToTarget(&definition, &problems));
  ROOST_TRY(CheckSource(store, definition, &problems));
  ROOST_TRY(FillInEnvironment(&definition, &problems));
  ROOST_TRY(CheckParent(store, definition.parent, &problems));
  ROOST_TRY(CheckRunData(store, &definition, &problems));
  if (!problems.empty()) {
    Error error{ErrorCode::kInvalidArgument, "The run cannot be started here: ", {}};
    error.message += problems.front().message;
    error.details = std::move(problems);
    return Fail(std::move(error));
  }
  if (definition.display_name.empty()) definition.display_name = spec::MakeDisplayName();
  return definition;
}

Result<store::Runs::Created> Engine::State::Submit(const spec::RunDefinition& asked,
                                                   const std::string& submitter,
                                                   const std::string& idempotency_key,
                                                   const std::string& request_digest,
                                                   bool may_register) {
  ROOST_ASSIGN(spec::RunDefinition definition, Check(asked));
  if (may_register && !asked.environment.name.empty() && !asked.environment.IsReference() &&
      !spec::IsCuratedName(asked.environment.name)) {
    // Under its name others can ask for it, and this run says which version it had.
    ROOST_ASSIGN(const auto registered, store.environments().Register(asked.environment));
    definition.environment.version = std::to_string(registered.version.version);
  }
  ROOST_ASSIGN(const store::Experiment experiment,
               store.experiments().GetOrCreate(definition.experiment));
  store::NewRun row;
  row.id = RunId(spec::MakeSubmittedRunId(definition.experiment, clock.Now() / 1'000'000));
  row.experiment = experiment.id;
  row.kind = spec::RunKind::kManaged;
  row.state = spec::RunState::kQueued;
  row.parent_id = definition.parent;
  row.display_name = definition.display_name;
  row.description = definition.description;
  row.submitter = submitter;
  row.compute_target = definition.compute_target;
  row.snapshot = definition.snapshot;
  row.definition_json = spec::ToJson(definition).dump();
  row.idempotency_key = idempotency_key;
  row.request_digest = request_digest;
  row.tags = definition.tags;
  row.properties = definition.properties;

  ROOST_ASSIGN(const auto planned_data, PlannedRunData(store, definition));
  // Looked at here: it reads files, for which the loop has no time.
  const auto environment = cache->Find(definition.environment);
  const bool must_be_built = environment && !*environment;

  return Call<store::Runs::Created>([&]() -> Result<store::Runs::Created> {
    ROOST_TRY(CheckTarget(definition.compute_target));
    // What the queue will say about it is written with the run itself, which spares a write.
    std::vector<WaitingRun> waiting = Waiting(true);
    waiting.push_back(AskOf(RunKey(), definition));
    const QueueDecision decision =
        PlanQueue(total, free, waiting, PauseReason(), clusters.Pools()).back();
    row.reason = decision.start ? kQueued : decision.reason;
    if (must_be_built) row.reason = "Waiting for its environment";
    ROOST_ASSIGN(store::Runs::Created created, store.runs().Create(row));
    if (created.created) {
      Step("created");
      // Lost when the server dies here; preparing writes it anew.
      if (const Status kept = store.run_data().Put(created.run.key, planned_data); !kept) {
        LogWarning("lineage_put_off", {{"run", created.run.id.value()}});
      }
      LogInfo("run_submitted", {{"run", created.run.id.value()}, {"submitter", submitter}});
      Adopt(created.run, definition);
      ScheduleTurn();
    }
    return created;
  });
}

}  // namespace roost::engine
