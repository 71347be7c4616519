#include "store/runs.h"

#include "store/maintenance.h"
#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using spec::Lifecycle;
using spec::RunKind;
using spec::RunState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using RunsTest = StoreFixture;

TEST_F(RunsTest, ARunComesBackAsItWasKept) {
  Add("parent");
  NewRun run = RunOf("a");
  run.reason = "waits for a core";
  run.parent_id = "parent";
  run.description = "a \"quoted\" text";
  run.snapshot = AddSnapshot("print(1)");
  run.definition_json = R"({"script": "train.py"})";
  run.tags = {{"team", "vision"}, {"flag", std::nullopt}};
  run.properties = {{"azureml.git.branch", "main"}};
  Add(run);
  Open();  // also after a restart

  const RunRow kept = Get("a");
  EXPECT_EQ(kept.id.value(), "a");
  EXPECT_EQ(kept.number, 2);
  EXPECT_EQ(kept.experiment_name, "Default");
  EXPECT_EQ(kept.kind, RunKind::kManaged);
  EXPECT_EQ(kept.state, RunState::kQueued);
  EXPECT_EQ(kept.reason, "waits for a core");
  EXPECT_EQ(kept.parent_id, "parent");
  EXPECT_EQ(kept.description, "a \"quoted\" text");
  EXPECT_EQ(kept.snapshot, run.snapshot);
  EXPECT_EQ(kept.definition_json, R"({"script": "train.py"})");
  EXPECT_EQ(kept.created_at, clock.Now());
  EXPECT_EQ(kept.started_at, 0);
  EXPECT_EQ(kept.ended_at, 0);
  EXPECT_EQ(kept.tags, run.tags);
  EXPECT_EQ(kept.properties, run.properties);
  EXPECT_EQ(ROOST_VALUE(store->runs().Get(kept.key)).id, kept.id);
}

TEST_F(RunsTest, ASnapshotThatWasCollectedIsAskedForAgain) {
  NewRun run = RunOf("a");
  run.snapshot = AddSnapshot("print(1)");
  clock.Advance(std::chrono::seconds(1));
  EXPECT_OK(CollectGarbage(*store, 0, false));
  const std::int64_t events = store->events().LastId();
  EXPECT_ERROR(store->runs().Create(run), ErrorCode::kInvalidArgument,
               run.snapshot->ToText() + " any more; send the folder again");
  EXPECT_EQ(store->events().LastId(), events);
  EXPECT_EQ(AddSnapshot("print(1)"), run.snapshot);
  EXPECT_EQ(Add(run).number, 1);
  // From here on the run keeps it.
  clock.Advance(std::chrono::seconds(1));
  EXPECT_OK(CollectGarbage(*store, 0, false));
  EXPECT_TRUE(store->snapshots().Get(*run.snapshot));
}

TEST_F(RunsTest, NumbersCountWithinAnExperiment) {
  const Experiment other = ROOST_VALUE(store->experiments().Create({.name = "other"}));
  EXPECT_EQ(Add("a").number, 1);
  NewRun in_other = RunOf("b");
  in_other.experiment = other.id;
  EXPECT_EQ(Add(in_other).number, 1);
  EXPECT_EQ(Add("c").number, 2);
}

TEST_F(RunsTest, ARefusedRunTakesNoNumberAndLeavesNoEvent) {
  Add("a");
  const std::int64_t events = store->events().LastId();
  NewRun orphan = RunOf("b");
  orphan.parent_id = "nobody";
  EXPECT_ERROR(store->runs().Create(orphan), ErrorCode::kNotFound, "'nobody'");
  NewRun homeless = RunOf("c");
  homeless.experiment = ExperimentId(77);
  EXPECT_ERROR(store->runs().Create(homeless), ErrorCode::kNotFound, "experiment with the id 77");
  EXPECT_ERROR(store->runs().Create(RunOf("a")), ErrorCode::kConflict, "'a' exists already");
  EXPECT_EQ(store->events().LastId(), events);
  EXPECT_EQ(Add("d").number, 2);
}

