#include "engine/cluster_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Micros kSecond = 1'000'000;

spec::ClusterSettings Cluster(int min_nodes, int max_nodes, const spec::VmSize& size) {
  spec::ClusterSettings cluster;
  cluster.name = "blue";
  cluster.size = size;
  cluster.min_nodes = min_nodes;
  cluster.max_nodes = max_nodes;
  cluster.idle_seconds = 100;
  return cluster;
}

const spec::VmSize kSmall{"SMALL", 2, 0, 4096};
const spec::VmSize kGpu{"STANDARD_NC6", 6, 1, 57344};

const Capacity kMachine{8000, 16384, {}};
const Capacity kGpuMachine{8000, 65536, {0, 1}};

TEST(ClusterPolicy, AllNodesFitOnTheMachineAtOnce) {
  EXPECT_EQ(NodeOf(Cluster(0, 2, kSmall), kMachine), (spec::Resources{2, 0, 4096}));
  EXPECT_EQ(NodeOf(Cluster(0, 16, kSmall), kMachine), (spec::Resources{0.5, 0, 1024}));
  EXPECT_EQ(NodeOf(Cluster(0, 3, kGpu), kMachine), (spec::Resources{2.666, 0, 16384 / 3}));
  EXPECT_EQ(NodeOf(Cluster(0, 0, kSmall), kMachine), (spec::Resources{2, 0, 4096}));
}

TEST(ClusterPolicy, GpusAreThoseOfTheSizeWhereTheMachineHasThem) {
  EXPECT_EQ(NodeOf(Cluster(0, 4, kGpu), kGpuMachine).gpus, 1);
  EXPECT_EQ(GpuSubstitution(Cluster(0, 4, kGpu), kGpuMachine), "");
  EXPECT_EQ(GpuSubstitution(Cluster(0, 4, kGpu), kMachine),
            "STANDARD_NC6 promises 1 GPU; this machine has none, so the run has CPUs only");
  const spec::VmSize four{"STANDARD_NC24", 24, 4, 1024};
  EXPECT_EQ(NodeOf(Cluster(0, 1, four), kGpuMachine).gpus, 2);
  EXPECT_EQ(GpuSubstitution(Cluster(0, 1, four), kGpuMachine),
            "STANDARD_NC24 promises 4 GPUs; this machine has 2, so the run has 2 GPUs");
}

TEST(ClusterPolicy, WarnsWhereANodeIsLessThanItsSize) {
  EXPECT_THAT(WarningsOf(Cluster(0, 2, kSmall), kMachine, MissingGpus::kSubstitute), IsEmpty());
  const auto warnings = WarningsOf(Cluster(0, 4, kGpu), kMachine, MissingGpus::kSubstitute);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("so runs have CPUs only"),
                                    HasSubstr("with max_nodes 4 a node of this machine has 2")));
  EXPECT_THAT(WarningsOf(Cluster(0, 4, kGpu), kMachine, MissingGpus::kRefuse)[0],
              HasSubstr("runs are refused"));
  spec::ClusterSettings cheap = Cluster(0, 1, kSmall);
  cheap.priority = spec::VmPriority::kLowPriority;
  EXPECT_THAT(WarningsOf(cheap, kMachine, MissingGpus::kSubstitute),
              ElementsAre(HasSubstr("lowpriority")));
}

