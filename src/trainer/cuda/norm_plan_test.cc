#include "trainer/cuda/norm_plan.h"

#include <gtest/gtest.h>

#include <numeric>
#include <ostream>

namespace roost::trainer {
namespace {

struct Case {
  const char* name;
  std::int64_t pixels;
  std::vector<std::int64_t> channels;
  int vector;
  int multiprocessors;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

struct NormPlanTest : ::testing::TestWithParam<Case> {};

TEST_P(NormPlanTest, EveryChannelHasItsThreads) {
  const Case& c = GetParam();
  const NormPlan plan = PlanNorm(c.pixels, c.channels, c.vector, c.multiprocessors);
  ASSERT_EQ(plan.launches.size(), plan.sizes.size());
  std::size_t map = 0;
  int channel = 0;
  for (std::size_t launch = 0; launch < plan.launches.size(); ++launch) {
    const norm_kernels::FeatureMaps& maps = plan.launches[launch];
    EXPECT_EQ(maps.channels, std::accumulate(c.channels.begin(), c.channels.end(), 0));
    EXPECT_EQ(maps.pixels, c.pixels);
    ASSERT_LE(maps.count, norm_kernels::kMapsOfLaunch);
    for (int i = 0; i < maps.count; ++i, ++map) {
      const norm_kernels::FeatureMap& own = maps.of[i];
      const int tiles = (i + 1 < maps.count ? maps.of[i + 1].first_tile
                                            : static_cast<int>(plan.sizes[launch].grid_x)) -
                        own.first_tile;
      ASSERT_LE(own.lanes, norm_kernels::kMostLanes);
      EXPECT_EQ(own.channels, c.channels.at(map));
      EXPECT_EQ(own.first_channel, channel);
      EXPECT_GE(tiles * own.lanes * c.vector, own.channels);
      EXPECT_LT((tiles - 1) * own.lanes * c.vector, own.channels) << "an idle block";
      channel += own.channels;
    }
    EXPECT_EQ(plan.sizes[launch].grid_y, static_cast<unsigned>(plan.partials));
    EXPECT_EQ(plan.sizes[launch].threads, static_cast<unsigned>(norm_kernels::kThreads));
  }
  EXPECT_EQ(map, c.channels.size());
  EXPECT_GE(plan.partials, 1);
  EXPECT_LE(plan.partials, c.pixels);
}

INSTANTIATE_TEST_SUITE_P(
    Layers, NormPlanTest,
    ::testing::Values(Case{"stem", 256 * 112 * 112, {64}, 8, 132},
                      Case{"last", 256 * 7 * 7, {2048}, 8, 132},
                      Case{"huge", std::int64_t{1} << 33, {8}, 8, 200},
                      Case{"odd", 100, {37}, 1, 132}, Case{"uneven", 100, {600}, 8, 2},
                      Case{"small", 2, {16, 256}, 8, 132},
                      Case{"dense", 50176, std::vector<std::int64_t>(49, 32), 8, 132}),
    [](const ::testing::TestParamInfo<Case>& test) { return std::string(test.param.name); });

// What the memory has to do is there for all multiprocessors, and once.
TEST(NormPlan, FillsTheGpuOnce) {
  const NormPlan stem = PlanNorm(256 * 112 * 112, {64}, 8, 132);
  EXPECT_EQ(stem.sizes[0].grid_x, 1U);
  EXPECT_EQ(stem.partials, 132 * kBlocksOfMultiprocessor);
  const NormPlan last = PlanNorm(256 * 7 * 7, {2048}, 8, 132);
  EXPECT_EQ(last.sizes[0].grid_x, 8U);
  EXPECT_EQ(last.partials, 132 * kBlocksOfMultiprocessor / 8);
}

TEST(NormPlan, MoreMapsThanALaunchTakesAreSharedOut) {
  const NormPlan plan =
      PlanNorm(1000, std::vector<std::int64_t>(norm_kernels::kMapsOfLaunch + 3, 32), 8, 132);
  ASSERT_EQ(plan.launches.size(), 2U);
  EXPECT_EQ(plan.launches[1].count, 3);
  EXPECT_EQ(plan.launches[1].of[0].first_tile, 0);
  EXPECT_EQ(plan.launches[1].of[0].first_channel, norm_kernels::kMapsOfLaunch * 32);
}

TEST(NormPlan, FinishingThreadsReachTheLastChannel) {
  EXPECT_EQ(FinishSize(32).grid_x, 1U);
  EXPECT_EQ(FinishSize(33).grid_x, 2U);
  EXPECT_EQ(FinishSize(33).threads, 1024U);
}

}  // namespace
}  // namespace roost::trainer
