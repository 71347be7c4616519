#include <nlohmann/json.hpp>

#include "engine/engine_test_support.h"

namespace roost::engine {
namespace {

using spec::RunState;
using testing::HasSubstr;

// Stories with real processes under roost-shim.
class EngineLocalTest : public testing::Test {
 protected:
  EngineLocalTest() : world(folder.path() / "data") {}
  void SetUp() override {
    const auto environment = CurrentEnvironment();
    if (const auto path = environment.find("PATH"); path != environment.end()) {
      if (const auto python = FindProgram("python3", path->second)) {
        world.options.environments.python = python->string();
      }
    }
    world.StartForReal();
  }
  std::string ErrorCodeOf(const store::Run& run) {
    const auto error = nlohmann::json::parse(run.error_json, nullptr, false);
    return error.is_object() ? error.value("code", "") : "";
  }

  TempFolder folder;
  EngineWorld world;
};

TEST_F(EngineLocalTest, APythonScriptRunsInItsFolderAndKeepsItsOutputs) {
  spec::RunDefinition definition;
  definition.snapshot =
      world.Snapshot({{"code/train.py",
                       "import helper, os, sys\n"
                       "print('run', os.environ['AZUREML_RUN_ID'], sys.argv[1:])\n"
                       "open('outputs/model.txt', 'w').write(helper.NAME)\n"
                       "os.makedirs('../data'); open('../data/x', 'w').write('x')\n"},
                      {"helper.py", "NAME = 'resnet'\n"}});
  definition.script = "code/train.py";
  definition.arguments = {"--attempt", "$ROOST_ATTEMPT"};
  const store::Run done = world.AwaitEnd(world.Submit(definition).id);
  EXPECT_EQ(done.state, RunState::kCompleted) << done.reason << world.Log(done);
  EXPECT_EQ(world.Log(done), "run " + done.id.value() + " ['--attempt', '1']\n");
  EXPECT_EQ(world.ArtifactText(done, "outputs/model.txt"), "resnet");
  EXPECT_FALSE(fs::exists(world.Layout(done).scratch_folder()));
  EXPECT_FALSE(fs::exists(world.Layout(done).launch_folder() / spec::launch_files::kShim));
}

TEST_F(EngineLocalTest, AnUncaughtExceptionIsTheErrorsMessage) {
  spec::RunDefinition definition;
  definition.snapshot = world.Snapshot({{"train.py", "print('begin')\nraise ValueError('bad')\n"}});
  definition.script = "train.py";
  const store::Run done = world.AwaitEnd(world.Submit(definition).id);
  EXPECT_EQ(done.state, RunState::kFailed);
  EXPECT_EQ(done.reason, "User program failed with ValueError: bad");
  EXPECT_EQ(ErrorCodeOf(done), "UserError");
}

TEST_F(EngineLocalTest, ACommandRunsInAShell) {
  const store::Run done = world.AwaitEnd(
      world.Submit(EngineWorld::Command("export X=7 && echo $X$ROOST_ATTEMPT; exit 5")).id);
  EXPECT_EQ(done.state, RunState::kFailed);
  EXPECT_EQ(done.reason, "The command ended with exit code 5");
  EXPECT_EQ(world.Log(done), "71\n");
}

TEST_F(EngineLocalTest, ASignalIsNamed) {
  const store::Run done = world.AwaitEnd(world.Submit(EngineWorld::Command("kill -SEGV $$")).id);
  EXPECT_EQ(done.state, RunState::kFailed);
  EXPECT_THAT(done.reason, HasSubstr("SIGSEGV"));
}

TEST_F(EngineLocalTest, AnInterpreterThatIsNoneFailsToStart) {
  const fs::path fake = folder.path() / "python";
  WriteText(fake, "#!/no/such/interpreter\n");
  fs::permissions(fake, fs::perms::owner_all);
  spec::RunDefinition definition;
  definition.snapshot = world.Snapshot({{"train.py", ""}});
  definition.script = "train.py";
  definition.environment.interpreter = fake.string();
  const store::Run done = world.AwaitEnd(world.Submit(definition).id);
  EXPECT_EQ(done.state, RunState::kFailed);
  EXPECT_EQ(ErrorCodeOf(done), "StartFailed") << done.reason;
  EXPECT_EQ(done.exit_code, std::nullopt);
}

TEST_F(EngineLocalTest, CancelEndsTheWholeTree) {
  const store::Run run = world.Submit(EngineWorld::Command(
      "trap '' TERM; setsid sleep 1000 & echo up > logs/up; sleep 1000 & wait; wait"));
  EXPECT_TRUE(world.WaitUntil([&] { return world.ArtifactText(run, "logs/up") == "up\n"; }));
  ASSERT_TRUE(world.engine->Cancel(run.id));
  const store::Run done = world.AwaitEnd(run.id);
  EXPECT_EQ(done.state, RunState::kCanceled);
  EXPECT_EQ(done.error_json, "");
}

TEST_F(EngineLocalTest, TheTimeLimitCancelsWithItsOwnCode) {
  spec::RunDefinition definition = EngineWorld::Command("sleep 1000");
  definition.time_limit_seconds = 1;
  const store::Run done = world.AwaitEnd(world.Submit(definition).id);
  EXPECT_EQ(done.state, RunState::kCanceled);
  EXPECT_EQ(done.reason, "Canceled at its time limit of 1 second");
  EXPECT_EQ(ErrorCodeOf(done), "TimeLimit");
}

TEST_F(EngineLocalTest, ARunOutlivesTheServer) {
  const fs::path go = folder.path() / "go";
  const store::Run run = world.Submit(EngineWorld::Command(
      "echo before; while [ ! -e " + go.string() + " ]; do sleep 0.02; done; echo after; exit 7"));
  world.Await(run.id, RunState::kRunning);
  world.Close();
  world.StartForReal();
  EXPECT_EQ(world.Get(run.id).state, RunState::kRunning);
  WriteText(go, "");
  const store::Run done = world.AwaitEnd(run.id);
  EXPECT_EQ(done.reason, "The command ended with exit code 7");
  EXPECT_EQ(world.Log(done), "before\nafter\n");
  EXPECT_EQ(done.attempt, 1);
}

TEST_F(EngineLocalTest, ARunThatEndsWhileNoServerIsThereLosesNothing) {
  const fs::path go = folder.path() / "go";
  const fs::path ended = folder.path() / "ended";
  const store::Run run = world.Submit(
      EngineWorld::Command("echo hello; echo kept > outputs/kept.txt; while [ ! -e " + go.string() +
                           " ]; do sleep 0.02; done; echo bye; touch " + ended.string()));
  world.Await(run.id, RunState::kRunning);
  world.Close();
  WriteText(go, "");
  for (int tries = 0; tries < 10'000 && !fs::exists(ended); ++tries) usleep(10'000);
  world.StartForReal();
  const store::Run done = world.AwaitEnd(run.id);
  EXPECT_EQ(done.state, RunState::kCompleted) << done.reason;
  EXPECT_EQ(world.Log(done), "hello\nbye\n");
  EXPECT_EQ(world.ArtifactText(done, "outputs/kept.txt"), "kept\n");
}

}  // namespace
}  // namespace roost::engine
