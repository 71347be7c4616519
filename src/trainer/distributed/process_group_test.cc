#include "trainer/distributed/process_group.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <atomic>
#include <latch>

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
  std::string message;
  // Again with more time where the limit ends before there is a place to meet.
  for (std::chrono::milliseconds limit(300);
       message.find("have not come") == std::string::npos && limit < std::chrono::minutes(1);
       limit *= 7) {
    const auto group = ProcessGroup::Connect(launch, limit);
    ASSERT_FALSE(group);
    message = group.error().message;
  }
  EXPECT_THAT(message, HasSubstr("These ranks of 2 have not come to 127.0.0.1"));
  EXPECT_THAT(message, HasSubstr(": 1."));
}

TEST_F(ProcessGroupTest, ALateRankIsNamed) {
  // Again with more time where the two do not even meet within the limit.
  for (std::chrono::milliseconds limit(700); limit < std::chrono::minutes(1); limit *= 7) {
    Launch launch{.world_size = 2, .master_addr = "127.0.0.1", .master_port = FreePort()};
    std::atomic<int> met = 0;
    std::latch tried(2);
    std::latch first_is_done(1);
    const auto run = [&](int rank) {
      Launch own = launch;
      own.rank = rank;
      auto group = ProcessGroup::Connect(own, limit);
      if (group) ++met;
      tried.arrive_and_wait();
      if (met < 2) return;
      if (rank == 0) {
        const Status outcome = (*group)->Barrier();
        EXPECT_THAT(outcome ? "" : outcome.error().message, HasSubstr("Rank 1 of 2 is late"));
        first_is_done.count_down();
      } else {
        first_is_done.wait();
        const Result<std::string> told = (*group)->TextOfFirst("what never comes", "");
        EXPECT_THAT(told ? "" : told.error().message, HasSubstr("Rank 1 of 2 is late"));
      }
    };
    std::thread other(run, 1);
    run(0);
    other.join();
    if (met == 2) return;
  }
  FAIL() << "the ranks did not meet";
}

TEST_F(ProcessGroupTest, TwoOfOneRankAreRefused) {
  const auto refused = testing::Contains(HasSubstr("Two processes say that they are rank 1"));
  std::vector<std::string> messages(3);
  std::uint16_t port = 0;
  std::chrono::milliseconds limit(700);
  const auto run = [&](int number, std::string* message) {
    Launch own{.rank = number == 0 ? 0 : 1,
               .world_size = 3,
               .master_addr = "127.0.0.1",
               .master_port = port};
    const auto group = ProcessGroup::Connect(own, limit);
    if (!group) *message = group.error().message;
  };
  // Again with more time where the three do not even meet within the limit.
  for (; !testing::Matches(refused)(messages) && limit < std::chrono::minutes(1); limit *= 7) {
    port = FreePort();
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back(run, i, &messages[static_cast<std::size_t>(i)]);
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_THAT(messages, refused);
}

}  // namespace
}  // namespace roost::trainer
