#include "spec/run_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/files.h"

namespace roost::spec {
namespace {

using enum RunState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr RunKind kKinds[] = {RunKind::kManaged, RunKind::kTracked};

TEST(RunState, NamesReadBackAndOthersDoNot) {
  std::set<std::string_view> names;
  for (RunState state : AllRunStates()) {
    names.insert(ToString(state));
    EXPECT_EQ(ParseRunState(ToString(state)), state);
  }
  EXPECT_EQ(names.size(), 11U);
  EXPECT_EQ(ToString(kCancelRequested), "CancelRequested");
  EXPECT_EQ(ParseRunState("running"), std::nullopt);
  EXPECT_EQ(ParseRunState(""), std::nullopt);
  for (RunKind kind : kKinds) EXPECT_EQ(ParseRunKind(ToString(kind)), kind);
  EXPECT_EQ(ParseRunKind("Managed"), std::nullopt);
  for (auto lifecycle : {Lifecycle::kActive, Lifecycle::kArchived, Lifecycle::kDeleted}) {
    EXPECT_EQ(ParseLifecycle(ToString(lifecycle)), lifecycle);
  }
  EXPECT_EQ(ParseLifecycle("gone"), std::nullopt);
}

TEST(RunState, ThreeStatesAreFinal) {
  std::vector<RunState> final_states;
  for (RunState state : AllRunStates()) {
    if (IsFinal(state)) final_states.push_back(state);
    EXPECT_NE(IsFinal(state), IsActive(state));
  }
  EXPECT_THAT(final_states, ElementsAre(kCompleted, kFailed, kCanceled));
}

TEST(RunState, ManagedMovesThatTheEngineNeeds) {
  const std::vector<std::vector<RunState>> lives = {
      {kQueued, kRunning, kFinalizing, kCompleted},
      {kQueued, kStarting, kRunning, kFinalizing, kCompleted},
      {kNotStarted, kPreparing, kQueued, kStarting, kRunning, kFinalizing, kFailed},
      {kNotStarted, kQueued, kProvisioning, kPreparing, kStarting, kRunning, kFinalizing,
       kCompleted},
      {kQueued, kCanceled},
      {kQueued, kStarting, kRunning, kCancelRequested, kFinalizing, kCanceled},
      {kQueued, kStarting, kCancelRequested, kCanceled},
      {kQueued, kStarting, kQueued, kStarting, kRunning,
       kFailed},                                      // a fenced launch, then a lost one
      {kQueued, kStarting, kFinalizing, kCompleted},  // ended while the server was down
      {kQueued, kRunning, kCancelRequested, kFinalizing, kCompleted}};  // done before the signal
  for (const auto& life : lives) {
    EXPECT_TRUE(MayBegin(RunKind::kManaged, life.front()));
    for (std::size_t i = 1; i < life.size(); ++i) {
      EXPECT_TRUE(MayMove(RunKind::kManaged, life[i - 1], life[i]))
          << ToString(life[i - 1]) << " to " << ToString(life[i]);
    }
  }
}

TEST(RunState, ManagedMovesThatMustNotHappen) {
  const std::pair<RunState, RunState> forbidden[] = {
      {kRunning, kCompleted},  // outputs would be lost
      {kRunning, kCanceled},   // processes might still be there
      {kRunning, kQueued},     // a script is never run twice
      {kFinalizing, kCancelRequested},
      {kFinalizing, kRunning},
      {kCancelRequested, kRunning},
      {kQueued, kNotStarted},
      {kQueued, kCompleted},
      {kQueued, kFinalizing},
      {kStarting, kCompleted}};
  for (const auto& [from, to] : forbidden) {
    EXPECT_FALSE(MayMove(RunKind::kManaged, from, to)) << ToString(from) << " to " << ToString(to);
  }
}

TEST(RunState, RulesOfTheManagedTable) {
  for (RunState from : AllRunStates()) {
    EXPECT_FALSE(MayMove(RunKind::kManaged, from, from)) << ToString(from);
    if (IsFinal(from)) {
      EXPECT_THAT(MovesFrom(RunKind::kManaged, from), IsEmpty()) << ToString(from);
    } else {
      EXPECT_TRUE(MayMove(RunKind::kManaged, from, kFailed)) << ToString(from);
    }
  }
  for (RunState waiting : {kNotStarted, kStarting, kProvisioning, kPreparing, kQueued}) {
    EXPECT_TRUE(MayMove(RunKind::kManaged, waiting, kCanceled)) << ToString(waiting);
  }
}

TEST(RunState, TrackedRunsMoveBetweenRunningAndFinal) {
  EXPECT_THAT(MovesFrom(RunKind::kTracked, kNotStarted),
              ElementsAre(kRunning, kCompleted, kFailed, kCanceled));
  EXPECT_THAT(MovesFrom(RunKind::kTracked, kRunning),
              ElementsAre(kNotStarted, kCompleted, kFailed, kCanceled));
  EXPECT_THAT(MovesFrom(RunKind::kTracked, kCompleted),
              ElementsAre(kNotStarted, kRunning, kFailed, kCanceled));
  EXPECT_THAT(MovesFrom(RunKind::kTracked, kCanceled),
              ElementsAre(kNotStarted, kRunning, kCompleted, kFailed));
  for (RunState from :
       {kStarting, kProvisioning, kPreparing, kQueued, kFinalizing, kCancelRequested}) {
    EXPECT_THAT(MovesFrom(RunKind::kTracked, from), IsEmpty()) << ToString(from);
  }
}

// Every state that can be reached can be left towards an end.
TEST(RunState, NoRunCanGetStuck) {
  for (RunKind kind : kKinds) {
    std::set<RunState> seen;
    std::vector<RunState> open;
    for (RunState state : AllRunStates()) {
      if (MayBegin(kind, state)) open.push_back(state);
    }
    EXPECT_FALSE(open.empty());
    while (!open.empty()) {
      const RunState state = open.back();
      open.pop_back();
      if (!seen.insert(state).second) continue;
      const auto moves = MovesFrom(kind, state);
      EXPECT_TRUE(IsFinal(state) || !moves.empty()) << ToString(state);
      open.insert(open.end(), moves.begin(), moves.end());
    }
    EXPECT_EQ(seen.size(), kind == RunKind::kManaged ? 11U : 5U);
  }
}

TEST(RunState, DocumentShowsTheTables) {
  const auto document = ReadFile(fs::path(ROOST_SOURCE_FOLDER) / "docs" / "run_states.md");
  ASSERT_TRUE(document) << document.error().message;
  for (RunKind kind : kKinds) {
    EXPECT_THAT(*document, HasSubstr("```mermaid\n" + StateDiagram(kind) + "```\n"));
  }
  for (RunState state : AllRunStates()) {
    EXPECT_THAT(*document, HasSubstr("| `" + std::string(ToString(state)) + "` | "));
  }
}

}  // namespace
}  // namespace roost::spec
