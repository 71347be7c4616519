#include "spec/model_stage.h"

#include <gtest/gtest.h>

namespace roost::spec {
namespace {

TEST(ModelStageTest, AreReadInAnyCaseAndWrittenInOne) {
  for (const ModelStage stage : kModelStages) {
    EXPECT_EQ(ParseModelStage(ToString(stage)), stage) << ToString(stage);
  }
  EXPECT_EQ(ParseModelStage("sTAGING"), ModelStage::kStaging);
  EXPECT_EQ(ToString(ModelStage::kArchived), "Archived");
  for (const char* text : {"", "Stag", "Staging ", "Deleted_Internal"}) {
    EXPECT_EQ(ParseModelStage(text), std::nullopt) << text;
  }
}

TEST(ModelStageTest, StagingAndProductionAreActive) {
  EXPECT_TRUE(IsActive(ModelStage::kStaging));
  EXPECT_TRUE(IsActive(ModelStage::kProduction));
  EXPECT_FALSE(IsActive(ModelStage::kNone));
  EXPECT_FALSE(IsActive(ModelStage::kArchived));
}

}  // namespace
}  // namespace roost::spec
