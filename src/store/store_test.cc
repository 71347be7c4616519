#include "store/store.h"

#include <sys/wait.h>
#include <unistd.h>

#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using spec::Lifecycle;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using StoreTest = StoreFixture;

TEST_F(StoreTest, ASecondServerIsToldWhoHasTheFolder) {
  const auto second = Store::Open({folder.path() / "data", &clock, 1});
  EXPECT_ERROR(second, ErrorCode::kUnavailable, (folder.path() / "data").string());
  EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(getpid())));
  store.reset();
  Open();
  EXPECT_OK(store->runs().Create(RunOf("a")));
}

TEST_F(StoreTest, TheEpochStaysOverARestart) {
  const std::string epoch = store->epoch();
  EXPECT_EQ(epoch.size(), 16U);
  Open();
  EXPECT_EQ(store->epoch(), epoch);
  EXPECT_EQ(store->data_folder(), folder.path() / "data");
  TempFolder other;
  EXPECT_NE(ROOST_VALUE(Store::Open({other.path(), &clock, 1}))->epoch(), epoch);
}

TEST_F(StoreTest, TheFolderMayBeMovedWhileTheServerIsStopped) {
  const BlobInfo blob = ROOST_VALUE(store->blobs().Put("content"));
  const RunRow run = Add("a");
  EXPECT_OK(store->artifacts().Add(run.key, {{"outputs/x", blob.digest, blob.size, 0}},
                                   Artifacts::Overwrite::kRefuse));
  store.reset();
  fs::rename(folder.path() / "data", folder.path() / "elsewhere");
  const auto moved = ROOST_VALUE(Store::Open({folder.path() / "elsewhere", &clock, 1}));
  const Artifact artifact = ROOST_VALUE(moved->artifacts().Get(run.key, "outputs/x"));
  EXPECT_EQ(ROOST_VALUE(moved->blobs().Read(artifact.digest)), "content");
}

// --- Experiments ---

TEST_F(StoreTest, ExperimentsHaveUniqueNamesAndTheDefaultOneIsThere) {
  Experiments& experiments = store->experiments();
  EXPECT_EQ(ROOST_VALUE(experiments.GetByName("Default")).id, ExperimentId(0));
  const Experiment made = ROOST_VALUE(
      experiments.Create({.name = "cifar", .description = "images", .tags = {{"team", "a"}}}));
  EXPECT_ERROR(experiments.Create({.name = "cifar"}), ErrorCode::kConflict, "'cifar'");
  EXPECT_EQ(ROOST_VALUE(experiments.GetOrCreate("cifar")).id, made.id);
  const Experiment other = ROOST_VALUE(experiments.GetOrCreate("digits"));
  EXPECT_NE(other.id, made.id);
  const Experiment got = ROOST_VALUE(experiments.Get(made.id));
  EXPECT_EQ(got.description, "images");
  EXPECT_THAT(got.tags, ElementsAre(std::pair("team", "a")));
  EXPECT_ERROR(experiments.Get(ExperimentId(99)), ErrorCode::kNotFound, "99");
  EXPECT_ERROR(experiments.GetByName("none"), ErrorCode::kNotFound, "'none'");

  clock.Advance(std::chrono::seconds(1));
  EXPECT_OK(experiments.Update(made.id, "pictures", {{"team", std::nullopt}, {"new", "b"}}));
  const Experiment updated = ROOST_VALUE(experiments.Get(made.id));
  EXPECT_EQ(updated.description, "pictures");
  EXPECT_THAT(updated.tags, ElementsAre(std::pair("new", "b")));
  EXPECT_EQ(updated.updated_at, clock.Now());

  const auto names = [&](std::optional<Lifecycle> lifecycle, const std::string& after) {
    std::vector<std::string> found;
    for (const auto& one : ROOST_VALUE(experiments.List(lifecycle, after, 2))) {
      found.push_back(one.name);
    }
    return found;
  };
  EXPECT_THAT(names({}, ""), ElementsAre("Default", "cifar"));
  EXPECT_THAT(names({}, "cifar"), ElementsAre("digits"));
  EXPECT_OK(experiments.SetLifecycle(other.id, Lifecycle::kArchived));
  EXPECT_THAT(names(Lifecycle::kArchived, ""), ElementsAre("digits"));
  EXPECT_THAT(names(Lifecycle::kActive, "Default"), ElementsAre("cifar"));
}

