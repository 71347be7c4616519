#include "spec/run_state.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace roost::spec {
namespace {

using enum RunState;

constexpr std::array kAllStates = {kNotStarted, kStarting, kProvisioning, kPreparing,
                                   kQueued,     kRunning,  kFinalizing,   kCancelRequested,
                                   kCompleted,  kFailed,   kCanceled};

constexpr std::array<std::string_view, kAllStates.size()> kStateNames = {
    "NotStarted", "Starting",        "Provisioning", "Preparing", "Queued",  "Running",
    "Finalizing", "CancelRequested", "Completed",    "Failed",    "Canceled"};

constexpr std::size_t IndexOf(RunState state) { return static_cast<std::size_t>(state); }

// A set of states, one bit each.
using StateSet = std::uint16_t;

template <class... States>
constexpr StateSet Set(States... states) {
  return static_cast<StateSet>((0U | ... | (1U << IndexOf(states))));
}
constexpr bool Has(StateSet set, RunState state) { return ((set >> IndexOf(state)) & 1U) != 0; }

struct MovesOfState {
  RunState from;
  StateSet to;
};
struct Table {
  StateSet first;  // the states in which a run may be made
  std::array<MovesOfState, kAllStates.size()> moves;
};

// Why the less obvious moves are there:
// - The waiting states are passed in the order that the run's needs ask for: an environment may be
//   prepared before or after waiting for a place, and a cluster may grow in between.
// - Starting goes back to Queued when recovery fenced a launch that had never been claimed: nothing
//   ran, so the run may be started again.
// - Starting goes to Finalizing when a launch ended before anyone saw it run, e.g. while the server
//   was down.
// - A waiting run has no processes, so its cancel is immediate. Starting may have some or not,
//   hence both Canceled and CancelRequested.
// - CancelRequested ends as Completed or Failed when the script was done before the signal came.
// - Every active state may fail: the machine may break its promises at any moment.
constexpr Table kManaged = {
    Set(kNotStarted, kQueued),
    {{{kNotStarted,
       Set(kStarting, kProvisioning, kPreparing, kQueued, kRunning, kFailed, kCanceled)},
      {kStarting, Set(kQueued, kRunning, kFinalizing, kCancelRequested, kFailed, kCanceled)},
      {kProvisioning, Set(kStarting, kPreparing, kQueued, kRunning, kFailed, kCanceled)},
      {kPreparing, Set(kStarting, kProvisioning, kQueued, kRunning, kFailed, kCanceled)},
      {kQueued, Set(kStarting, kProvisioning, kPreparing, kRunning, kFailed, kCanceled)},
      {kRunning, Set(kFinalizing, kCancelRequested, kFailed)},
      {kFinalizing, Set(kCompleted, kFailed, kCanceled)},
      {kCancelRequested, Set(kFinalizing, kCompleted, kFailed, kCanceled)},
      {kCompleted, Set()},
      {kFailed, Set()},
      {kCanceled, Set()}}}};

// A client moves its run as it likes between NotStarted, Running and the final states, e.g. to
// resume a finished training or to correct what it said before. The other states need a launch.
constexpr Table kTracked = {Set(kNotStarted, kRunning),
                            {{{kNotStarted, Set(kRunning, kCompleted, kFailed, kCanceled)},
                              {kStarting, Set()},
                              {kProvisioning, Set()},
                              {kPreparing, Set()},
                              {kQueued, Set()},
                              {kRunning, Set(kNotStarted, kCompleted, kFailed, kCanceled)},
                              {kFinalizing, Set()},
                              {kCancelRequested, Set()},
                              {kCompleted, Set(kNotStarted, kRunning, kFailed, kCanceled)},
                              {kFailed, Set(kNotStarted, kRunning, kCompleted, kCanceled)},
                              {kCanceled, Set(kNotStarted, kRunning, kCompleted, kFailed)}}}};

constexpr bool RowsAreInOrder(const Table& table) {
  for (std::size_t i = 0; i < table.moves.size(); ++i) {
    if (IndexOf(table.moves[i].from) != i || IndexOf(kAllStates[i]) != i) return false;
  }
  return true;
}
static_assert(RowsAreInOrder(kManaged) && RowsAreInOrder(kTracked));

const Table& TableOf(RunKind kind) { return kind == RunKind::kManaged ? kManaged : kTracked; }

constexpr std::array<std::string_view, 2> kKindNames = {"managed", "tracked"};
constexpr std::array<std::string_view, 3> kLifecycleNames = {"active", "archived", "deleted"};

template <class Enum, std::size_t kCount>
std::optional<Enum> FindName(const std::array<std::string_view, kCount>& names,
                             std::string_view text) {
  for (std::size_t i = 0; i < kCount; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view ToString(RunState state) { return kStateNames[IndexOf(state)]; }
std::string_view ToString(RunKind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }
std::string_view ToString(Lifecycle lifecycle) {
  return kLifecycleNames[static_cast<std::size_t>(lifecycle)];
}

std::optional<RunState> ParseRunState(std::string_view text) {
  return FindName<RunState>(kStateNames, text);
}
std::optional<RunKind> ParseRunKind(std::string_view text) {
  return FindName<RunKind>(kKindNames, text);
}
std::optional<Lifecycle> ParseLifecycle(std::string_view text) {
  return FindName<Lifecycle>(kLifecycleNames, text);
}

bool IsFinal(RunState state) { return Has(Set(kCompleted, kFailed, kCanceled), state); }

bool MayBegin(RunKind kind, RunState state) { return Has(TableOf(kind).first, state); }

bool MayMove(RunKind kind, RunState from, RunState to) {
  return Has(TableOf(kind).moves[IndexOf(from)].to, to);
}

std::vector<RunState> MovesFrom(RunKind kind, RunState from) {
  std::vector<RunState> moves;
  for (RunState to : kAllStates) {
    if (MayMove(kind, from, to)) moves.push_back(to);
  }
  return moves;
}

std::span<const RunState> AllRunStates() { return kAllStates; }

std::string StateDiagram(RunKind kind) {
  std::string diagram = "stateDiagram-v2\n";
  const auto line = [&](std::string_view from, std::string_view to) {
    diagram.append("    ").append(from).append(" --> ").append(to).append("\n");
  };
  for (RunState state : kAllStates) {
    if (MayBegin(kind, state)) line("[*]", ToString(state));
  }
  for (RunState from : kAllStates) {
    for (RunState to : MovesFrom(kind, from)) line(ToString(from), ToString(to));
  }
  for (RunState state : kAllStates) {
    if (IsFinal(state)) line(ToString(state), "[*]");
  }
  return diagram;
}

}  // namespace roost::spec
