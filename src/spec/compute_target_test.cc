#include "spec/compute_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace roost::spec {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

Result<ClusterSettings> Parse(const char* text) {
  return ParseCluster(json::parse(text), ShippedVmSizes());
}

std::vector<std::string> FieldsOf(const Error& error) {
  std::vector<std::string> fields;
  for (const Problem& problem : error.details) fields.push_back(problem.field);
  return fields;
}

TEST(ComputeTarget, NeedsOnlyANameAndMaxNodes) {
  const auto cluster = Parse(R"({"name": "gpu-cluster", "max_nodes": 4})");
  ASSERT_TRUE(cluster) << cluster.error().message;
  ClusterSettings expected;
  expected.name = "gpu-cluster";
  expected.size = {"STANDARD_NC6", 6, 1, 56 * 1024};
  expected.max_nodes = 4;
  expected.idle_seconds = 1800;
  EXPECT_EQ(*cluster, expected);
}

TEST(ComputeTarget, TakesEverythingThatMayBeSet) {
  const auto cluster = Parse(
      R"({"name": "c1", "vm_size": "Standard_D2_v2", "vm_priority": "LowPriority", "min_nodes": 1,
          "max_nodes": 2, "idle_seconds_before_scaledown": 120, "description": "d",
          "tags": {"team": "a"}})");
  ASSERT_TRUE(cluster) << cluster.error().message;
  EXPECT_EQ(cluster->size.name, "STANDARD_D2_V2");
  EXPECT_EQ(cluster->priority, VmPriority::kLowPriority);
  EXPECT_EQ(cluster->min_nodes, 1);
  EXPECT_EQ(cluster->idle_seconds, 120);
  EXPECT_THAT(cluster->tags, ElementsAre(std::pair("team", "a")));
}

TEST(ComputeTarget, AllProblemsAreToldAtOnce) {
  const auto cluster = Parse(
      R"({"name": "-x", "vm_priority": "cheap", "min_nodes": -1, "idle_seconds_before_scaledown": -5,
          "nodes": 3})");
  ASSERT_FALSE(cluster);
  EXPECT_THAT(FieldsOf(cluster.error()),
              UnorderedElementsAre("name", "vm_priority", "min_nodes", "max_nodes",
                                   "idle_seconds_before_scaledown", "nodes"));
  const auto twisted = Parse(R"({"name": "c1", "min_nodes": 3, "max_nodes": 2})");
  ASSERT_FALSE(twisted);
  EXPECT_THAT(FieldsOf(twisted.error()), ElementsAre("min_nodes"));
  const auto unknown = Parse(R"({"name": "c1", "vm_size": "BIG", "max_nodes": 2})");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, testing::HasSubstr("'BIG'"));
}

TEST(ComputeTarget, NamesKeepToTheRules) {
  for (const char* good : {"ab", "cpu-cluster", "A1", "gpu-cluster-with-24-chars"}) {
    const bool fits = std::string(good).size() <= 24;
    EXPECT_EQ(CheckClusterName(good).has_value(), fits) << good;
  }
  for (const char* bad : {"", "a", "1a", "-ab", "ab-", "a_b", "a b", "ä1", "local", "Local",
                          "amlcompute", "AmlCompute", "containerinstance"}) {
    EXPECT_FALSE(CheckClusterName(bad)) << bad;
  }
}

TEST(ComputeTarget, AChangeLeavesTheRestAsItIs) {
  auto cluster = Parse(R"({"name": "c1", "max_nodes": 2, "tags": {"a": "1", "b": "2"}})");
  ASSERT_TRUE(cluster);
  const auto change = ParseClusterChange(
      json::parse(R"({"max_nodes": 5, "tags": {"a": null, "c": "3"}, "description": ""})"));
  ASSERT_TRUE(change) << change.error().message;
  const auto changed = Changed(*cluster, *change);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->max_nodes, 5);
  EXPECT_EQ(changed->idle_seconds, 1800);
  EXPECT_THAT(changed->tags, ElementsAre(std::pair("b", "2"), std::pair("c", "3")));
  EXPECT_THAT(Differences(*cluster, *changed), ElementsAre("max_nodes", "tags"));
  EXPECT_TRUE(Differences(*cluster, *cluster).empty());

  const auto twisted = Changed(*cluster, *ParseClusterChange(json::parse(R"({"min_nodes": 3})")));
  ASSERT_FALSE(twisted);
  EXPECT_EQ(twisted.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(ParseClusterChange(json::parse(R"({"vm_size": "STANDARD_NC6"})")));
}

}  // namespace
}  // namespace roost::spec