TEST_F(StoreTest, RunsFollowTheirExperimentIntoDeletionAndBack) {
  Experiments& experiments = store->experiments();
  const ExperimentId id = ROOST_VALUE(experiments.Create({.name = "doomed"})).id;
  const auto add = [&](const std::string& name, spec::RunKind kind = spec::RunKind::kTracked) {
    NewRun run = RunOf(name, kind);
    run.experiment = id;
    return Add(run);
  };
  add("running");  // its client may never say that it is over
  const RunRow waiting = add("waiting", spec::RunKind::kManaged);
  EXPECT_ERROR(experiments.SetLifecycle(id, Lifecycle::kDeleted), ErrorCode::kConflict,
               "'waiting'");
  EXPECT_OK(store->runs().MoveState(waiting.key, {spec::RunState::kCanceled, "over", {}, 0}));
  for (int i = 0; i < 250; ++i) Finish(add("run" + std::to_string(i)));  // more than one step
  EXPECT_OK(store->runs().SetLifecycle(Get("run0").key, Lifecycle::kArchived));
  EXPECT_OK(store->runs().SetLifecycle(Get("run1").key, Lifecycle::kDeleted));

  EXPECT_OK(experiments.SetLifecycle(id, Lifecycle::kDeleted));
  for (const char* name : {"running", "run0", "run1", "run249"}) {
    EXPECT_EQ(Get(name).lifecycle, Lifecycle::kDeleted) << name;
  }
  NewRun late = RunOf("late");
  late.experiment = id;
  EXPECT_ERROR(store->runs().Create(late), ErrorCode::kConflict, "'doomed' is deleted");
  EXPECT_ERROR(experiments.GetOrCreate("doomed"), ErrorCode::kConflict, "Restore it");
  EXPECT_ERROR(store->runs().SetLifecycle(Get("run0").key, Lifecycle::kActive),
               ErrorCode::kConflict, "experiment 'doomed' is deleted");
  EXPECT_ERROR(experiments.SetLifecycle(ExperimentId(0), Lifecycle::kDeleted), ErrorCode::kConflict,
               "default");

  EXPECT_OK(experiments.SetLifecycle(id, Lifecycle::kActive));
  EXPECT_EQ(Get("running").lifecycle, Lifecycle::kActive);
  EXPECT_EQ(Get("run249").lifecycle, Lifecycle::kActive);
  EXPECT_EQ(Get("run0").lifecycle, Lifecycle::kArchived);  // as it was
  EXPECT_EQ(Get("run1").lifecycle, Lifecycle::kDeleted);   // its own deletion
}

TEST_F(StoreTest, ADeletionThatAStopCutOffIsFinishedAtTheNextStart) {
  const ExperimentId id = ROOST_VALUE(store->experiments().Create({.name = "doomed"})).id;
  NewRun run = RunOf("a");
  run.experiment = id;
  Finish(Add(run));
  // As after a stop between the first write and the steps.
  EXPECT_OK(store->database().Write(Lane::kState, [&](WriteContext& context) -> Status {
    return context.db.Execute(
        "UPDATE experiments SET lifecycle = 'deleted', moving_runs = 1 WHERE name = 'doomed'");
  }));
  EXPECT_EQ(Get("a").lifecycle, Lifecycle::kActive);
  Open();
  EXPECT_EQ(Get("a").lifecycle, Lifecycle::kDeleted);
}

// --- Events ---

TEST_F(StoreTest, EventsComeInOrderAndByRun) {
  Add("a");
  Add("b");
  EXPECT_OK(store->runs().SetTags(Get("a").key, {{"t", "1"}}));
  const auto all = ROOST_VALUE(store->events().After(0, "", 10));
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].kind, "run_created");
  EXPECT_EQ(all[0].run_id, "a");
  EXPECT_EQ(all[0].body_json, R"({"run_id":"a"})");
  EXPECT_EQ(all[0].time, clock.Now());
  EXPECT_EQ(store->events().LastId(), all[2].id);
  EXPECT_EQ(store->events().OldestId(), all[0].id);
  const auto of_a = ROOST_VALUE(store->events().After(all[0].id, "a", 10));
  ASSERT_EQ(of_a.size(), 1U);
  EXPECT_EQ(of_a[0].kind, "run_changed");
  EXPECT_EQ(ROOST_VALUE(store->events().After(0, "", 2)).size(), 2U);
}

// --- Tokens ---

TEST_F(StoreTest, TokensAreFoundByTheirSecretUntilTheyAreDeleted) {
  Tokens& tokens = store->tokens();
  const std::string secret = ROOST_VALUE(tokens.Create("laptop"));
  EXPECT_ERROR(tokens.Create("laptop"), ErrorCode::kConflict, "'laptop'");
  EXPECT_OK(tokens.Put("owner", "given"));
  for (int round = 0; round < 2; ++round) {  // from the database, then from memory
    EXPECT_EQ(ROOST_VALUE(tokens.Find(secret)).name, "laptop");
    EXPECT_EQ(ROOST_VALUE(tokens.Find("given")).name, "owner");
    EXPECT_ERROR(tokens.Find("guess"), ErrorCode::kUnauthenticated, "not known");
  }
  EXPECT_OK(tokens.Put("owner", "new"));
  EXPECT_ERROR(tokens.Find("given"), ErrorCode::kUnauthenticated, "");
  EXPECT_EQ(ROOST_VALUE(tokens.Find("new")).name, "owner");
  EXPECT_OK(tokens.Delete("laptop"));
  EXPECT_ERROR(tokens.Find(secret), ErrorCode::kUnauthenticated, "");
  EXPECT_ERROR(tokens.Delete("laptop"), ErrorCode::kNotFound, "'laptop'");
  EXPECT_EQ(ROOST_VALUE(tokens.List()).size(), 1U);
  Open();
  EXPECT_EQ(ROOST_VALUE(store->tokens().Find("new")).name, "owner");
  // Nothing on the disk tells a secret.
  EXPECT_EQ(ROOST_VALUE(ReadFile(folder.path() / "data" / "roost.db")).find(secret),
            std::string::npos);
}

