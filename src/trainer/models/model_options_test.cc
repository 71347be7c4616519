#include "trainer/models/model_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ModelOptions, EachFamilyKnowsItsNames) {
  EXPECT_EQ(ModelNames(ModelFamily::kResNet).size(), 9U);
  EXPECT_EQ(ModelNames(ModelFamily::kDenseNet).size(), 4U);
  EXPECT_EQ(FamilyOf("wide_resnet101_2").value(), ModelFamily::kResNet);
  EXPECT_EQ(FamilyOf("densenet161").value(), ModelFamily::kDenseNet);
}

TEST(ModelOptions, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  const Status status = CheckModelName("resnet18", ModelFamily::kDenseNet);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(status.error().message, StartsWith("'resnet18' is not a supported densenet"));
  EXPECT_THAT(status.error().message, HasSubstr("densenet201"));
  EXPECT_THAT(CheckModelName("resnet19", ModelFamily::kResNet).error().message,
              StartsWith("'resnet19' is not a supported resnet"));
  EXPECT_THAT(FamilyOf("").error().message, HasSubstr("densenet121"));
  EXPECT_TRUE(CheckModelName("resnet18", ModelFamily::kResNet));
}

TEST(ModelOptions, AllProblemsAreToldAtOnce) {
  EXPECT_TRUE(CheckModelOptions({.name = "densenet121", .memory_efficient = true}));
  EXPECT_TRUE(CheckModelOptions({.name = "resnet18", .zero_init_residual = true}));
  const Status status = CheckModelOptions({.name = "resnet18",
                                           .memory_efficient = true,
                                           .zero_init_residual = true,
                                           .num_classes = -1});
  ASSERT_FALSE(status);
  ASSERT_EQ(status.error().details.size(), 2U);
  EXPECT_EQ(status.error().details[0].field, "memory_efficient");
  EXPECT_EQ(status.error().details[1].field, "num_classes");
  EXPECT_THAT(status.error().message, HasSubstr("resnet18 does not have it"));
  EXPECT_THAT(status.error().message, HasSubstr("-1 classes"));
  EXPECT_FALSE(CheckModelOptions({.name = "densenet121", .zero_init_residual = true}));
}

}  // namespace
}  // namespace roost::trainer
