#include <nlohmann/json.hpp>

#include "engine/engine_test_support.h"
#include "engine/outcome.h"
#include "store/compute_targets.h"

namespace roost::engine {
namespace {

using spec::RunState;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Stories of clusters on a machine of 2 CPUs and no GPU, with a launcher and a clock that the test
// steps.
class EngineComputeTest : public testing::Test {
 protected:
  EngineComputeTest() : world(folder.path() / "data") { world.clock = &clock; }
  void SetUp() override { world.StartWithFake(); }

  static spec::ClusterSettings Cluster(int min_nodes, int max_nodes) {
    spec::ClusterSettings settings;
    settings.name = "blue";
    settings.size = {"SMALL", 1, 0, 1024};
    settings.min_nodes = min_nodes;
    settings.max_nodes = max_nodes;
    settings.idle_seconds = 120;
    return settings;
  }
  ComputeView Create(const spec::ClusterSettings& settings) {
    auto created = world.engine->CreateCompute(settings);
    EXPECT_TRUE(created) << (created ? "" : created.error().message);
    return created ? created->view : ComputeView();
  }
  ComputeView View(const std::string& name = "blue") {
    auto view = world.engine->GetCompute(name);
    EXPECT_TRUE(view) << (view ? "" : view.error().message);
    return view ? *view : ComputeView();
  }
  std::size_t Nodes() { return View().target.nodes.size(); }
  std::vector<std::string> RunsOfNodes() {
    std::vector<std::string> runs;
    for (const store::ComputeNode& node : View().target.nodes) runs.push_back(node.run_id);
    return runs;
  }
  bool AwaitNodes(std::size_t count) {
    return world.WaitUntil([&] { return Nodes() == count; });
  }
  bool IsGone() {
    const auto view = world.engine->GetCompute("blue");
    return !view && view.error().code == ErrorCode::kNotFound;
  }
  static spec::RunDefinition On(const std::string& target) {
    spec::RunDefinition definition = EngineWorld::Command("true");
    definition.compute_target = target;
    return definition;
  }
  static spec::ClusterChange MaxNodes(int count) {
    spec::ClusterChange change;
    change.max_nodes = count;
    return change;
  }
  // Changes nothing, but looks at the scale.
  void Rescale() { EXPECT_TRUE(world.engine->UpdateCompute("blue", {})); }
  Error Refused(const spec::RunDefinition& definition) {
    const auto created = world.engine->Submit(definition, "tester", "", "");
    EXPECT_FALSE(created);
    return created ? Error{} : created.error();
  }
  void Restart() {
    world.StopEngine();
    world.StartWithFake();
  }

