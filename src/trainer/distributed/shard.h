#pragma once

#include <cstdint>
#include <vector>

namespace roost::trainer {

// How many of `count` samples each of `world_size` processes takes in an epoch: as many as any of
// them, ceil(count / world_size).
std::int64_t ShardSize(std::int64_t count, int world_size);

// The part of an epoch's order that a rank takes, as torch.utils.data.DistributedSampler deals it:
// the order is filled up from its own start to ShardSize * world_size samples, and rank r takes
// number r, r + world_size, r + 2 world_size and so on. So the same batch of all ranks together
// is a stretch of the order. One process takes the order as it is. Requires: order is not empty.
std::vector<std::size_t> ShardOf(const std::vector<std::size_t>& order, int rank, int world_size);

// The rows 0 .. count-1 that a rank judges: each row by one rank alone.
std::vector<std::size_t> RowsOf(std::size_t count, int rank, int world_size);

}  // namespace roost::trainer
