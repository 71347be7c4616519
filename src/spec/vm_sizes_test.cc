#include "spec/vm_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace roost::spec {
namespace {

TEST(VmSizes, TheShippedTableIsSortedAndEveryNameIsThereOnce) {
  const auto sizes = ShippedVmSizes();
  EXPECT_TRUE(std::is_sorted(sizes.begin(), sizes.end(),
                             [](const VmSize& a, const VmSize& b) { return a.name < b.name; }));
  for (std::size_t i = 1; i < sizes.size(); ++i) EXPECT_NE(sizes[i - 1].name, sizes[i].name);
  for (const VmSize& size : sizes) {
    EXPECT_GT(size.cpus, 0) << size.name;
    EXPECT_GT(size.memory_mb, 0) << size.name;
  }
}

TEST(VmSizes, NamesAreFoundInAnyCaseAndNoneIsTheDefault) {
  const auto sizes = ShippedVmSizes();
  const VmSize nc6{"STANDARD_NC6", 6, 1, 56 * 1024};
  ASSERT_NE(FindVmSize(sizes, ""), nullptr);
  EXPECT_EQ(*FindVmSize(sizes, ""), nc6);
  EXPECT_EQ(*FindVmSize(sizes, "Standard_NC6"), nc6);
  EXPECT_EQ(*FindVmSize(sizes, "standard_d2_v2"), (VmSize{"STANDARD_D2_V2", 2, 0, 7 * 1024}));
  EXPECT_EQ(FindVmSize(sizes, "STANDARD_NC7"), nullptr);
}

TEST(VmSizes, TheOperatorsRowsAreAddedOrTakeTheOldOnesPlace) {
  const auto sizes = ParseVmSizes(nlohmann::json::parse(
      R"({"items": [{"name": "my-box", "cpus": 3, "gpus": 2, "memory_mb": 1000},
                    {"name": "standard_nc6", "cpus": 4, "memory_mb": 2000}]})"));
  ASSERT_TRUE(sizes) << sizes.error().message;
  EXPECT_EQ(sizes->size(), ShippedVmSizes().size() + 1);
  EXPECT_EQ(*FindVmSize(*sizes, "MY-BOX"), (VmSize{"MY-BOX", 3, 2, 1000}));
  EXPECT_EQ(*FindVmSize(*sizes, ""), (VmSize{"STANDARD_NC6", 4, 0, 2000}));
  EXPECT_TRUE(std::is_sorted(sizes->begin(), sizes->end(),
                             [](const VmSize& a, const VmSize& b) { return a.name < b.name; }));
}

TEST(VmSizes, EveryProblemOfATableIsNamed) {
  const auto sizes = ParseVmSizes(nlohmann::json::parse(
      R"({"items": [{"name": "a b", "cpus": 0, "memory_mb": 1}, {"name": "x", "gpu": 1}]})"));
  ASSERT_FALSE(sizes);
  std::vector<std::string> fields;
  for (const Problem& problem : sizes.error().details) fields.push_back(problem.field);
  EXPECT_THAT(fields,
              testing::UnorderedElementsAre("items[0].name", "items[0].cpus", "items[1].cpus",
                                            "items[1].memory_mb", "items[1].gpu"));
  EXPECT_FALSE(ParseVmSizes(nlohmann::json::parse("[1]")));
  EXPECT_FALSE(ParseVmSizes(nlohmann::json::parse("{}")));
  EXPECT_FALSE(ParseVmSizes(nlohmann::json::parse("{oops", nullptr, false)));
}

}  // namespace
}  // namespace roost::spec
