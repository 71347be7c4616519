#include "trainer/distributed/watched_work.h"

#include <gtest/gtest.h>

namespace roost::trainer {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Kind = WorkEnd::Kind;
using Stage = DeviceCollectives::Stage;

// Its stages come at given times of a clock that the sleeps move.
class WatchedWorkTest : public ::testing::Test, protected DeviceCollectives::Work {
 protected:
  Stage Ask() override {
    now_ += asking_;
    if (now_ >= fails_at_) return Stage::kFailed;
    if (now_ >= done_at_) return Stage::kDone;
    return now_ >= running_at_ ? Stage::kRunning : Stage::kStarting;
  }
  std::string failure() const override { return "The link is down."; }
  void Abort() override { ++aborts_; }

  WorkEnd Wait(Stage stage = Stage::kDone) {
    WorkWatch watch([this] { return now_ >= verdict_at_; }, limit_);
    watch.now = [this] { return WorkWatch::Time(now_); };
    watch.sleep = [this](microseconds pause) {
      now_ += pause;
      longest_pause_ = std::max(longest_pause_, pause);
    };
    return WaitFor(*this, stage, watch);
  }

  static constexpr milliseconds kNever{1000000000};
  static constexpr microseconds asking_{2};
  const milliseconds limit_{5000};
  microseconds now_{0};
  microseconds running_at_{0};
  microseconds done_at_ = kNever;
  microseconds fails_at_ = kNever;
  microseconds verdict_at_ = kNever;
  microseconds longest_pause_{0};
  int aborts_ = 0;
};

TEST_F(WatchedWorkTest, WhatIsDoneIsNotWaitedFor) {
  done_at_ = milliseconds(0);
  EXPECT_EQ(Wait().kind, Kind::kReached);
  EXPECT_EQ(now_, asking_);
  EXPECT_EQ(aborts_, 0);
}

// A result that is there counts, even if the group has ended meanwhile.
TEST_F(WatchedWorkTest, WhatIsDoneHasNoVerdict) {
  done_at_ = verdict_at_ = milliseconds(0);
  EXPECT_EQ(Wait().kind, Kind::kReached);
  EXPECT_EQ(aborts_, 0);
}

TEST_F(WatchedWorkTest, PausesAddLittleToTheTimeOfTheWork) {
  for (const milliseconds time : {milliseconds(1), milliseconds(30), milliseconds(4000)}) {
    now_ = microseconds(0);
    longest_pause_ = microseconds(0);
    done_at_ = time;
    EXPECT_EQ(Wait().kind, Kind::kReached);
    EXPECT_LE(now_ - done_at_, done_at_ / 100 + microseconds(60));
    EXPECT_LE(longest_pause_, milliseconds(1));
    EXPECT_GE(longest_pause_, microseconds(50));
  }
  EXPECT_EQ(aborts_, 0);
}

TEST_F(WatchedWorkTest, ThatItRunsCanBeWaitedForAlone) {
  running_at_ = milliseconds(20);
  EXPECT_EQ(Wait(Stage::kRunning).kind, Kind::kReached);
  EXPECT_GE(now_, running_at_);
  EXPECT_LE(now_, running_at_ + milliseconds(1));
  // One that is done already has run.
  done_at_ = milliseconds(0);
  EXPECT_EQ(Wait(Stage::kRunning).kind, Kind::kReached);
  EXPECT_EQ(aborts_, 0);
}

TEST_F(WatchedWorkTest, AFailureIsToldAndAborts) {
  fails_at_ = milliseconds(7);
  const WorkEnd end = Wait();
  EXPECT_EQ(end.kind, Kind::kFailed);
  EXPECT_EQ(end.failure, "The link is down.");
  EXPECT_EQ(aborts_, 1);
}

TEST_F(WatchedWorkTest, AVerdictEndsTheWaitLongBeforeTheLimit) {
  verdict_at_ = milliseconds(40);
  EXPECT_EQ(Wait().kind, Kind::kVerdict);
  EXPECT_LE(now_, verdict_at_ + milliseconds(2));
  EXPECT_EQ(aborts_, 1);
}

TEST_F(WatchedWorkTest, TheLimitEndsAnyWait) {
  for (const microseconds running : {microseconds(0), microseconds(kNever)}) {
    running_at_ = running;
    now_ = microseconds(0);
    aborts_ = 0;
    EXPECT_EQ(Wait().kind, Kind::kLate);
    EXPECT_GT(now_, limit_);
    EXPECT_LE(now_, limit_ + milliseconds(2));
    EXPECT_EQ(aborts_, 1);
  }
}

}  // namespace
}  // namespace roost::trainer
