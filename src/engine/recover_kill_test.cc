#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "engine/engine_test_support.h"
#include "store/datasets.h"

namespace roost::engine {
namespace {

using spec::RunState;

// Kills a server at a named step of a run's life and checks what the next one makes of it: the run
// was executed exactly once, and no byte of its log, no file, no metric and no exit code is lost.
class RecoverKillTest : public testing::TestWithParam<const char*> {
 protected:
  fs::path Data() const { return folder.path() / "data"; }
  fs::path Executions() const { return folder.path() / "executions"; }

  // A server of its own, that dies at `step`. `story` is what happens to it until then.
  void LetServerDieAt(const std::string& step, const std::function<void(EngineWorld&)>& story) {
    const pid_t server = fork();
    ASSERT_GE(server, 0);
    if (server == 0) {
      alarm(100);  // a server that never reaches the step ends in another way, and fails the test
      EngineWorld world(Data());
      world.options.after_step = [&](std::string_view done) {
        if (done == step) kill(getpid(), SIGKILL);
      };
      world.StartForReal();
      story(world);
      for (;;) pause();
    }
    int status = 0;
    ASSERT_EQ(waitpid(server, &status, 0), server);
    ASSERT_TRUE(WIFSIGNALED(status));
    ASSERT_EQ(WTERMSIG(status), SIGKILL) << "the server never came to " << step;
  }

  spec::RunDefinition CountedCommand() const {
    return EngineWorld::Command(
        "echo once >> " + Executions().string() +
        "; echo first; echo kept > outputs/result.txt; echo note > logs/note.txt; "
        "echo '{\"writer\":\"w\",\"batch\":1,\"points\":[{\"name\":\"loss\",\"value\":0.5}]}' "
        ">> $ROOST_REPORT_FILE; sleep 0.05; echo last; exit 3");
  }

  void ExpectWhole(EngineWorld& world, const store::Run& done) {
    EXPECT_EQ(done.state, RunState::kFailed);
    EXPECT_EQ(done.reason, "The command ended with exit code 3");
    EXPECT_EQ(ReadFile(Executions()).value_or(""), "once\n");
    EXPECT_EQ(world.Log(done), "first\nlast\n");
    EXPECT_EQ(world.ArtifactText(done, "outputs/result.txt"), "kept\n");
    EXPECT_EQ(world.ArtifactText(done, "logs/note.txt"), "note\n");
    const auto points = world.store->metrics().History(done.key, "loss", 0, 10);
    ASSERT_TRUE(points);
    EXPECT_EQ(points->size(), 1U);
    EXPECT_FALSE(fs::exists(world.Layout(done).scratch_folder()));
  }

