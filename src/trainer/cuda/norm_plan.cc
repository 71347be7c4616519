#include "trainer/cuda/norm_plan.h"

#include <algorithm>
#include <cstddef>

namespace roost::trainer {
namespace {

using norm_kernels::FeatureMap;
using norm_kernels::FeatureMaps;

int RoundedUp(std::int64_t value, std::int64_t by) {
  return static_cast<int>((value + by - 1) / by);
}

// Blocks side by side over the channels, all with as many lanes or nearly so.
int TilesOf(std::int64_t channels, int vector) {
  return RoundedUp(channels / vector, norm_kernels::kMostLanes);
}

}  // namespace

NormPlan PlanNorm(std::int64_t pixels, const std::vector<std::int64_t>& channels, int vector,
                  int multiprocessors) {
  NormPlan plan;
  std::int64_t all_channels = 0;
  int most_tiles = 1;
  int fewest_rows = norm_kernels::kThreads;
  for (const std::int64_t count : channels) {
    if (plan.launches.empty() || plan.launches.back().count == norm_kernels::kMapsOfLaunch) {
      plan.launches.push_back({.pixels = pixels, .channels = 0, .count = 0, .of = {}});
      plan.sizes.push_back({.grid_x = 0, .grid_y = 1, .threads = norm_kernels::kThreads});
    }
    FeatureMaps& maps = plan.launches.back();
    LaunchSize& size = plan.sizes.back();
    const int tiles = TilesOf(count, vector);
    const int lanes = RoundedUp(count / vector, tiles);
    maps.of[maps.count++] = {.x = nullptr,
                             .gradient = nullptr,
                             .channels = static_cast<int>(count),
                             .first_channel = static_cast<int>(all_channels),
                             .first_tile = static_cast<int>(size.grid_x),
                             .lanes = lanes};
    size.grid_x += static_cast<unsigned>(tiles);
    most_tiles = std::max(most_tiles, static_cast<int>(size.grid_x));
    fewest_rows = std::min(fewest_rows, norm_kernels::kThreads / lanes);
    all_channels += count;
  }
  plan.partials = static_cast<int>(
      std::min<std::int64_t>(std::max(1, multiprocessors * kBlocksOfMultiprocessor / most_tiles),
                             (pixels + fewest_rows - 1) / fewest_rows));
  for (FeatureMaps& maps : plan.launches) maps.channels = static_cast<int>(all_channels);
  for (LaunchSize& size : plan.sizes) size.grid_y = static_cast<unsigned>(plan.partials);
  return plan;
}

LaunchSize FinishSize(std::int64_t channels) {
  return {.grid_x = static_cast<unsigned>(RoundedUp(channels, norm_kernels::kFinishChannels)),
          .grid_y = 1,
          .threads = norm_kernels::kFinishChannels * norm_kernels::kFinishRows};
}

}  // namespace roost::trainer