TEST(ClusterPolicy, ARunTakesTheWholeNode) {
  spec::RunDefinition run;
  std::vector<Problem> problems;
  run.resources.memory_mb = 512;
  FitToCluster(Cluster(0, 2, kSmall), kMachine, MissingGpus::kRefuse, &run, &problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(run.resources, (spec::Resources{2, 0, 512}));
  EXPECT_THAT(run.properties, IsEmpty());
}

TEST(ClusterPolicy, ARunMayAskForWhatTheSizePromisesAndNoMore) {
  spec::RunDefinition run;
  run.resources = {6, 1, 57344};
  std::vector<Problem> problems;
  FitToCluster(Cluster(0, 4, kGpu), kMachine, MissingGpus::kSubstitute, &run, &problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(run.resources, (spec::Resources{2, 0, 57344}));

  run.resources = {7, 2, 57345};
  FitToCluster(Cluster(0, 4, kGpu), kMachine, MissingGpus::kSubstitute, &run, &problems);
  ASSERT_THAT(problems, SizeIs(3));
  EXPECT_EQ(problems[0].message, "the run asks for 7 CPUs; a node of 'blue' (STANDARD_NC6) has 6");
  EXPECT_EQ(problems[1].field, "resources.gpus");
  EXPECT_EQ(problems[2].field, "resources.memory_mb");
}

TEST(ClusterPolicy, MissingGpusAreAPropertyOrARefusal) {
  spec::RunDefinition run;
  std::vector<Problem> problems;
  FitToCluster(Cluster(0, 1, kGpu), kMachine, MissingGpus::kSubstitute, &run, &problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(run.properties.at("roost.gpu_substitution"),
            "STANDARD_NC6 promises 1 GPU; this machine has none, so the run has CPUs only");

  spec::RunDefinition refused;
  FitToCluster(Cluster(0, 1, kGpu), kMachine, MissingGpus::kRefuse, &refused, &problems);
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].field, "resources.gpus");
  EXPECT_THAT(problems[0].message, HasSubstr("--gpu require"));
}

TEST(ClusterPolicy, AClusterOfNoNodesRefusesRuns) {
  spec::RunDefinition run;
  std::vector<Problem> problems;
  FitToCluster(Cluster(0, 0, kSmall), kMachine, MissingGpus::kSubstitute, &run, &problems);
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0].message, HasSubstr("roost compute update blue --max-nodes 1"));
}

// Nodes, what waits, and what happens at second 1000 with 100 idle seconds.
struct ScaleCase {
  const char* name;
  int min_nodes, max_nodes;
  std::vector<NodeUse> nodes;  // `since` in seconds
  int waiting;
  int add;
  std::vector<std::size_t> remove;
  int target;
};

constexpr bool kBusy = true, kIdle = false;

const ScaleCase kScaleCases[] = {
    {"nothing is needed, nothing is there", 0, 4, {}, 0, 0, {}, 0},
    {"min_nodes are there without any run", 2, 4, {}, 0, 2, {}, 2},
    {"up at once by what waits", 0, 4, {}, 3, 3, {}, 3},
    {"never over max_nodes", 0, 4, {{kBusy, 1}}, 9, 3, {}, 4},
    {"an idle node counts for a run that waits", 0, 4, {{kIdle, 999}}, 1, 0, {}, 1},
    {"and stays for it, however long it was idle", 0, 4, {{kIdle, 1}}, 1, 0, {}, 1},
    {"idle nodes stay for their time", 0, 4, {{kIdle, 901}, {kIdle, 950}}, 0, 0, {}, 2},
    {"and go to the second", 0, 4, {{kIdle, 900}, {kIdle, 950}}, 0, 0, {0}, 1},
    {"the longest idle first, down to min_nodes",
     1,
     4,
     {{kIdle, 300}, {kIdle, 100}, {kIdle, 200}},
     0,
     0,
     {1, 2},
     1},
    {"of equals the highest number first", 1, 4, {{kIdle, 1}, {kIdle, 1}}, 0, 0, {1}, 1},
    {"busy nodes do not go", 0, 4, {{kBusy, 1}, {kIdle, 1}}, 0, 0, {1}, 1},
    {"idle ones beyond max_nodes go at once", 0, 1, {{kBusy, 999}, {kIdle, 999}}, 0, 0, {1}, 1},
    {"busy ones beyond max_nodes when they are idle", 0, 1, {{kBusy, 1}, {kBusy, 1}}, 1, 0, {}, 1},
};

TEST(ClusterPolicy, ScalesAsTheTableSays) {
  for (const ScaleCase& one : kScaleCases) {
    SCOPED_TRACE(one.name);
    std::vector<NodeUse> nodes = one.nodes;
    for (NodeUse& node : nodes) node.since *= kSecond;
    const ScalePlan plan = PlanScale(Cluster(one.min_nodes, one.max_nodes, kSmall), nodes,
                                     one.waiting, 1000 * kSecond);
    EXPECT_EQ(plan.add, one.add);
    EXPECT_EQ(plan.remove, one.remove);
    EXPECT_EQ(plan.target, one.target);
  }
}

}  // namespace
}  // namespace roost::engine
