#include "trainer/distributed/shard.h"

#include <gmock/gmock.h>

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Shard, RanksTakeTurns) {
  const std::vector<std::size_t> order = {4, 2, 0, 1, 3, 5};
  EXPECT_THAT(ShardOf(order, 0, 2), ElementsAre(4, 0, 3));
  EXPECT_THAT(ShardOf(order, 1, 2), ElementsAre(2, 1, 5));
  EXPECT_EQ(ShardOf(order, 0, 1), order);
}

TEST(Shard, IsFilledUpFromTheStart) {
  const std::vector<std::size_t> order = {2, 0, 1};
  EXPECT_EQ(ShardSize(3, 2), 2);
  EXPECT_THAT(ShardOf(order, 0, 2), ElementsAre(2, 1));
  EXPECT_THAT(ShardOf(order, 1, 2), ElementsAre(0, 2));
  EXPECT_THAT(ShardOf(order, 6, 8), ElementsAre(2));  // more ranks than samples
}

TEST(Shard, EachRowIsJudgedOnce) {
  EXPECT_THAT(RowsOf(5, 0, 2), ElementsAre(0, 2, 4));
  EXPECT_THAT(RowsOf(5, 1, 2), ElementsAre(1, 3));
  EXPECT_THAT(RowsOf(1, 1, 2), IsEmpty());
}

}  // namespace
}  // namespace roost::trainer