TEST_F(RunsTest, AnIdempotencyKeyGivesTheFirstRunAgain) {
  NewRun run = RunOf("a");
  run.idempotency_key = "k1";
  run.request_digest = "d1";
  EXPECT_TRUE(ROOST_VALUE(store->runs().Create(run)).created);
  Open();
  run.id = RunId("b");
  const auto again = ROOST_VALUE(store->runs().Create(run));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.run.id.value(), "a");
  run.request_digest = "d2";
  EXPECT_ERROR(store->runs().Create(run), ErrorCode::kConflict,
               "'k1' has already made the run 'a'");
  EXPECT_ERROR(store->runs().Get(RunId("b")), ErrorCode::kNotFound, "'b'");
}

TEST_F(RunsTest, TheLifeOfARunIsTimedAndTold) {
  const RunRow run = Add("a");
  const std::int64_t before = store->events().LastId();
  const auto move = [&](RunState to) {
    clock.Advance(std::chrono::seconds(1));
    return store->runs().MoveState(run.key, {to, "because", {}, 0});
  };
  EXPECT_OK(move(RunState::kStarting));
  const RunRow running = ROOST_VALUE(move(RunState::kRunning));
  EXPECT_EQ(running.started_at, run.created_at + 2'000'000);
  EXPECT_EQ(running.ended_at, 0);
  EXPECT_EQ(running.reason, "because");
  EXPECT_OK(move(RunState::kFinalizing));
  const RunRow failed = ROOST_VALUE(store->runs().MoveState(
      run.key, {RunState::kFailed, "exit code 1", R"({"code": "UserError"})", 0}));
  EXPECT_EQ(failed.started_at, running.started_at);
  EXPECT_EQ(failed.ended_at, clock.Now());
  EXPECT_EQ(failed.error_json, R"({"code": "UserError"})");
  EXPECT_THAT(EventKindsAfter(before),
              ElementsAre("run_state", "run_state", "run_state", "run_state"));
}

TEST_F(RunsTest, EveryMoveIsAllowedExactlyAsTheTableSays) {
  int number = 0;
  for (const RunKind kind : {RunKind::kManaged, RunKind::kTracked}) {
    for (const RunState from : spec::AllRunStates()) {
      NewRun start = RunOf("run" + std::to_string(++number), kind);
      start.state = from;
      const RunRow run = Add(start);
      for (const RunState to : spec::AllRunStates()) {
        if (spec::MayMove(kind, from, to)) continue;
        const auto moved = store->runs().MoveState(run.key, {to, "", {}, 0});
        ASSERT_FALSE(moved) << spec::ToString(from) << " to " << spec::ToString(to);
        EXPECT_EQ(moved.error().code, ErrorCode::kConflict);
        EXPECT_THAT(moved.error().message, ::testing::HasSubstr(std::string(spec::ToString(from))));
        EXPECT_THAT(moved.error().message, ::testing::HasSubstr(std::string(spec::ToString(to))));
      }
      for (const RunState to : spec::MovesFrom(kind, from)) {
        NewRun fresh = RunOf("run" + std::to_string(++number), kind);
        fresh.state = from;
        EXPECT_OK(store->runs().MoveState(Add(fresh).key, {to, "", {}, 0}));
      }
    }
  }
  EXPECT_ERROR(store->runs().MoveState(RunKey(99999), {RunState::kRunning, "", {}, 0}),
               ErrorCode::kNotFound, "99999");
}

