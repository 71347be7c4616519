#include "engine/queue.h"

#include <gtest/gtest.h>

namespace roost::engine {
namespace {

constexpr const char* kStarts = "";

// A machine, what runs ask for in the order of submission, and what the policy says to each.
struct Case {
  const char* name;
  Capacity total;
  Capacity free;
  std::vector<spec::Resources> asks;
  std::vector<std::string> expected;  // reasons; empty: starts
};

Capacity Cpus(double cpus) { return {CpuMillis(cpus), 8192, {}}; }
Capacity CpusAndGpus(double cpus, std::vector<int> gpus) {
  return {CpuMillis(cpus), 8192, std::move(gpus)};
}

const Case kCases[] = {
    {"an idle machine starts what fits, in order",
     Cpus(2),
     Cpus(2),
     {{1, 0, 0}, {1, 0, 0}, {1, 0, 0}},
     {kStarts, kStarts, "Waiting for 1 CPU (0 of 2 free)"}},
    {"the head keeps its place before smaller runs",
     Cpus(2),
     Cpus(1),
     {{2, 0, 0}, {1, 0, 0}, {0.5, 0, 0}},
     {"Waiting for 2 CPUs (1 of 2 free)", "Waiting behind earlier runs for 1 CPU",
      "Waiting behind earlier runs for 0.5 CPUs"}},
    {"fractions share a core exactly",
     Cpus(1),
     Cpus(1),
     {{0.1, 0, 0}, {0.2, 0, 0}, {0.7, 0, 0}, {0.1, 0, 0}},
     {kStarts, kStarts, kStarts, "Waiting for 0.1 CPUs (0 of 1 free)"}},
    {"a run without GPUs overtakes one that waits for a GPU",
     CpusAndGpus(4, {0}),
     CpusAndGpus(4, {}),
     {{1, 1, 0}, {2, 0, 0}},
     {"Waiting for 1 GPU (0 of 1 free)", kStarts}},
    {"but never with CPUs that the earlier one will need",
     CpusAndGpus(4, {0}),
     CpusAndGpus(4, {}),
     {{3, 1, 0}, {2, 0, 0}, {1, 0, 0}},
     {"Waiting for 1 GPU (0 of 1 free)", "Waiting behind earlier runs for 2 CPUs",
      "Waiting behind earlier runs for 1 CPU"}},
    {"memory is a resource like the others",
     {4000, 4096, {}},
     {4000, 1024, {}},
     {{1, 0, 2048}, {1, 0, 0}},
     {"Waiting for 2.0 GiB of memory (1.0 GiB of 4.0 GiB free)", kStarts}},
    {"all that is missing is named",
     CpusAndGpus(2, {0, 1}),
     CpusAndGpus(1, {1}),
     {{2, 2, 0}},
     {"Waiting for 2 CPUs (1 of 2 free) and 2 GPUs (1 of 2 free)"}},
    {"nothing waits on an empty queue", Cpus(1), Cpus(1), {}, {}},
};

TEST(Queue, DecidesAsTheTableSays) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.name);
    std::vector<WaitingRun> waiting;
    for (const spec::Resources& ask : one.asks) {
      waiting.push_back({RunKey(static_cast<std::int64_t>(waiting.size()) + 1), ask});
    }
    const auto decisions = PlanQueue(one.total, one.free, waiting, "");
    ASSERT_EQ(decisions.size(), one.expected.size());
    for (std::size_t i = 0; i < decisions.size(); ++i) {
      EXPECT_EQ(decisions[i].key, waiting[i].key);
      EXPECT_EQ(decisions[i].start, one.expected[i].empty()) << i;
      EXPECT_EQ(decisions[i].reason, one.expected[i]) << i;
    }
  }
}

struct ClusterCase {
  const char* name;
  Capacity free;
  NodePools pools;
  std::vector<std::pair<spec::Resources, std::string>> asks;  // with the cluster
  std::vector<std::string> expected;
};

