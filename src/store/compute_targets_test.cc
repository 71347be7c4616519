#include "store/compute_targets.h"

#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ComputeTargetsTest : public StoreFixture {
 protected:
  static spec::ClusterSettings Settings(const std::string& name) {
    spec::ClusterSettings settings;
    settings.name = name;
    settings.size = {"STANDARD_NC6", 6, 1, 57344};
    settings.priority = spec::VmPriority::kLowPriority;
    settings.min_nodes = 1;
    settings.max_nodes = 3;
    settings.idle_seconds = 120;
    settings.description = "for training";
    settings.tags = {{"team", "a"}};
    return settings;
  }
  ComputeTargets& targets() { return store->compute_targets(); }
};

TEST_F(ComputeTargetsTest, WhatWasMadeIsThereAfterARestart) {
  EXPECT_OK(targets().Create(Settings("blue")));
  EXPECT_OK(targets().Create(Settings("amber")));
  EXPECT_ERROR(targets().Create(Settings("blue")), ErrorCode::kConflict, "'blue'");
  const std::vector<ComputeNode> nodes = {{"blue-1", "", 10}, {"blue-2", "", 20}};
  EXPECT_OK(targets().Resize("blue", nodes, {}, 30));
  EXPECT_OK(targets().SetUse("blue", {"blue-2", "run_1", 40}));
  Open();
  const auto all = ROOST_VALUE(targets().List());
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].settings.name, "amber");
  EXPECT_THAT(all[0].nodes, IsEmpty());
  const ComputeTarget& blue = all[1];
  EXPECT_EQ(blue.settings, Settings("blue"));
  EXPECT_FALSE(blue.deleting);
  EXPECT_EQ(blue.created_at, clock.Now());
  EXPECT_EQ(blue.resized_at, 30);
  EXPECT_THAT(blue.nodes,
              ElementsAre(ComputeNode{"blue-1", "", 10}, ComputeNode{"blue-2", "run_1", 40}));
}

TEST_F(ComputeTargetsTest, NodesComeAndGoInTheOrderOfTheirNumbers) {
  EXPECT_OK(targets().Create(Settings("blue")));
  EXPECT_OK(
      targets().Resize("blue", {{"blue-10", "", 1}, {"blue-9", "", 1}, {"blue-1", "", 1}}, {}, 1));
  EXPECT_OK(targets().Resize("blue", {{"blue-2", "", 2}}, {"blue-1"}, 2));
  std::vector<std::string> ids;
  for (const ComputeNode& node : ROOST_VALUE(targets().Get("blue")).nodes) ids.push_back(node.id);
  EXPECT_THAT(ids, ElementsAre("blue-2", "blue-9", "blue-10"));
  EXPECT_ERROR(targets().SetUse("blue", {"blue-1", "r", 3}), ErrorCode::kNotFound, "blue-1");
}

TEST_F(ComputeTargetsTest, SettingsChangeAndTheSizeStays) {
  EXPECT_OK(targets().Create(Settings("blue")));
  clock.Advance(std::chrono::seconds(1));
  spec::ClusterSettings changed = Settings("blue");
  changed.max_nodes = 9;
  changed.tags = {};
  changed.size.name = "OTHER";
  const ComputeTarget target = ROOST_VALUE(targets().Update(changed));
  EXPECT_EQ(target.settings.max_nodes, 9);
  EXPECT_THAT(target.settings.tags, IsEmpty());
  EXPECT_EQ(target.settings.size.name, "STANDARD_NC6");
  EXPECT_EQ(target.updated_at, clock.Now());
  EXPECT_LT(target.created_at, target.updated_at);
}

TEST_F(ComputeTargetsTest, DeletingIsAStateBeforeTheRowGoesWithItsNodes) {
  EXPECT_OK(targets().Create(Settings("blue")));
  EXPECT_OK(targets().Resize("blue", {{"blue-1", "", 1}}, {}, 1));
  clock.Advance(std::chrono::seconds(1));
  EXPECT_TRUE(ROOST_VALUE(targets().SetDeleting("blue")).deleting);
  Open();
  EXPECT_TRUE(ROOST_VALUE(targets().Get("blue")).deleting);
  EXPECT_OK(targets().Remove("blue"));
  EXPECT_OK(targets().Remove("blue"));
  EXPECT_ERROR(targets().Get("blue"), ErrorCode::kNotFound, "'blue'");
  EXPECT_ERROR(targets().SetDeleting("blue"), ErrorCode::kNotFound, "'blue'");
  EXPECT_OK(targets().Create(Settings("blue")));
  EXPECT_THAT(ROOST_VALUE(targets().Get("blue")).nodes, IsEmpty());
}

}  // namespace
}  // namespace roost::store