TEST_F(RunsTest, AClockThatGoesBackNeverEndsARunBeforeItsStart) {
  const RunRow run = Add(RunOf("a", RunKind::kTracked));
  clock.SetWall(clock.Now() - 3'600'000'000);
  const RunRow done =
      ROOST_VALUE(store->runs().MoveState(run.key, {RunState::kCompleted, "", {}, 0}));
  EXPECT_EQ(done.ended_at, done.started_at);
  const RunRow later = Add("b");  // newest first by the order of arrival, whatever the clock says
  EXPECT_LT(later.created_at, run.created_at);
  EXPECT_THAT(IdsOf(ROOST_VALUE(store->runs().Search({})).runs), ElementsAre("b", "a"));
}

TEST_F(RunsTest, ATrackedRunMayGoBackToRunningWithoutItsError) {
  const RunRow run = Add(RunOf("a", RunKind::kTracked));
  EXPECT_OK(store->runs().MoveState(run.key, {RunState::kFailed, "x", R"({"code": "E"})", 0}));
  const RunRow again =
      ROOST_VALUE(store->runs().MoveState(run.key, {RunState::kRunning, "", {}, 0}));
  EXPECT_EQ(again.ended_at, 0);
  EXPECT_EQ(again.error_json, "");
}

TEST_F(RunsTest, ChangesThatChangeNothingMakeNoEvent) {
  const RunRow run = Add("a");
  Runs& runs = store->runs();
  for (int round = 0; round < 2; ++round) {
    const std::int64_t before = store->events().LastId();
    EXPECT_OK(runs.SetReason(run.key, "waits"));
    EXPECT_OK(runs.SetCancelRequested(run.key));
    EXPECT_OK(runs.SetNotResponding(run.key, true));
    EXPECT_OK(runs.SetClientStatus(run.key, "Completed", ""));
    EXPECT_OK(runs.SetDisplayName(run.key, "better"));
    EXPECT_OK(runs.SetDescription(run.key, "longer"));
    EXPECT_OK(runs.SetTags(run.key, {{"team", "vision"}, {"flag", std::nullopt}}));
    EXPECT_OK(runs.AddProperties(run.key, {{"p", "1"}}));
    EXPECT_EQ(EventKindsAfter(before).size(), round == 0 ? 8U : 0U);
  }
  const RunRow changed = Get("a");
  EXPECT_EQ(changed.reason, "waits");
  EXPECT_TRUE(changed.cancel_requested);
  EXPECT_TRUE(changed.not_responding);
  EXPECT_EQ(changed.client_status, "Completed");
  EXPECT_EQ(changed.state, RunState::kQueued);  // a client's word moves no managed run
  EXPECT_EQ(changed.display_name, "better");
  EXPECT_EQ(changed.description, "longer");
}

TEST_F(RunsTest, TagsChangeAndPropertiesDoNot) {
  NewRun run = RunOf("a");
  run.tags = {{"keep", "1"}, {"team", "old"}};
  run.properties = {{"p", "1"}};
  const RunKey key = Add(run).key;
  EXPECT_OK(store->runs().SetTags(key, {{"team", "new"}}));
  EXPECT_OK(store->runs().RemoveTag(key, "keep"));
  EXPECT_ERROR(store->runs().RemoveTag(key, "keep"), ErrorCode::kNotFound, "'keep'");
  EXPECT_EQ(Get("a").tags, (std::map<std::string, std::optional<std::string>>{{"team", "new"}}));

  EXPECT_ERROR(store->runs().AddProperties(key, {{"a", "new"}, {"p", "2"}, {"z", "new"}}),
               ErrorCode::kConflict, "'p'");
  EXPECT_EQ(Get("a").properties, (std::map<std::string, std::string>{{"p", "1"}}));  // all or none
  EXPECT_OK(store->runs().AddProperties(key, {{"p", "1"}, {"q", "2"}}));
  EXPECT_EQ(Get("a").properties.size(), 2U);
}

TEST_F(RunsTest, ATrackedRunGetsItsSnapshotOnce) {
  const Digest snapshot = AddSnapshot("print(1)");
  const RunRow run = Add(RunOf("a", RunKind::kTracked));
  Runs& runs = store->runs();
  EXPECT_ERROR(runs.SetSnapshot(run.key, DigestOf("nothing")), ErrorCode::kInvalidArgument,
               "send the folder again");
  for (int round = 0; round < 2; ++round) {
    const std::int64_t before = store->events().LastId();
    EXPECT_OK(runs.SetSnapshot(run.key, snapshot));
    EXPECT_EQ(EventKindsAfter(before).size(), round == 0 ? 1U : 0U);
  }
  EXPECT_EQ(Get("a").snapshot, snapshot);
  EXPECT_ERROR(runs.SetSnapshot(run.key, AddSnapshot("print(2)")), ErrorCode::kConflict,
               "has a snapshot already");
  EXPECT_ERROR(runs.SetSnapshot(Add("submitted").key, snapshot), ErrorCode::kConflict,
               "was submitted");
  EXPECT_EQ(Get("a").snapshot, snapshot);
}

TEST_F(RunsTest, DeletedRunsAreKeptUntouchedUntilTheyAreRestored) {
  const RunRow run = Add("a");
  Runs& runs = store->runs();
  EXPECT_ERROR(runs.SetLifecycle(run.key, Lifecycle::kDeleted), ErrorCode::kConflict,
               "cancel it first");
  Finish(run);
  EXPECT_OK(runs.SetLifecycle(run.key, Lifecycle::kArchived));
  EXPECT_OK(runs.SetLifecycle(run.key, Lifecycle::kDeleted));
  EXPECT_ERROR(runs.SetLifecycle(run.key, Lifecycle::kArchived), ErrorCode::kConflict, "restore");
  EXPECT_ERROR(runs.SetTags(run.key, {{"t", "1"}}), ErrorCode::kConflict, "is deleted");
  EXPECT_ERROR(runs.SetDisplayName(run.key, "n"), ErrorCode::kConflict, "is deleted");
  EXPECT_ERROR(runs.MoveState(run.key, {RunState::kRunning, "", {}, 0}), ErrorCode::kConflict,
               "is deleted");
  NewRun child = RunOf("b");
  child.parent_id = "a";
  EXPECT_ERROR(runs.Create(child), ErrorCode::kConflict, "is deleted");
  EXPECT_EQ(Get("a").lifecycle, Lifecycle::kDeleted);
  EXPECT_OK(runs.SetLifecycle(run.key, Lifecycle::kActive));
  EXPECT_OK(runs.SetTags(run.key, {{"t", "1"}}));
}

TEST_F(RunsTest, ActiveRunsAreManagedAndNotOver) {
  const RunRow over = Add("over");
  Finish(over);
  NewRun waiting = RunOf("waiting");
  waiting.definition_json = "{}";
  Add(waiting);
  Add(RunOf("tracked", RunKind::kTracked));
  Add("younger");
  const auto active = ROOST_VALUE(store->runs().Active());
  EXPECT_THAT(IdsOf(active), ElementsAre("waiting", "younger"));
  EXPECT_EQ(active[0].definition_json, "{}");
  EXPECT_THAT(ROOST_VALUE(store->runs().CountActive()),
              ElementsAre(std::pair(RunState::kQueued, 2), std::pair(RunState::kRunning, 1)));
}

TEST_F(RunsTest, ChildrenNewestFirst) {
  Add("root");
  const auto child = [&](const std::string& id, const std::string& parent) {
    NewRun run = RunOf(id);
    run.parent_id = parent;
    return Add(run);
  };
  child("a", "root");
  child("b", "root");
  child("a1", "a");
  Finish(child("gone", "root"));
  EXPECT_OK(store->runs().SetLifecycle(Get("gone").key, Lifecycle::kDeleted));
  EXPECT_THAT(IdsOf(ROOST_VALUE(store->runs().Children(RunId("root"), false))),
              ElementsAre("b", "a"));
  EXPECT_THAT(IdsOf(ROOST_VALUE(store->runs().Children(RunId("root"), true))),
              ElementsAre("a1", "b", "a"));
  EXPECT_THAT(ROOST_VALUE(store->runs().Children(RunId("a1"), true)), IsEmpty());
  EXPECT_ERROR(store->runs().Children(RunId("x"), true), ErrorCode::kNotFound, "'x'");
}

}  // namespace
}  // namespace roost::store