const ClusterCase kClusterCases[] = {
    {"a cluster's runs take its nodes, in order",
     Cpus(4),
     {{"blue", {2, 2}}},
     {{{1, 0, 0}, "blue"}, {{1, 0, 0}, "blue"}, {{1, 0, 0}, "blue"}, {{1, 0, 0}, "blue"}},
     {kStarts, kStarts, "Waiting for a node of blue (2 of 2 busy)",
      "Waiting behind earlier runs for a node of blue"}},
    {"who waits for a node keeps no CPUs from other targets",
     Cpus(2),
     {{"blue", {0, 1}}, {"red", {1, 1}}},
     {{{2, 0, 0}, "blue"}, {{1, 0, 0}, ""}, {{1, 0, 0}, "red"}},
     {"Waiting for a node of blue (1 of 1 busy)", kStarts, kStarts}},
    {"but the memory that it asked for, since no node brings that",
     {4000, 1024, {}},
     {{"blue", {0, 1}}},
     {{{1, 0, 1024}, "blue"}, {{1, 0, 512}, ""}},
     {"Waiting for a node of blue (1 of 1 busy)",
      "Waiting behind earlier runs for 512.0 MiB of memory"}},
    {"nodes share the machine with local runs, first come first served",
     Cpus(1),
     {{"blue", {2, 2}}},
     {{{2, 0, 0}, ""}, {{1, 0, 0}, "blue"}},
     {"Waiting for 2 CPUs (1 of 4 free)", "Waiting behind earlier runs for 1 CPU"}},
    {"a node is set aside for an earlier run that waits for CPUs",
     Cpus(1),
     {{"blue", {1, 2}}},
     {{{2, 0, 0}, "blue"}, {{1, 0, 0}, "blue"}},
     {"Waiting for 2 CPUs (1 of 4 free)", "Waiting behind earlier runs for a node of blue"}},
    {"a cluster that is gone has no nodes",
     Cpus(4),
     {},
     {{{1, 0, 0}, "blue"}},
     {"Waiting for a node of blue (0 of 0 busy)"}},
};

TEST(Queue, NodesOfClustersAreResourcesLikeTheOthers) {
  for (const ClusterCase& one : kClusterCases) {
    SCOPED_TRACE(one.name);
    std::vector<WaitingRun> waiting;
    for (const auto& [ask, cluster] : one.asks) {
      waiting.push_back({RunKey(static_cast<std::int64_t>(waiting.size()) + 1), ask, cluster});
    }
    const auto decisions = PlanQueue({4000, 4096, {}}, one.free, waiting, "", one.pools);
    ASSERT_EQ(decisions.size(), one.expected.size());
    for (std::size_t i = 0; i < decisions.size(); ++i) {
      EXPECT_EQ(decisions[i].start, one.expected[i].empty()) << i;
      EXPECT_EQ(decisions[i].reason, one.expected[i]) << i;
    }
  }
}

TEST(Queue, StartsNothingWhilePaused) {
  const auto decisions =
      PlanQueue(Cpus(2), Cpus(2), {{RunKey(1), {}}, {RunKey(2), {}}}, "Waiting for disk space");
  ASSERT_EQ(decisions.size(), 2U);
  for (const QueueDecision& decision : decisions) {
    EXPECT_FALSE(decision.start);
    EXPECT_EQ(decision.reason, "Waiting for disk space");
  }
}

TEST(Queue, GivesTheLowestGpusAndTakesThemBack) {
  Capacity free = CpusAndGpus(4, {0, 2, 3});
  const Capacity before = free;
  const spec::Resources ask{1.5, 2, 512};
  const std::vector<int> gpus = TakeShare(ask, free);
  EXPECT_EQ(gpus, (std::vector<int>{0, 2}));
  EXPECT_EQ(free, (Capacity{2500, 8192 - 512, {3}}));
  GiveBackShare(ask, gpus, free);
  EXPECT_EQ(free, before);
}

TEST(Queue, RefusesWhatTheMachineNeverHas) {
  const Capacity machine{2000, 4096, {0}};
  EXPECT_TRUE(CheckFitsMachine({2, 1, 4096}, machine).empty());
  const auto problems = CheckFitsMachine({4, 2, 8192}, machine);
  ASSERT_EQ(problems.size(), 3U);
  EXPECT_EQ(problems[0], (Problem{"resources.cpus",
                                  "the run asks for 4 CPUs, this machine has 2 "
                                  "CPUs"}));
  EXPECT_EQ(problems[1].field, "resources.gpus");
  EXPECT_EQ(problems[2].message, "the run asks for 8.0 GiB of memory, this machine has 4.0 GiB");
}

}  // namespace
}  // namespace roost::engine
