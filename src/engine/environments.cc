#include "store/environments.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "engine/engine_state.h"
#include "spec/curated_environments.h"

namespace roost::engine {
namespace {

constexpr int kRunsThatShowABuild = 8;
constexpr const char* kKeyProperty = "roost.environment.key";
constexpr const char* kChangesProperty = "roost.environment.changes";
constexpr const char* kContainerHintProperty = "roost.container_hint";

// "", "latest": the newest one; otherwise a number.
Result<std::optional<std::int64_t>> ParseVersion(const spec::EnvironmentDefinition& reference) {
  const std::string& text = reference.version;
  if (text.empty() || text == "latest") return std::nullopt;
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec == std::errc() && parsed.ptr == end) return number;
  return Fail(ErrorCode::kNotFound,
              fmt::format("The environment '{}' has no version '{}'.", reference.name, text));
}

bool IsForNothing(const spec::RunDefinition& definition) {
  return definition.script.empty() &&
         definition.environment.Kind() == spec::EnvironmentKind::kServerPython;
}

}  // namespace

std::map<std::string, std::string> EnvironmentProperties(
    const environments::ReadyEnvironment& environment) {
  std::map<std::string, std::string> properties;
  if (environment.digest == Digest()) return properties;
  properties[kKeyProperty] = environments::EnvironmentCache::KeyOf(environment.digest);
  if (!environment.notes.empty()) {
    std::string changes = Join(environment.notes, "\n");
    if (changes.size() > spec::kMaxTagValue) {
      changes =
          ToValidUtf8(changes.substr(0, spec::kMaxTagValue - 40)) + "\n(more in the build log)";
    }
    properties[kChangesProperty] = std::move(changes);
  }
  return properties;
}

Result<spec::EnvironmentDefinition> Engine::State::ResolveEnvironment(
    const spec::EnvironmentDefinition& asked) const {
  if (spec::IsCuratedName(asked.name)) return spec::ResolveCurated(asked);
  if (!asked.IsReference()) return asked;
  ROOST_ASSIGN(const auto version, ParseVersion(asked));
  ROOST_ASSIGN(store::EnvironmentVersion found, store.environments().Get(asked.name, version));
  // Whether and how a container is used may be said beside a reference.
  found.definition.docker.enabled |= asked.docker.enabled;
  if (!asked.docker.shm_size.empty()) found.definition.docker.shm_size = asked.docker.shm_size;
  return std::move(found.definition);
}

// What the run's environment is, as far as that is known before anything is built. A command finds
// the interpreter on its PATH and needs none unless it names one.
Status Engine::State::FillInEnvironment(spec::RunDefinition* definition,
                                        std::vector<Problem>* problems) const {
  auto resolved = ResolveEnvironment(definition->environment);
  if (!resolved) {
    if (resolved.error().code == ErrorCode::kNotFound) {
      problems->push_back(
          {"environment.name", resolved.error().message + " `roost environments list` shows all."});
      return {};
    }
    if (resolved.error().code != ErrorCode::kInvalidArgument) return Fail(resolved.error());
    problems->push_back({"environment.name", resolved.error().message});
    return {};
  }
  definition->environment = std::move(*resolved);
  if (const auto* curated = spec::FindCurated(definition->environment.name)) {
    definition->properties["roost.environment.curated"] = curated->description;
  }
  if (const std::string hint = cache->ContainerHintOf(definition->environment); !hint.empty()) {
    definition->properties[kContainerHintProperty] = hint;
  }
  const auto kind = definition->environment.Kind();
  const auto found = cache->Find(definition->environment);
  if (!found) {
    const bool names_python =
        kind == spec::EnvironmentKind::kInterpreter || kind == spec::EnvironmentKind::kServerPython;
    if (IsForNothing(*definition)) return {};
    if (!found.error().details.empty()) {
      problems->insert(problems->end(), found.error().details.begin(), found.error().details.end());
    } else {
      problems->push_back(
          {names_python ? "environment.python" : "environment", found.error().message});
    }
    return {};
  }
  if (!*found) return {};
  if (kind == spec::EnvironmentKind::kServerPython) {
    definition->environment.interpreter = (*found)->python.string();
  }
  definition->properties.merge(EnvironmentProperties(**found));
  return {};
}

