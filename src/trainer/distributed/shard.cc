#include "trainer/distributed/shard.h"

namespace roost::trainer {

std::int64_t ShardSize(std::int64_t count, int world_size) {
  return (count + world_size - 1) / world_size;
}

std::vector<std::size_t> ShardOf(const std::vector<std::size_t>& order, int rank, int world_size) {
  const auto size =
      static_cast<std::size_t>(ShardSize(static_cast<std::int64_t>(order.size()), world_size));
  std::vector<std::size_t> shard(size);
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t place =
        static_cast<std::size_t>(rank) + i * static_cast<std::size_t>(world_size);
    shard[i] = order[place % order.size()];
  }
  return shard;
}

std::vector<std::size_t> RowsOf(std::size_t count, int rank, int world_size) {
  std::vector<std::size_t> rows;
  for (auto row = static_cast<std::size_t>(rank); row < count;
       row += static_cast<std::size_t>(world_size)) {
    rows.push_back(row);
  }
  return rows;
}

}  // namespace roost::trainer
