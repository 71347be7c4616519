#include "store/environments.h"

#include "engine/engine_test_support.h"
#include "environments/fake_tools.h"

namespace roost::engine {
namespace {

using spec::RunState;
using testing::HasSubstr;

// Runs whose environment is built by scripts that play pip.
class EngineEnvironmentsTest : public ::testing::Test {
 protected:
  EngineEnvironmentsTest() : world(folder_.path() / "data") {
    world.options.environments = tools.Settings();
  }
  static spec::RunDefinition Needing(const std::string& environment) {
    spec::RunDefinition definition = EngineWorld::Command("python train.py");
    definition.environment = environments::Define(environment);
    return definition;
  }
  std::string BuildLog(const store::Run& run) {
    const spec::RunLayout layout(folder_.path() / "data", run.id, 1);
    return ReadFile(layout.log_folder() / "20_image_build_log.txt").value_or("(no log)");
  }

  TempFolder folder_;
  environments::FakeTools tools;
  EngineWorld world;
  const std::string tiny = R"({"name": "tiny", "python": {"pip": ["tiny"]}})";
};

TEST_F(EngineEnvironmentsTest, ARunWaitsForItsEnvironmentAndTheNextOneDoesNot) {
  tools.Set("hold");
  world.StartWithFake();
  const store::Run run = world.Submit(Needing(tiny));
  EXPECT_EQ(world.Await(run.id, RunState::kPreparing).reason, "Preparing the environment");
  ASSERT_TRUE(
      world.WaitUntil([&] { return BuildLog(run).find("installing") != std::string::npos; }));
  // It holds nothing of the machine: another run starts.
  spec::RunDefinition whole = EngineWorld::Command("true");
  whole.resources.cpus = 2;
  const store::Run other = world.Submit(whole);
  world.End(world.BeginRun(other.id), 0);
  tools.Unset("hold");

  const spec::LaunchRequest request = world.BeginRun(run.id);
  const std::string prefix = request.environment.at("VIRTUAL_ENV");
  EXPECT_THAT(prefix, HasSubstr("/environments/"));
  EXPECT_THAT(request.environment.at("PATH"), testing::StartsWith(prefix + "/bin:"));
  world.End(request, 0);
  const store::Run done = world.AwaitEnd(run.id);
  EXPECT_EQ(done.state, RunState::kCompleted) << done.reason;
  EXPECT_EQ(done.properties.at("roost.environment.key"), fs::path(prefix).filename());
  EXPECT_THAT(BuildLog(run), HasSubstr("Ready: Python"));
  const auto kept = spec::ParseRunDefinition(nlohmann::json::parse(done.definition_json));
  EXPECT_EQ(kept->environment.version, "1");

  // The same one again, by its name: no Preparing of an environment, no log, no new build.
  const store::Run second = world.Submit(Needing(R"({"name": "tiny"})"));
  world.End(world.BeginRun(second.id), 0);
  EXPECT_EQ(world.AwaitEnd(second.id).state, RunState::kCompleted);
  EXPECT_EQ(BuildLog(second), "(no log)");
  EXPECT_EQ(tools.CountCalls("-m pip install"), 1);
}

TEST_F(EngineEnvironmentsTest, WhatIsSaidOfAnImageIsOfTheRunsOwnDefinition) {
  world.StartWithFake();
  const auto ended = [&](const std::string& docker) {
    const store::Run run =
        world.Submit(Needing(R"({"python": {"pip": ["tiny"]}, "docker": )" + docker + "}"));
    world.End(world.BeginRun(run.id), 0);
    return world.AwaitEnd(run.id);
  };
  const store::Run one = ended(R"({"base_image": "img:1"})");
  const store::Run two = ended(R"({"base_image": "img:2"})");
  const store::Run none = ended("{}");
  EXPECT_EQ(tools.CountCalls("-m pip install"), 1) << "they share one environment";
  EXPECT_THAT(one.properties.at("roost.container_hint"), HasSubstr("the image img:1"));
  EXPECT_THAT(two.properties.at("roost.container_hint"), HasSubstr("the image img:2"));
  EXPECT_EQ(none.properties.count("roost.container_hint"), 0U);
  for (const store::Run& run : {one, two, none}) {
    EXPECT_EQ(run.properties.count("roost.environment.changes"), 0U) << run.id.value();
  }
  EXPECT_THAT(BuildLog(one), HasSubstr("names the image img:1, which is a hint"));
}

TEST_F(EngineEnvironmentsTest, AFailedBuildFailsTheRunWithTheLogsLastLines) {
  tools.Set("fail");
  world.StartWithFake();
  const store::Run run = world.AwaitEnd(world.Submit(Needing(tiny)).id);
  EXPECT_EQ(run.state, RunState::kFailed);
  EXPECT_THAT(run.reason, HasSubstr("No matching distribution found for torch==1.6.0"));
  EXPECT_THAT(run.error_json, HasSubstr("EnvironmentFailed"));
  EXPECT_THAT(BuildLog(run), HasSubstr("No matching distribution"));
}

TEST_F(EngineEnvironmentsTest, ACancelEndsTheBuildUnlessOthersWaitForIt) {
  tools.Set("hold");
  world.StartWithFake();
  const store::Run one = world.Submit(Needing(tiny));
  const store::Run two = world.Submit(Needing(tiny));
  for (const store::Run& run : {one, two}) {
    ASSERT_TRUE(
        world.WaitUntil([&] { return BuildLog(run).find("installing") != std::string::npos; }));
  }
  ASSERT_TRUE(world.engine->Cancel(one.id));
  EXPECT_EQ(world.Get(one.id).state, RunState::kCanceled);
  tools.Unset("hold");
  world.End(world.BeginRun(two.id), 0);
  EXPECT_EQ(world.AwaitEnd(two.id).state, RunState::kCompleted);

  tools.Set("hold");
  const store::Run three = world.Submit(Needing(R"({"python": {"pip": ["other"]}})"));
  ASSERT_TRUE(
      world.WaitUntil([&] { return BuildLog(three).find("installing") != std::string::npos; }));
  ASSERT_TRUE(world.engine->Cancel(three.id));
  auto& cache = world.engine->environments();
  EXPECT_TRUE(world.WaitUntil([&] { return cache.Unready().empty(); }));
  EXPECT_EQ(cache.List()->size(), 1U);
}

TEST_F(EngineEnvironmentsTest, ABuildThatTheServersEndCutOffIsMadeAgain) {
  tools.Set("hold");
  world.StartWithFake();
  const store::Run run = world.Submit(Needing(tiny));
  ASSERT_TRUE(
      world.WaitUntil([&] { return BuildLog(run).find("installing") != std::string::npos; }));
  world.StopEngine();
  EXPECT_EQ(world.Get(run.id).state, RunState::kPreparing);
  tools.Unset("hold");
  world.StartWithFake();
  world.End(world.BeginRun(run.id), 0);
  EXPECT_EQ(world.AwaitEnd(run.id).state, RunState::kCompleted);
}

TEST_F(EngineEnvironmentsTest, WhatALiveRunUsesIsNotPruned) {
  world.StartWithFake();
  const store::Run run = world.Submit(Needing(tiny));
  const spec::LaunchRequest request = world.BeginRun(run.id);
  auto pruned = world.engine->environments().Prune({.max_bytes = 0});
  EXPECT_TRUE(pruned->removed.empty());
  // An engine that finds the run going on holds it as well.
  world.StopEngine();
  world.StartWithFake();
  ASSERT_TRUE(world.WaitUntil([&] {
    const auto all = world.engine->environments().List();
    return all->size() == 1 && all->front().in_use;
  }));
}

TEST_F(EngineEnvironmentsTest, ARunInAnImageIsStartedByItsToolAndItsContainerRemoved) {
  tools.Add("podman");
  world.StartWithFake();
  spec::RunDefinition definition = Needing(R"({"docker": {"base_image": "img:1"}})");
  definition.environment_variables["ONE"] = "1";
  const store::Run run = world.Submit(definition);
  const spec::LaunchRequest request = world.BeginRun(run.id);
  EXPECT_EQ(request.argv.front(), (tools.bin() / "podman").string());
  EXPECT_THAT(request.argv, testing::Contains("img:1"));
  EXPECT_EQ(request.argv.back(), "python train.py");
  EXPECT_EQ(request.environment.at("ONE"), "1");
  const std::string name = run.id.value() + "-1";
  EXPECT_THAT(request.argv, testing::Contains(name));
  // What the launcher would have kept, for the end, which may be another server's.
  const spec::RunLayout layout(folder_.path() / "data", run.id, 1);
  WriteText(layout.launch_folder() / spec::launch_files::kRequest, spec::ToJsonText(request));
  world.End(request, 0);
  EXPECT_EQ(world.AwaitEnd(run.id).state, RunState::kCompleted);
  EXPECT_EQ(tools.CountCalls("podman rm --force " + name), 1);
}

TEST_F(EngineEnvironmentsTest, CuratedNamesStandForTheTablesRowsAndCannotBeChanged) {
  world.StartWithFake();
  const store::Run run = world.Submit(Needing(R"({"name": "AzureML-Minimal"})"));
  world.End(world.BeginRun(run.id), 0);
  const store::Run done = world.AwaitEnd(run.id);
  EXPECT_EQ(done.state, RunState::kCompleted) << done.reason;
  EXPECT_THAT(done.properties.at("roost.environment.curated"), HasSubstr("Azure ML"));
  const auto changed = world.engine->Submit(
      Needing(R"({"name": "AzureML-Minimal", "python": {"pip": ["mine"]}})"), "tester", "", "");
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().details.at(0).field, "environment.name");
  EXPECT_THAT(changed.error().message, HasSubstr("clone"));
}

TEST_F(EngineEnvironmentsTest, AReferenceToNothingIsRefusedAtSubmit) {
  world.StartWithFake();
  const auto missing = world.engine->Submit(Needing(R"({"name": "nowhere"})"), "tester", "", "");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().details.at(0).field, "environment.name");
  ASSERT_TRUE(world.store->environments().Register(environments::Define(tiny)));
  const auto version =
      world.engine->Submit(Needing(R"({"name": "tiny", "version": "4"})"), "tester", "", "");
  EXPECT_THAT(version.error().message, HasSubstr("no version 4"));
  EXPECT_TRUE(
      world.engine->Submit(Needing(R"({"name": "tiny", "version": "latest"})"), "tester", "", ""));
}

}  // namespace
}  // namespace roost::engine
