#include "store/environments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class EnvironmentsTest : public StoreFixture {
 protected:
  static spec::EnvironmentDefinition Pip(std::string name, std::vector<std::string> requirements) {
    spec::EnvironmentDefinition definition;
    definition.name = std::move(name);
    definition.pip = spec::PipSection{std::move(requirements), {}};
    return definition;
  }
};

TEST_F(EnvironmentsTest, VersionsGrowByContent) {
  auto& environments = store->environments();
  const auto first = environments.Register(Pip("train", {"numpy"}));
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(first->created);
  EXPECT_EQ(first->version.version, 1);
  const auto second = environments.Register(Pip("train", {"numpy", "pillow"}));
  EXPECT_EQ(second->version.version, 2);
  // The label that a definition carries says nothing about its content.
  auto again = Pip("train", {"numpy"});
  again.version = "7";
  const auto third = environments.Register(again);
  EXPECT_FALSE(third->created);
  EXPECT_EQ(third->version.version, 1);

  const auto newest = environments.Get("train", {});
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->definition.version, "2");
  EXPECT_THAT(newest->definition.pip->requirements, ElementsAre("numpy", "pillow"));
  EXPECT_EQ(environments.Versions("train")->size(), 2U);
  EXPECT_THAT(environments.Get("train", 9).error().message, HasSubstr("no version 9"));
  EXPECT_EQ(environments.Versions("nothing").error().code, ErrorCode::kNotFound);
}

TEST_F(EnvironmentsTest, ListsTheNewestOfEachName) {
  auto& environments = store->environments();
  for (const char* name : {"b", "a", "c"}) ASSERT_TRUE(environments.Register(Pip(name, {"numpy"})));
  ASSERT_TRUE(environments.Register(Pip("b", {"pillow"})));
  const auto page = environments.List("", 2);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->size(), 2U);
  EXPECT_EQ((*page)[0].name, "a");
  EXPECT_EQ((*page)[1].version, 2);
  const auto rest = environments.List("b", 2);
  ASSERT_EQ(rest->size(), 1U);
  EXPECT_EQ((*rest)[0].name, "c");
}

}  // namespace
}  // namespace roost::store