  TempFolder folder;
  FakeClock clock;
  EngineWorld world;
};

TEST_F(EngineComputeTest, LocalIsTheWholeMachineAndStays) {
  const ComputeView local = View("local");
  EXPECT_TRUE(local.is_local);
  EXPECT_EQ(local.node, (spec::Resources{2, 0, 4096}));
  ASSERT_EQ(local.target.nodes.size(), 1U);
  EXPECT_EQ(local.target.nodes[0].run_id, "");
  const store::Run run = world.Submit(On("local"));
  world.BeginRun(run.id);
  EXPECT_EQ(View("local").target.nodes[0].run_id, run.id.value());
  EXPECT_EQ(world.engine->DeleteCompute("local").error().code, ErrorCode::kConflict);
  EXPECT_EQ(world.engine->UpdateCompute("local", {}).error().code, ErrorCode::kConflict);
}

TEST_F(EngineComputeTest, RunsTakeNodesAndTheOthersWaitForOne) {
  Create(Cluster(0, 2));
  EXPECT_EQ(Nodes(), 0U);
  const store::Run first = world.Submit(On("blue"));
  const store::Run second = world.Submit(On("blue"));
  const store::Run third = world.Submit(On("blue"));
  EXPECT_EQ(first.reason, "Queued");
  EXPECT_EQ(third.reason, "Waiting for a node of blue (2 of 2 busy)");
  const spec::LaunchRequest request = world.BeginRun(first.id);
  world.BeginRun(second.id);
  EXPECT_THAT(RunsOfNodes(), ElementsAre(first.id.value(), second.id.value()));
  EXPECT_EQ(View().waiting_runs, 1);
  EXPECT_EQ(View().target_nodes, 2);
  EXPECT_EQ(world.Get(third.id).state, RunState::kQueued);
  EXPECT_EQ(world.engine->Queue().cpus_used, 2);

  world.End(request, 0);
  world.BeginRun(third.id);
  EXPECT_THAT(RunsOfNodes(), ElementsAre(third.id.value(), second.id.value()));
  EXPECT_EQ(View().waiting_runs, 0);
}

TEST_F(EngineComputeTest, ARunOnAClusterHasItsWholeNodeAndSharesTheMachineWithLocalRuns) {
  spec::ClusterSettings settings = Cluster(0, 1);
  settings.size = {"WIDE", 16, 0, 65536};
  Create(settings);
  const store::Run run = world.Submit(On("blue"));
  const auto definition = nlohmann::json::parse(run.definition_json);
  EXPECT_EQ(definition["resources"]["cpus"], 2.0);
  const spec::LaunchRequest request = world.BeginRun(run.id);
  EXPECT_EQ(request.environment.at("OMP_NUM_THREADS"), "2");
  const store::Run local = world.Submit(On("local"));
  EXPECT_EQ(local.reason, "Waiting for 1 CPU (0 of 2 free)");
  world.End(request, 0);
  world.BeginRun(local.id);
}

TEST_F(EngineComputeTest, NodesGoAfterTheirIdleTime) {
  EXPECT_EQ(Create(Cluster(1, 2)).target.nodes.size(), 1U);
  std::vector<spec::LaunchRequest> requests;
  for (int i = 0; i < 2; ++i) requests.push_back(world.BeginRun(world.Submit(On("blue")).id));
  EXPECT_EQ(Nodes(), 2U);
  clock.Advance(seconds(1000));
  for (const spec::LaunchRequest& request : requests) world.End(request, 0);
  ASSERT_TRUE(world.WaitUntil([&] { return RunsOfNodes() == std::vector<std::string>{"", ""}; }));
  clock.Advance(seconds(119));
  Rescale();
  EXPECT_EQ(Nodes(), 2U);
  clock.Advance(seconds(1));
  EXPECT_TRUE(AwaitNodes(1));
  clock.Advance(seconds(100'000));
  Rescale();
  EXPECT_EQ(Nodes(), 1U);
}

TEST_F(EngineComputeTest, IdleTimeGoesOnOverARestart) {
  Create(Cluster(0, 2));
  const store::Run run = world.Submit(On("blue"));
  world.End(world.BeginRun(run.id), 0);
  world.AwaitEnd(run.id);
  EXPECT_EQ(Nodes(), 1U);
  const Micros since = View().target.nodes[0].since;
  clock.Advance(seconds(100));
  Restart();
  EXPECT_EQ(View().target.nodes[0].since, since);
  clock.Advance(seconds(20));
  EXPECT_TRUE(AwaitNodes(0));
}

TEST_F(EngineComputeTest, ARestartKeepsNodesWithTheirRunsAndFreesTheOthers) {
  Create(Cluster(0, 2));
  const store::Run first = world.Submit(On("blue"));
  const store::Run second = world.Submit(On("blue"));
  const store::Run third = world.Submit(On("blue"));
  world.BeginRun(first.id);
  const spec::LaunchRequest of_second = world.BeginRun(second.id);
  // A node whose run is known to have ended, as after a death between the two writes.
  world.StopEngine();
  const auto launch = world.store->launches().Newest(first.key);
  ASSERT_TRUE(launch);
  spec::ExitRecord record;
  record.launch_id = launch->id;
  record.attempt = 1;
  ASSERT_TRUE(world.store->launches().End(launch->id, ToJsonText({record, {}, false})));
  world.StartWithFake();
  world.AwaitEnd(first.id);
  world.BeginRun(third.id);
  EXPECT_THAT(RunsOfNodes(), ElementsAre(third.id.value(), second.id.value()));
  EXPECT_EQ(world.engine->Queue().cpus_used, 2);
  world.End(of_second, 0);
  world.AwaitEnd(second.id);
  EXPECT_THAT(RunsOfNodes(), ElementsAre(third.id.value(), ""));
}

TEST_F(EngineComputeTest, MissingGpusAreTold) {
  spec::ClusterSettings settings = Cluster(0, 2);
  settings.size = {"STANDARD_NC6", 6, 1, 57344};
  EXPECT_THAT(Create(settings).warnings[0], HasSubstr("runs have CPUs only"));
  const store::Run run = world.Submit(On("blue"));
  EXPECT_EQ(run.properties.at("roost.gpu_substitution"),
            "STANDARD_NC6 promises 1 GPU; this machine has none, so the run has CPUs only");
  world.End(world.BeginRun(run.id), 0);

  world.StopEngine();
  world.options.missing_gpus = MissingGpus::kRefuse;
  world.StartWithFake();
  const Error refused = Refused(On("blue"));
  EXPECT_EQ(refused.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.message, HasSubstr("--gpu require"));
}

TEST_F(EngineComputeTest, EachNodeHasGpusOfItsOwn) {
  world.StopEngine();
  world.options.machine.gpus = {{0, "A", 0}, {1, "B", 0}, {2, "C", 0}};
  world.StartWithFake();
  spec::ClusterSettings settings = Cluster(0, 3);
  settings.size = {"STANDARD_NC6", 6, 1, 57344};
  Create(settings);
  const store::Run first = world.Submit(On("blue"));
  const store::Run second = world.Submit(On("blue"));
  EXPECT_THAT(first.properties, IsEmpty());
  EXPECT_EQ(world.BeginRun(first.id).environment.at("CUDA_VISIBLE_DEVICES"), "0");
  EXPECT_EQ(world.BeginRun(second.id).environment.at("CUDA_VISIBLE_DEVICES"), "1");
  spec::RunDefinition local = On("local");
  local.resources = {0.5, 2, 0};
  EXPECT_EQ(world.Submit(local).reason, "Waiting for 2 GPUs (1 of 3 free)");
}

TEST_F(EngineComputeTest, WhatNoNodeCanGiveIsRefusedByName) {
  Create(Cluster(0, 2));
  spec::RunDefinition definition = On("blue");
  definition.resources = {2, 1, 2048};
  const Error refused = Refused(definition);
  std::vector<std::string> fields;
  for (const Problem& problem : refused.details) fields.push_back(problem.field);
  EXPECT_THAT(fields, ElementsAre("resources.cpus", "resources.gpus", "resources.memory_mb"));
  EXPECT_THAT(refused.message, HasSubstr("a node of 'blue' (SMALL) has 1"));
  EXPECT_THAT(Refused(On("green")).message,
              HasSubstr("there is no compute target 'green'; this server has 'local', 'blue'"));
}

TEST_F(EngineComputeTest, TheSameSettingsAgainAreTheSameCluster) {
  Create(Cluster(0, 2));
  const auto again = world.engine->CreateCompute(Cluster(0, 2));
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->created);
  const auto other = world.engine->CreateCompute(Cluster(1, 2));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kConflict);
  EXPECT_THAT(other.error().message, HasSubstr("min_nodes"));
}

TEST_F(EngineComputeTest, AChangeOfScaleIsFollowedAtOnce) {
  Create(Cluster(0, 1));
  const store::Run first = world.Submit(On("blue"));
  const spec::LaunchRequest request = world.BeginRun(first.id);
  const store::Run second = world.Submit(On("blue"));
  EXPECT_EQ(second.reason, "Waiting for a node of blue (1 of 1 busy)");
  const auto grown = world.engine->UpdateCompute("blue", MaxNodes(2));
  ASSERT_TRUE(grown);
  EXPECT_EQ(grown->target.settings.max_nodes, 2);
  world.End(world.BeginRun(second.id), 0);
  world.AwaitEnd(second.id);

  ASSERT_TRUE(world.engine->UpdateCompute("blue", MaxNodes(0)));
  EXPECT_EQ(Nodes(), 1U);  // the busy one
  EXPECT_EQ(View().target_nodes, 0);
  EXPECT_THAT(Refused(On("blue")).message, HasSubstr("at most 0 nodes"));
  world.End(request, 0);
  EXPECT_TRUE(AwaitNodes(0));
  spec::ClusterChange twisted;
  twisted.min_nodes = 1;
  EXPECT_EQ(world.engine->UpdateCompute("blue", twisted).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(EngineComputeTest, ADeletedClusterFailsWhatWaitsAndCancelsWhatRuns) {
  Create(Cluster(0, 1));
  const store::Run running = world.Submit(On("blue"));
  const spec::LaunchRequest request = world.BeginRun(running.id);
  const store::Run waiting = world.Submit(On("blue"));
  const auto deleted = world.engine->DeleteCompute("blue");
  ASSERT_TRUE(deleted);
  EXPECT_TRUE(deleted->target.deleting);
  const store::Run failed = world.AwaitEnd(waiting.id);
  EXPECT_EQ(failed.state, RunState::kFailed);
  EXPECT_EQ(failed.reason, "The compute target 'blue' was deleted while the run waited for it");
  EXPECT_EQ(world.Await(running.id, RunState::kCancelRequested).state, RunState::kCancelRequested);
  EXPECT_THAT(Refused(On("blue")).message, HasSubstr("there is no compute target 'blue'"));
  EXPECT_EQ(world.engine->CreateCompute(Cluster(0, 1)).error().code, ErrorCode::kConflict);
  EXPECT_TRUE(world.engine->DeleteCompute("blue"));

  Restart();  // the wish outlives the server
  ASSERT_TRUE(world.WaitUntil([&] {
    bool stopped = false;
    world.OnLoop([&] { stopped = world.fake->stopped.contains(request.launch_id); });
    return stopped;
  }));
  EXPECT_TRUE(View().target.deleting);
  world.End(request, 143);
  const store::Run canceled = world.AwaitEnd(running.id);
  EXPECT_EQ(canceled.state, RunState::kCanceled);
  EXPECT_EQ(canceled.reason, "Canceled: its compute target 'blue' was deleted");
  EXPECT_TRUE(world.WaitUntil([&] { return IsGone(); }));
  Create(Cluster(0, 3));
}

TEST_F(EngineComputeTest, AnIdleClusterIsDeletedAtOnce) {
  Create(Cluster(2, 2));
  ASSERT_TRUE(world.engine->DeleteCompute("blue"));
  EXPECT_TRUE(world.WaitUntil([&] { return IsGone(); }));
  EXPECT_EQ(world.engine->DeleteCompute("blue").error().code, ErrorCode::kNotFound);
  const auto all = world.engine->ListCompute();
  ASSERT_TRUE(all);
  EXPECT_EQ(all->size(), 1U);
}

TEST_F(EngineComputeTest, AWaitingRunStartsOnAMachineThatBecameSmaller) {
  spec::ClusterSettings settings = Cluster(0, 1);
  settings.size = {"WIDE", 16, 0, 65536};
  Create(settings);
  const store::Run first = world.Submit(On("blue"));
  const spec::LaunchRequest request = world.BeginRun(first.id);
  const store::Run second = world.Submit(On("blue"));  // asks for 2 CPUs
  world.StopEngine();
  world.options.machine.cpus = 1;
  world.StartWithFake();
  world.End(request, 0);
  world.AwaitEnd(first.id);
  world.BeginRun(second.id);
}

}  // namespace
}  // namespace roost::engine