  TempFolder folder;
};

TEST_P(RecoverKillTest, TheRunIsExecutedOnceAndIsWhole) {
  LetServerDieAt(GetParam(), [&](EngineWorld& world) { world.Submit(CountedCommand()); });
  EngineWorld world(Data());
  world.OpenStore();
  const auto runs = world.store->runs().Search({});
  ASSERT_TRUE(runs);
  ASSERT_EQ(runs->runs.size(), 1U);
  world.StartForReal();
  ExpectWhole(world, world.AwaitEnd(runs->runs.front().id));
}

TEST_P(RecoverKillTest, ASecondDeathAtTheSameStepChangesNothing) {
  LetServerDieAt(GetParam(), [&](EngineWorld& world) { world.Submit(CountedCommand()); });
  const pid_t second = fork();
  ASSERT_GE(second, 0);
  if (second == 0) {
    alarm(100);
    EngineWorld world(Data());
    world.options.after_step = [&](std::string_view done) {
      if (done == GetParam()) kill(getpid(), SIGKILL);
    };
    world.StartForReal();
    const auto active = world.store->runs().Active();
    for (const store::Run& run : *active) world.AwaitEnd(run.id);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(second, &status, 0), second);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EngineWorld world(Data());
  world.StartForReal();
  const auto runs = world.store->runs().Search({});
  ASSERT_TRUE(runs);
  ASSERT_EQ(runs->runs.size(), 1U);
  ExpectWhole(world, world.AwaitEnd(runs->runs.front().id));
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, RecoverKillTest,
                         testing::Values("created", "preparing", "prepared", "launch_recorded",
                                         "starting", "launched", "running", "end_recorded",
                                         "finalizing", "files_kept", "report_taken_in",
                                         "scratch_removed", "finished"),
                         [](const auto& step) { return std::string(step.param); });

class ClusterKillTest : public RecoverKillTest {};

TEST_P(ClusterKillTest, ARunOnAClusterIsExecutedOnceAndItsNodeIsFreeAfterwards) {
  spec::ClusterSettings cluster;
  cluster.name = "blue";
  cluster.size = {"SMALL", 1, 0, 1024};
  cluster.max_nodes = 1;
  LetServerDieAt(GetParam(), [&](EngineWorld& world) {
    static_cast<void>(world.engine->CreateCompute(cluster));
    spec::RunDefinition definition = CountedCommand();
    definition.compute_target = "blue";
    world.Submit(definition);
  });
  EngineWorld world(Data());
  world.OpenStore();
  const auto runs = world.store->runs().Search({});
  ASSERT_TRUE(runs);
  ASSERT_EQ(runs->runs.size(), 1U);
  world.StartForReal();
  ExpectWhole(world, world.AwaitEnd(runs->runs.front().id));
  const auto view = world.engine->GetCompute("blue");
  ASSERT_TRUE(view);
  ASSERT_EQ(view->target.nodes.size(), 1U);
  EXPECT_EQ(view->target.nodes[0].run_id, "");
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, ClusterKillTest,
                         testing::Values("created", "preparing", "launch_recorded", "launched",
                                         "running", "end_recorded", "finalizing", "finished"),
                         [](const auto& step) { return std::string(step.param); });

TEST_F(RecoverKillTest, OutputsThatWereKeptAreNotMissedAfterADeath) {
  LetServerDieAt("scratch_removed", [&](EngineWorld& world) {
    spec::RunDefinition definition = EngineWorld::Command("echo kept > $result/a");
    definition.outputs["result"].register_as = spec::RegisterAs{"results", "", {}};
    world.Submit(definition);
  });
  EngineWorld world(Data());
  world.StartForReal();
  const auto runs = world.store->runs().Search({});
  ASSERT_TRUE(runs);
  ASSERT_EQ(runs->runs.size(), 1U);
  const store::Run done = world.AwaitEnd(runs->runs.front().id);
  EXPECT_EQ(done.state, RunState::kCompleted) << done.reason;
  const auto versions = world.store->datasets().Versions("results");
  ASSERT_TRUE(versions);
  EXPECT_EQ(versions->size(), 1U);
}

using CancelKillTest = RecoverKillTest;

TEST_F(CancelKillTest, ACancelThatWasAcceptedIsCarriedOut) {
  LetServerDieAt("cancel_requested", [&](EngineWorld& world) {
    const store::Run run = world.Submit(EngineWorld::Command("echo up; sleep 1000"));
    world.Await(run.id, RunState::kRunning);
    static_cast<void>(world.engine->Cancel(run.id));
  });
  EngineWorld world(Data());
  world.StartForReal();
  const auto runs = world.store->runs().Search({});
  ASSERT_TRUE(runs);
  ASSERT_EQ(runs->runs.size(), 1U);
  const store::Run done = world.AwaitEnd(runs->runs.front().id);
  EXPECT_EQ(done.state, RunState::kCanceled);
}

TEST_F(CancelKillTest, TheQueueKeepsItsOrderOverADeath) {
  LetServerDieAt("running", [&](EngineWorld& world) {
    for (const char* name : {"one", "two", "three"}) {
      spec::RunDefinition definition =
          EngineWorld::Command("echo " + std::string(name) + " >> " + Executions().string());
      definition.resources.cpus = 2;
      world.Submit(definition);
    }
  });
  EngineWorld world(Data());
  world.StartForReal();
  const auto runs = world.store->runs().Search({});
  ASSERT_TRUE(runs);
  for (const store::Run& run : runs->runs) {
    EXPECT_EQ(world.AwaitEnd(run.id).state, RunState::kCompleted);
  }
  EXPECT_THAT(ReadFile(Executions()).value_or(""), testing::StartsWith("one\n"));
}

}  // namespace
}  // namespace roost::engine
