#include "trainer/distributed/process_group.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <atomic>
#include <latch>

#include "trainer/distributed/fake_device_test_support.h"
#include "trainer/distributed/two_ranks_test_support.h"

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;
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

TEST_F(ProcessGroupTest, OneProcessIsAGroup) {
  auto group = ProcessGroup::Connect({.master_addr = "127.0.0.1", .master_port = FreePort()},
                                     std::chrono::seconds(60));
  ASSERT_TRUE(group) << group.error().message;
  const at::Tensor values = at::full({3}, 2.0);
  ASSERT_TRUE((*group)->Sum(values));
  ASSERT_TRUE((*group)->Broadcast({values}));
  EXPECT_TRUE(at::equal(values, at::full({3}, 2.0)));
}

TEST_F(ProcessGroupTest, TextsComeByRank) {
  WithTwoRanks([](ProcessGroup& group) {
    const auto texts = group.TextsOfAll("names", "rank " + std::to_string(group.rank()));
    ASSERT_TRUE(texts);
    EXPECT_THAT(*texts, ElementsAre("rank 0", "rank 1"));
    ASSERT_EQ(group.hosts().size(), 2U);
    EXPECT_EQ(group.hosts()[0], group.hosts()[1]);
    EXPECT_EQ(group.local_rank(), group.rank());  // the launcher said nothing
  });
}

class DeviceGroupTest : public GroupTest {
 protected:
  // The device is the group's.
  FakeDevice& GiveDevice(ProcessGroup& group) {
    auto device = std::make_unique<FakeDevice>(board_, group.rank());
    FakeDevice& given = *device;
    EXPECT_TRUE(group.UseDevice(std::move(device)));
    EXPECT_EQ(given.begun(), 1);
    return given;
  }

  const std::shared_ptr<FakeBoard> board_ = std::make_shared<FakeBoard>();
};

TEST_F(DeviceGroupTest, TensorsGoWhereTheyLie) {
  WithTwoRanks([&](ProcessGroup& group) {
    const FakeDevice& device = GiveDevice(group);
    const double own = group.rank() + 1;
    const at::Tensor there = at::full({3}, own, at::kFloat);
    const at::Tensor here = at::full({3}, own, at::kDouble);
    ASSERT_TRUE(group.Sum(there));
    EXPECT_EQ(device.begun(), 2);
    ASSERT_TRUE(group.Sum(here));
    EXPECT_EQ(device.begun(), 2);
    EXPECT_TRUE(at::equal(there, at::full({3}, 3.0, at::kFloat)));
    EXPECT_TRUE(at::equal(here, at::full({3}, 3.0, at::kDouble)));

    const at::Tensor image =
        at::full({1, 2, 3, 4}, own, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor count = at::full({}, group.rank() + 7, at::kLong);
    const at::Tensor flags = at::full({3}, group.rank() == 0, at::kBool);
    const at::Tensor weight = at::full({5}, own, at::kFloat).set_requires_grad(true);
    ASSERT_TRUE(group.Broadcast({flags, image, count, weight}));
    EXPECT_EQ(device.begun(), 3);  // all of it at once
    EXPECT_TRUE(at::equal(image, at::full({1, 2, 3, 4}, 1.0, at::kFloat)));
    EXPECT_TRUE(image.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(at::equal(weight, at::full({5}, 1.0, at::kFloat)));
    EXPECT_EQ(count.item().toLong(), 7);
    EXPECT_TRUE(flags.all().item().toBool());
    EXPECT_FALSE(device.aborted());
  });
}

TEST_F(DeviceGroupTest, TheErrorOfARankEndsWhatRunsOnADevice) {
  WithTwoRanks([&](ProcessGroup& group) {
    const FakeDevice& device = GiveDevice(group);
    if (group.rank() == 1) {
      group.Abort({ErrorCode::kInternal, "The disk is full.", {}});
      return;
    }
    const at::Tensor values = at::zeros({2}, at::kFloat);
    auto first = group.StartSum(values);
    auto second = group.StartSum(values.clone());
    for (auto* pending : {&first, &second}) {
      const Status outcome = group.Wait(std::move(*pending));
      ASSERT_FALSE(outcome);
      EXPECT_THAT(outcome.error().message, HasSubstr("Rank 1 of 2 has ended: The disk is full."));
    }
    EXPECT_TRUE(device.aborted());
    // Nothing is begun any more.
    const int begun = device.begun();
    EXPECT_FALSE(group.Sum(values));
    EXPECT_EQ(device.begun(), begun);
  });
}

// As the links between GPUs break when a process ends, before the group has told of it.
TEST_F(DeviceGroupTest, WhyADeviceFailedIsWhatAnotherRankTells) {
  WithTwoRanks([&](ProcessGroup& group) {
    FakeDevice& device = GiveDevice(group);
    if (group.rank() == 0) {
      group.Abort({ErrorCode::kInternal, "The disk is full.", {}});
      return;
    }
    device.Break();
    const Status outcome = group.Sum(at::zeros({2}, at::kFloat));
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message, HasSubstr("Rank 0 of 2 has ended: The disk is full."));
    EXPECT_TRUE(device.aborted());
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

TEST_F(DeviceGroupTest, ALateRankIsNamed) {
  const std::uint16_t port = FreePort();
  const auto run = [&](int rank) {
    const Launch own{
        .rank = rank, .world_size = 2, .master_addr = "127.0.0.1", .master_port = port};
    auto group = ProcessGroup::Connect(own, std::chrono::milliseconds(700));
    ASSERT_TRUE(group);
    const FakeDevice& device = GiveDevice(**group);
    if (rank == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1800));
    // On the fake device rank 1 still finds what rank 0 has given; the group has ended.
    const Status outcome = rank == 0 ? (*group)->Sum(at::zeros({1}, at::kFloat))
                                     : (*group)->Sum(at::zeros({1}, at::kDouble));
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message, HasSubstr("Rank 1 of 2 is late"));
    EXPECT_EQ(device.aborted(), rank == 0);
  };
  std::thread other(run, 1);
  run(0);
  other.join();
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