TEST_F(StoreTest, RunTokensKnowTheirRunAndAttempt) {
  const RunRow run = Add("a");
  const std::string first = ROOST_VALUE(store->tokens().CreateForRun(run.key, 1));
  const std::string second = ROOST_VALUE(store->tokens().CreateForRun(run.key, 2));
  const Token token = ROOST_VALUE(store->tokens().Find(second));
  EXPECT_EQ(token.run, run.key);
  EXPECT_EQ(token.attempt, 2);
  EXPECT_EQ(token.name, "a");
  EXPECT_EQ(ROOST_VALUE(store->tokens().Find(first)).attempt, 1);
  EXPECT_THAT(ROOST_VALUE(store->tokens().List()), IsEmpty());
  EXPECT_OK(store->tokens().DeleteOfRun(run.key));
  EXPECT_ERROR(store->tokens().Find(first), ErrorCode::kUnauthenticated, "");
  EXPECT_ERROR(store->tokens().CreateForRun(RunKey(99), 1), ErrorCode::kNotFound, "");
}

// --- Launches ---

TEST_F(StoreTest, LaunchesKeepTheirFirstExitRecord) {
  const RunRow run = Add("a");
  Launches& launches = store->launches();
  EXPECT_ERROR(launches.Newest(run.key), ErrorCode::kNotFound, "not been launched");
  Launch launch{"l1", run.key, 1, "local", "digest", false, "", 0, 0};
  EXPECT_OK(launches.Create(launch));
  EXPECT_EQ(Get("a").attempt, 1);
  launch.id = "other";
  EXPECT_ERROR(launches.Create(launch), ErrorCode::kConflict, "attempt 1");
  launch.id = "l2";
  launch.attempt = 2;
  EXPECT_OK(launches.Create(launch));
  EXPECT_EQ(Get("a").attempt, 2);
  clock.Advance(std::chrono::seconds(3));
  EXPECT_OK(launches.End("l1", R"({"code": 1})"));
  EXPECT_OK(launches.End("l1", R"({"code": 2})"));
  EXPECT_ERROR(launches.End("l3", "{}"), ErrorCode::kNotFound, "'l3'");
  const auto all = ROOST_VALUE(launches.OfRun(run.key));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_TRUE(all[0].ended);
  EXPECT_EQ(all[0].exit_json, R"({"code": 1})");
  EXPECT_EQ(all[0].ended_at, clock.Now());
  EXPECT_FALSE(all[1].ended);
  EXPECT_EQ(ROOST_VALUE(launches.Newest(run.key)).id, "l2");
}

TEST_F(StoreTest, ARunHasTheExitCodeOfItsNewestLaunch) {
  const auto end = [&](const std::string& run, int attempt, const std::string& exit_json) {
    const std::string id = run + std::to_string(attempt);
    EXPECT_OK(
        store->launches().Create({id, Get(run).key, attempt, "local", "digest", false, "", 0, 0}));
    EXPECT_EQ(Get(run).exit_code, std::nullopt);  // whatever the attempt before ended with
    EXPECT_OK(store->launches().End(id, exit_json));
  };
  for (const char* id : {"queued", "zero", "lost", "not_started"}) Add(id);
  end("zero", 1, R"({"cause": "exited", "code": 3})");
  EXPECT_EQ(Get("zero").exit_code, 3);
  end("zero", 2, R"({"cause": "exited", "code": 0})");
  end("lost", 1, R"({"lost": "The machine went down"})");
  end("not_started", 1, R"({"cause": "start_failed", "code": 127})");
  std::map<std::string, std::optional<int>> listed;
  for (const RunRow& run : ROOST_VALUE(store->runs().Search({})).runs) {
    listed[run.id.value()] = run.exit_code;
  }
  const std::map<std::string, std::optional<int>> expected = {
      {"queued", std::nullopt}, {"zero", 0}, {"lost", std::nullopt}, {"not_started", std::nullopt}};
  EXPECT_EQ(listed, expected);
}

}  // namespace
}  // namespace roost::store
