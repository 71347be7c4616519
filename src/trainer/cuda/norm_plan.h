#pragma once

#include <cstdint>
#include <vector>

#include "trainer/cuda/norm_arguments.h"
#include "trainer/cuda/run_time_kernels.h"

namespace roost::trainer {

// What fits into a multiprocessor's registers at a time, see norm_kernels.cuh.
constexpr int kBlocksOfMultiprocessor = 3;

// How the pixels and channels of feature maps side by side are shared out among blocks and threads.
// A block has one map's channels, or some of them: `lanes` threads side by side, and as many rows
// of these as its threads make; blockIdx.x says which. blockIdx.y counts the blocks that share the
// pixels of the same channels.
struct NormPlan {
  // One for each launch; x and gradient of the maps are for the caller to fill in.
  std::vector<norm_kernels::FeatureMaps> launches;
  std::vector<LaunchSize> sizes;
  int partials = 1;  // blocks along the pixels, the same for all launches
};

// `channels` of each map, each a multiple of `vector`. The grid fills `multiprocessors` once:
// what is in flight is what makes a memory fast, and each further block costs a partial sum.
// Requires: pixels > 0, all channels > 0.
NormPlan PlanNorm(std::int64_t pixels, const std::vector<std::int64_t>& channels, int vector,
                  int multiprocessors);

// Of the kernels that add up the partial sums.
LaunchSize FinishSize(std::int64_t channels);

}  // namespace roost::trainer
