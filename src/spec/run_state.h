#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace roost::spec {

// Where a run is in its life. The names are Azure ML's and are the ones on the wire and in SQL.
enum class RunState {
  kNotStarted,
  kStarting,
  kProvisioning,
  kPreparing,
  kQueued,
  kRunning,
  kFinalizing,
  kCancelRequested,
  kCompleted,
  kFailed,
  kCanceled,
};

// A managed run has a launch and only the engine moves it; a tracked run (interactive, offline,
// MLflow) is moved by its client and may go from a final state back to Running.
enum class RunKind { kManaged, kTracked };

// Apart from the state: whether people still see the run.
enum class Lifecycle { kActive, kArchived, kDeleted };

std::string_view ToString(RunState state);  // "CancelRequested"
std::string_view ToString(RunKind kind);    // "managed"
std::string_view ToString(Lifecycle lifecycle);
std::optional<RunState> ParseRunState(std::string_view text);
std::optional<RunKind> ParseRunKind(std::string_view text);
std::optional<Lifecycle> ParseLifecycle(std::string_view text);

bool IsFinal(RunState state);
// Waiting, running or being collected: the engine holds it in memory.
inline bool IsActive(RunState state) { return !IsFinal(state); }

// The one table of allowed moves. CancelRequested is a state only between an accepted cancel and
// the end of the last process; a waiting run that is cancelled goes straight to Canceled.
bool MayMove(RunKind kind, RunState from, RunState to);
// The states in which a run may be made.
bool MayBegin(RunKind kind, RunState state);
std::vector<RunState> MovesFrom(RunKind kind, RunState from);
std::span<const RunState> AllRunStates();

// The table as a Mermaid state diagram, as it stands in docs/run_states.md (a test compares).
std::string StateDiagram(RunKind kind);

}  // namespace roost::spec