// Waiting runs first get their environment: one that is there costs a look, any other one is built
// before the run asks for its share of the machine. Of many runs with one environment the first few
// go to Preparing and show its log; the others find it ready. So a turn's work grows with the
// different environments, not with the runs.
void Engine::State::TakeEnvironments(bool may_build) {
  std::map<Digest, int> unready;  // and how many runs are Preparing with it
  for (const auto& [key, live] : live_runs) {
    if (live.phase == Phase::kBuilding) ++unready[live.environment_id];
  }
  std::set<Digest> looked_at;
  std::vector<RunKey> to_build;
  std::vector<std::pair<RunKey, Error>> failed;
  for (auto& [key, live] : live_runs) {
    if (live.phase != Phase::kWaiting || live.environment) continue;
    if (live.environment_id == Digest()) live.environment_id = live.definition.environment.Id();
    if (looked_at.count(live.environment_id) == 0) {
      auto found = cache->Find(live.definition.environment);
      if (found && *found) {
        live.environment = std::move(**found);
        continue;
      }
      if (!found && IsForNothing(live.definition)) {
        live.environment.emplace();
        continue;
      }
      if (!found) {
        // What will pass (no descriptors, no disk) is tried again in the next turn.
        const ErrorCode code = found.error().code;
        const bool passes = code == ErrorCode::kExhausted || code == ErrorCode::kUnavailable;
        if (!passes) failed.emplace_back(key, found.error());
        continue;
      }
      looked_at.insert(live.environment_id);
    }
    if (!may_build || unready[live.environment_id] >= kRunsThatShowABuild) continue;
    ++unready[live.environment_id];
    to_build.push_back(key);
  }
  for (const auto& [key, error] : failed) FailToStart(key, "EnvironmentFailed", error.message);
  for (RunKey key : to_build) StartBuilding(key);
}

void Engine::State::StartBuilding(RunKey key) {
  LiveRun* live = Find(key);
  if (live == nullptr || live->phase != Phase::kWaiting) return;
  if (const Status moved = Move(*live, spec::RunState::kPreparing, "Preparing the environment");
      !moved) {
    LogWarning("step_put_off", {{"run", live->run.id.value()}, {"why", moved.error().message}});
    return;
  }
  Step("building");
  live->phase = Phase::kBuilding;
  live->attempt = live->run.attempt + 1;
  preparers.Post([this, key, attempt = live->attempt, layout = LayoutOf(*live)] {
    Status made = RemoveTree(layout.attempt_folder());
    if (made) made = MakeFolders(layout.attempt_folder(), 0700);
    if (made) made = MakeFolders(layout.log_folder());
    loop.Post([this, key, attempt, made] {
      LiveRun* run = Find(key);
      if (stopping || run == nullptr || run->phase != Phase::kBuilding || run->attempt != attempt) {
        return;
      }
      if (!made) return FailToStart(key, "StartFailed", made.error().message);
      Build(*run);
    });
  });
}

void Engine::State::Build(LiveRun& live) {
  const RunKey key = live.run.key;
  const fs::path log = LayoutOf(live).log_folder() / fs::path(spec::kImageBuildLog).filename();
  live.build = cache->Prepare(
      live.definition.environment, log,
      [this, key, attempt = live.attempt](Result<environments::ReadyEnvironment> result) {
        loop.Post([this, key, attempt, result = std::move(result)] {
          LiveRun* run = Find(key);
          if (stopping || run == nullptr || run->phase != Phase::kBuilding ||
              run->attempt != attempt) {
            return;
          }
          run->build.reset();
          if (!result) return FailToStart(key, "EnvironmentFailed", result.error().message);
          run->environment = *result;
          FinishBuilding(key);
        });
      });
}

// Back into the queue, with the place that the run had.
void Engine::State::FinishBuilding(RunKey key) {
  LiveRun* live = Find(key);
  if (live == nullptr || live->phase != Phase::kBuilding || !live->environment) return;
  Status kept = store.runs().AddProperties(key, EnvironmentProperties(*live->environment));
  // Another build of this run left other words; the newest log has the truth.
  if (!kept && kept.error().code == ErrorCode::kConflict) kept = {};
  if (kept) kept = Move(*live, spec::RunState::kQueued, "The environment is ready");
  if (!kept) return RetryLater(key, &State::FinishBuilding, kept.error());
  Step("built");
  live->phase = Phase::kWaiting;
  ScheduleTurn();
}

// What a run of an earlier server uses must not be evicted by this one.
void Engine::State::HoldEnvironment(LiveRun& live) {
  auto found = cache->Find(live.definition.environment);
  if (found && *found) live.environment = std::move(**found);
}

}  // namespace roost::engine
