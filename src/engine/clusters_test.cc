#include "engine/clusters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "base/files.h"
#include "store/store.h"

namespace roost::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ClustersTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = store::Store::Open({.data_folder = folder.path() / "data"});
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
    clusters.emplace(store->compute_targets(), clock);
    settings.name = "blue";
    settings.size = {"SMALL", 1, 0, 1024};
    settings.max_nodes = 12;
    ASSERT_TRUE(clusters->Create(settings));
  }
  std::vector<std::string> Ids() {
    std::vector<std::string> ids;
    for (const store::ComputeNode& node : clusters->Find("blue")->nodes) ids.push_back(node.id);
    return ids;
  }

  TempFolder folder;
  FakeClock clock;
  std::unique_ptr<store::Store> store;
  std::optional<Clusters> clusters;
  spec::ClusterSettings settings;
};

TEST_F(ClustersTest, NamesOfNodesAreTheLowestThatAreFree) {
  clusters->Rescale({{"blue", 11}});
  EXPECT_THAT(Ids(), SizeIs(11));
  EXPECT_EQ(Ids().front(), "blue-1");
  EXPECT_EQ(Ids().back(), "blue-11");
  ASSERT_EQ(clusters->Occupy("blue", "run_1").value_or(""), "blue-1");
  ASSERT_EQ(clusters->Occupy("blue", "run_2").value_or(""), "blue-2");
  clusters->Vacate("blue", "blue-1");
  clock.Advance(std::chrono::seconds(1800));
  clusters->Rescale({});
  EXPECT_THAT(Ids(), ElementsAre("blue-2"));
  clusters->Rescale({{"blue", 1}});
  EXPECT_THAT(Ids(), ElementsAre("blue-1", "blue-2"));
}

TEST_F(ClustersTest, WhatAnotherServerLeftIsTakenOver) {
  clusters->Rescale({{"blue", 2}});
  ASSERT_TRUE(clusters->Occupy("blue", "run_1"));
  Clusters next(store->compute_targets(), clock);
  ASSERT_TRUE(next.Load());
  EXPECT_EQ(next.Find("blue")->nodes, clusters->Find("blue")->nodes);
  EXPECT_EQ(next.Reoccupy("blue", "run_1").value_or(""), "blue-1");
  EXPECT_EQ(next.Reoccupy("blue", "run_2").value_or(""), "blue-2");
  EXPECT_EQ(next.Reoccupy("blue", "run_3").value_or(""), "blue-3");
  EXPECT_EQ(next.Pools().at("blue").free, 9);
  EXPECT_EQ(next.Occupy("blue", "run_4").error().code, ErrorCode::kUnavailable);
}

TEST_F(ClustersTest, ANodeIsFreeAlsoWhenItsRowCannotBeWritten) {
  clusters->Rescale({{"blue", 1}});
  ASSERT_TRUE(clusters->Occupy("blue", "run_1"));
  EXPECT_EQ(clusters->Pools().at("blue").free, 11);
  ASSERT_TRUE(store->compute_targets().Resize("blue", {}, {"blue-1"}, clock.Now()));
  clusters->Vacate("blue", "blue-1");
  EXPECT_EQ(clusters->Pools().at("blue").free, 12);
  ASSERT_TRUE(clusters->Update(settings));
  ASSERT_THAT(Ids(), ElementsAre("blue-1"));
  EXPECT_EQ(clusters->Find("blue")->nodes[0].run_id, "");
}

TEST_F(ClustersTest, ADeletedClusterHasNoNodesToGiveAndDoesNotGrow) {
  ASSERT_TRUE(clusters->SetDeleting("blue"));
  EXPECT_FALSE(clusters->Takes("blue"));
  EXPECT_THAT(clusters->Pools(), IsEmpty());
  clusters->Rescale({{"blue", 3}});
  EXPECT_THAT(Ids(), IsEmpty());
  ASSERT_TRUE(clusters->Remove("blue"));
  EXPECT_EQ(clusters->Find("blue"), nullptr);
  ASSERT_TRUE(clusters->Load());
  EXPECT_THAT(clusters->all(), IsEmpty());
}

}  // namespace
}  // namespace roost::engine
