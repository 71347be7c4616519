#include "trainer/distributed/liveness.h"

#include <gtest/gtest.h>

namespace roost::trainer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using State = Beat::State;

class LivenessTest : public ::testing::Test {
 protected:
  void See(int rank, std::uint64_t collectives = 0, State state = State::kWorking) {
    liveness_.See(rank, {.count = ++count_, .collectives = collectives, .state = state}, now_);
  }
  std::optional<int> Dead() const { return liveness_.Dead(now_); }

  Liveness::Time now_{};
  std::uint64_t count_ = 0;
  Liveness liveness_{3, seconds(60), now_};
};

TEST_F(LivenessTest, OnlyLongSilenceIsDeath) {
  now_ += seconds(59);
  EXPECT_EQ(Dead(), std::nullopt);
  See(0);
  See(2);
  now_ += seconds(2);
  EXPECT_EQ(Dead(), 1);
  EXPECT_EQ(liveness_.SilenceOf(1, now_), milliseconds(61000));
}

TEST_F(LivenessTest, TheSameSignAgainIsSilence) {
  for (int second = 0; second < 61; ++second) {
    now_ += seconds(1);
    See(0);
    See(1);
    liveness_.See(2, {.count = 0}, now_);
  }
  EXPECT_EQ(Dead(), 2);
}

TEST_F(LivenessTest, WhenAConnectionBrokeAShortSilenceDoes) {
  See(0);
  See(1);
  See(2);
  now_ += seconds(4);
  EXPECT_EQ(Dead(), std::nullopt);
  See(0, 0, State::kBroken);
  See(2);
  EXPECT_EQ(Dead(), 1);
}

TEST_F(LivenessTest, WhoLeftIsNotDead) {
  See(1, 0, State::kLeft);
  now_ += seconds(50);
  See(0);
  See(2);
  now_ += seconds(50);
  EXPECT_EQ(Dead(), std::nullopt);
  EXPECT_TRUE(liveness_.AllGone(0, now_));
  See(2);
  EXPECT_FALSE(liveness_.AllGone(0, now_));
  See(2, 0, State::kLeft);
  EXPECT_TRUE(liveness_.AllGone(0, now_));
}

TEST_F(LivenessTest, TheLateOneHasJoinedTheFewestCollectives) {
  EXPECT_EQ(liveness_.Late(), std::nullopt);
  See(0, 7);
  See(1, 7);
  See(2, 6);
  EXPECT_EQ(liveness_.Late(), 2);
}

TEST_F(LivenessTest, BeatsAsText) {
  const Beat beat{.count = 12, .collectives = 340, .state = State::kBroken};
  EXPECT_EQ(beat.ToText(), "12 340 b");
  EXPECT_EQ(Beat::FromText("12 340 b")->collectives, 340U);
  for (const char* wrong : {"", "1", "1 2", "1 2 x", "a b w"}) {
    EXPECT_EQ(Beat::FromText(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace roost::trainer
