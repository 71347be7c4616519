#include "spec/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::spec {
namespace {

using ::testing::HasSubstr;

TEST(ModelSourceTest, PathsOfTheMachineAreToldFromAddresses) {
  EXPECT_EQ(LocalPathOfSource("/a/b"), "/a/b");
  EXPECT_EQ(LocalPathOfSource("a/b"), "a/b");
  EXPECT_EQ(LocalPathOfSource(""), "");
  EXPECT_EQ(LocalPathOfSource("file:///a/b%20c"), "/a/b c");
  EXPECT_EQ(LocalPathOfSource("file:/a"), "/a");
  EXPECT_EQ(LocalPathOfSource("FILE:///a"), "/a");
  EXPECT_EQ(LocalPathOfSource("a b:c"), "a b:c");
  for (const char* address : {"s3://b/x", "mlflow-artifacts:/1/x", "runs:/a/b", "models:/m/1"}) {
    EXPECT_EQ(LocalPathOfSource(address), std::nullopt) << address;
  }
}

TEST(ModelSourceTest, AddressesHaveAnAbsolutePathWithoutRelativeParts) {
  for (const char* fine :
       {"s3://bucket/x", "s3://bucket//x/", "mlflow-artifacts:/1/x", "runs:/a/b", "models:/net/1",
        "http://host/x?query=..", "s3://bucket/a..b", "s3://bucket/...", "hdfs://h:1/a b+c"}) {
    EXPECT_TRUE(CheckSourceAddress(fine)) << fine;
  }
  for (const char* bad :
       {"s3://bucket/../x", "s3://bucket/%2e%2e/x", "s3://bucket/%252e%252E%252fx",
        "s3://bucket/a/..", "s3://bucket/./x", "mlflow-artifacts:relative/x", "s3://bucket",
        "s3://bucket/", "models:/", "s3://bucket/x%00", "s3://bucket/x#f/..",
        "mlflow-artifacts://host/..%2F..%2F"}) {
    const auto checked = CheckSourceAddress(bad);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(checked.error().message, HasSubstr("source: '" + std::string(bad) + "'."));
  }
}

TEST(ModelSourceTest, SpeaksOfModelsRunsOrOtherPlaces) {
  struct Case {
    const char* source;
    ModelSource meaning;
  };
  const Case cases[] = {
      {"models:/net/3", RegisteredSource{"net", 3}},
      {"models:/net/03x", OtherSource{}},
      {"models:/net/Staging", OtherSource{}},
      {"models:/net/0", OtherSource{}},
      {"models:/net@best", OtherSource{}},
      {"models:/m-12", LoggedModelSource{"m-12", ""}},
      {"models:/a/b/c", OtherSource{}},
      {"runs:/ab12", RunSource{"ab12", ""}},
      {"runs:/ab12/model/data", RunSource{"ab12", "model/data"}},
      {"mlflow-artifacts:/1/ab12/artifacts/model", RunSource{"ab12", "model"}},
      {"mlflow-artifacts:/1/ab12/artifacts", RunSource{"ab12", ""}},
      {"mlflow-artifacts://host:5000/1/ab12/artifacts/a/artifacts/b",
       RunSource{"ab12", "a/artifacts/b"}},
      {"mlflow-artifacts:/1/models/m-12/artifacts/", LoggedModelSource{"m-12", ""}},
      {"mlflow-artifacts:/1/models/m-12/artifacts/MLmodel", LoggedModelSource{"m-12", "MLmodel"}},
      {"mlflow-artifacts:/artifacts/x", OtherSource{}},
      {"http://host/api/2.0/mlflow-artifacts/artifacts/1/ab12/artifacts/m", RunSource{"ab12", "m"}},
      {"http://host/1/ab12/artifacts/m", OtherSource{}},
      {"s3://bucket/1/ab12/artifacts/m", OtherSource{}},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(ParseModelSource(each.source), each.meaning) << each.source;
  }
}

}  // namespace
}  // namespace roost::spec
