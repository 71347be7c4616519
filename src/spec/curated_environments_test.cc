#include "spec/curated_environments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

namespace roost::spec {
namespace {

using testing::HasSubstr;
using testing::Not;

EnvironmentDefinition Named(const std::string& name) {
  EnvironmentDefinition definition;
  definition.name = name;
  return definition;
}

TEST(CuratedEnvironments, EveryRowIsCompleteAndItsNameIsAnEnvironments) {
  std::set<std::string> names;
  for (const CuratedEnvironment& row : CuratedEnvironments()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(IsCuratedName(row.name)) << row.name;
    EXPECT_TRUE(CheckEnvironmentName(row.name)) << row.name;
    EXPECT_FALSE(row.description.empty()) << row.name;
    if (!row.unavailable.empty()) continue;
    EXPECT_EQ(row.definition.name, row.name);
    EXPECT_EQ(row.definition.version, "1");
    EXPECT_EQ(row.definition.Kind(), EnvironmentKind::kConda) << row.name;
  }
  EXPECT_EQ(CuratedNames().size(), names.size());
}

TEST(CuratedEnvironments, TheFamilyIsThere) {
  std::vector<std::string> wanted = {"AzureML-Scikit-learn-0.20.3", "AzureML-Minimal",
                                     "AzureML-Tutorial"};
  for (const char* device : {"-CPU", "-GPU"}) {
    for (const char* version : {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6"}) {
      wanted.push_back(std::string("AzureML-PyTorch-") + version + device);
    }
    for (const char* version : {"1.10", "1.12", "1.13", "2.0", "2.1", "2.2", "2.3"}) {
      wanted.push_back(std::string("AzureML-TensorFlow-") + version + device);
    }
  }
  for (const std::string& name : wanted) {
    const CuratedEnvironment* row = FindCurated(name);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_EQ(row->unavailable, "") << name;
  }
  EXPECT_EQ(FindCurated("azureml-minimal"), nullptr);
}

TEST(CuratedEnvironments, ARowSaysWhatItIsMappedToAndWhereHorovodWas) {
  const CuratedEnvironment* row = FindCurated("AzureML-PyTorch-1.6-GPU");
  ASSERT_NE(row, nullptr);
  EXPECT_THAT(row->description, HasSubstr("PyTorch 1.6"));
  EXPECT_THAT(row->description, HasSubstr("here: current PyTorch and torchvision"));
  EXPECT_TRUE(row->had_horovod);
  EXPECT_THAT(row->description, HasSubstr("Horovod"));
  EXPECT_FALSE(FindCurated("AzureML-Scikit-learn-0.20.3")->had_horovod);
  EXPECT_THAT(FindCurated("AzureML-Minimal")->description, Not(HasSubstr("Horovod")));
  for (const CuratedEnvironment& one : CuratedEnvironments()) {
    EXPECT_THAT(one.definition.CanonicalBuild(), Not(HasSubstr("horovod"))) << one.name;
  }
}

TEST(ResolveCurated, ANameAloneAndTheRowItselfGiveTheRow) {
  const CuratedEnvironment& row = *FindCurated("AzureML-PyTorch-1.6-CPU");
  EXPECT_EQ(ResolveCurated(Named(row.name)).value(), row.definition);
  EnvironmentDefinition same = row.definition;
  same.docker.enabled = true;
  same.docker.base_image = "some/image";
  EXPECT_EQ(ResolveCurated(same).value(), row.definition);
  same.version = "latest";
  EXPECT_EQ(ResolveCurated(same).value(), row.definition);
}

TEST(ResolveCurated, AChangedOneIsRefusedAndTheErrorSaysHowToGoOn) {
  EnvironmentDefinition changed = FindCurated("AzureML-PyTorch-1.6-CPU")->definition;
  changed.conda->pip.push_back("tqdm");
  const auto refused = ResolveCurated(changed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("clone it under a new name"));
  EXPECT_THAT(refused.error().message, HasSubstr("new_name='my-PyTorch-1.6-CPU'"));

  EnvironmentDefinition variables = FindCurated("AzureML-Minimal")->definition;
  variables.environment_variables["A"] = "1";
  EXPECT_FALSE(ResolveCurated(variables));
  EnvironmentDefinition only_variables = Named("AzureML-Minimal");
  only_variables.environment_variables["A"] = "1";
  EXPECT_FALSE(ResolveCurated(only_variables));
}

TEST(ResolveCurated, WhatIsNotThereIsAnErrorThatSaysWhatIs) {
  const auto unknown = ResolveCurated(Named("AzureML-Mine"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(unknown.error().message, HasSubstr("AzureML-PyTorch-1.6-GPU"));
  EXPECT_THAT(unknown.error().message, Not(HasSubstr("AzureML-Triton")));

  const auto unavailable = ResolveCurated(Named("AzureML-Chainer-5.1.0-GPU"));
  ASSERT_FALSE(unavailable);
  EXPECT_THAT(unavailable.error().message, HasSubstr("cannot be served: Chainer has ended"));

  EnvironmentDefinition old = Named("AzureML-Minimal");
  old.version = "7";
  const auto version = ResolveCurated(old);
  ASSERT_FALSE(version);
  EXPECT_THAT(version.error().message, HasSubstr("has version 1 alone"));
}

}  // namespace
}  // namespace roost::spec
