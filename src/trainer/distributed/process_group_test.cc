#include "trainer/distributed/process_group.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include "trainer/distributed/two_ranks_test_support.h"

namespace roost::trainer {
namespace {

using ::testing::HasSubstr;

using ProcessGroupTest = GroupTest;

TEST_F(ProcessGroupTest, SumsAndBroadcasts) {
  WithTwoRanks([](ProcessGroup& group) {
    EXPECT_EQ(group.size(), 2);
    EXPECT_EQ(group.local_size(), 2);
    const double own = group.rank() + 1;
    const at::Tensor sum = at::full({3}, own);
    ASSERT_TRUE(group.Sum(sum));
    EXPECT_TRUE(at::equal(sum, at::full({3}, 3.0)));

    // Of several types and layouts at once.
    const at::Tensor image =
        at::full({1, 2, 3, 4}, own, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor count = at::full({}, group.rank() + 7, at::kLong);
    const at::Tensor exact = at::full({2}, own, at::kDouble);
    ASSERT_TRUE(group.Broadcast({image, count, exact}));
    EXPECT_TRUE(at::equal(image, at::full({1, 2, 3, 4}, 1.0, at::kFloat)));
    EXPECT_EQ(count.item().toLong(), 7);
    EXPECT_TRUE(at::equal(exact, at::full({2}, 1.0, at::kDouble)));
    const Result<std::string> text =
        group.TextOfFirst("name", "rank " + std::to_string(group.rank()));
    ASSERT_TRUE(text);
    EXPECT_EQ(*text, "rank 0");
    ASSERT_TRUE(group.Barrier());
  });
}

TEST_F(ProcessGroupTest, AnErrorOfOneRankEndsTheOther) {
  WithTwoRanks([](ProcessGroup& group) {
    if (group.rank() == 1) {
      group.Abort({ErrorCode::kInternal, "The disk is full.", {}});
      return;
    }
    const Status outcome = group.Barrier();
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message, HasSubstr("Rank 1 of 2 has ended: The disk is full."));
  });
}

TEST_F(ProcessGroupTest, TheMissingRankIsNamed) {
  const Launch launch{.world_size = 2, .master_addr = "127.0.0.1", .master_port = FreePort()};
  const auto group = ProcessGroup::Connect(launch, std::chrono::milliseconds(300));
  ASSERT_FALSE(group);
  EXPECT_THAT(group.error().message, HasSubstr("These ranks of 2 have not come to 127.0.0.1"));
  EXPECT_THAT(group.error().message, HasSubstr(": 1."));
}

TEST_F(ProcessGroupTest, ALateRankIsNamed) {
  Launch launch{.world_size = 2, .master_addr = "127.0.0.1", .master_port = FreePort()};
  const auto run = [&](int rank) {
    Launch own = launch;
    own.rank = rank;
    auto group = ProcessGroup::Connect(own, std::chrono::milliseconds(700));
    ASSERT_TRUE(group);
    if (rank == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1800));
    const Status outcome = (*group)->Barrier();
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message, HasSubstr("Rank 1 of 2 is late"));
  };
  std::thread other(run, 1);
  run(0);
  other.join();
}

TEST_F(ProcessGroupTest, TwoOfOneRankAreRefused) {
  const std::uint16_t port = FreePort();
  const auto run = [&](int number, std::string* message) {
    Launch own{.rank = number == 0 ? 0 : 1,
               .world_size = 3,
               .master_addr = "127.0.0.1",
               .master_port = port};
    const auto group = ProcessGroup::Connect(own, std::chrono::milliseconds(700));
    if (!group) *message = group.error().message;
  };
  std::vector<std::string> messages(3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back(run, i, &messages[static_cast<std::size_t>(i)]);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(messages, ::testing::Contains(HasSubstr("Two processes say that they are rank 1")));
}

}  // namespace
}  // namespace roost::trainer
