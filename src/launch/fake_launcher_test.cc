#include "launch/fake_launcher.h"

#include <gtest/gtest.h>

#include <thread>

namespace roost::launch {
namespace {

class FakeLauncherTest : public testing::Test {
 protected:
  LaunchListener Listener() {
    return [this](const std::string& id, const LaunchEvent& event) {
      if (std::holds_alternative<Started>(event)) news_ += id + " started;";
      if (const auto* exited = std::get_if<Exited>(&event)) {
        const char* how = exited->record.cause == spec::EndCause::kCanceled ? " canceled" : "";
        news_ += id + " exited " + std::to_string(exited->record.code) + how + ";";
      }
      if (const auto* lost = std::get_if<Lost>(&event)) news_ += id + " lost: " + lost->reason;
    };
  }
  spec::LaunchRequest Request(const std::string& id) const {
    spec::LaunchRequest request;
    request.launch_id = id;
    request.argv = {"python", "train.py"};
    request.log_file = (temp_.path() / "log.txt").string();
    return request;
  }
  // Until the news is this, and a little longer.
  void RunUntil(const std::string& news) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(100);
    while (news_ != news && std::chrono::steady_clock::now() < end) RunOnce();
    for (int i = 0; i < 20; ++i) RunOnce();
    EXPECT_EQ(news_, news);
  }
  void RunOnce() {
    if (!loop_.RunReady()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  TempFolder temp_;
  EventLoop loop_;
  std::string news_;
};

TEST_F(FakeLauncherTest, DoesOnlyWhatTheTestSays) {
  FakeLauncher launcher(Listener());
  ASSERT_TRUE(launcher.Start(Request("a"), temp_.path()));
  launcher.Reattach("b", temp_.path());
  launcher.Stop("a", temp_.path());
  EXPECT_EQ(news_, "");
  EXPECT_EQ(launcher.started.at(0).launch_id, "a");
  EXPECT_EQ(launcher.reattached, std::vector<std::string>{"b"});
  EXPECT_TRUE(launcher.stopped.contains("a"));
  launcher.Begin("a");
  launcher.End("a", 3);
  launcher.Lose("b", "gone");
  EXPECT_EQ(news_, "a started;a exited 3;b lost: gone");
}

TEST_F(FakeLauncherTest, StartFailsOnceWhenToldTo) {
  FakeLauncher launcher(Listener());
  launcher.start_result = Fail(ErrorCode::kExhausted, "The disk is full.");
  EXPECT_FALSE(launcher.Start(Request("a"), temp_.path()));
  EXPECT_TRUE(launcher.started.empty());
  EXPECT_TRUE(launcher.Start(Request("a"), temp_.path()));
}

TEST_F(FakeLauncherTest, FinishesByItselfWithALog) {
  FakeLauncher launcher(loop_, std::chrono::milliseconds(5), Listener());
  ASSERT_TRUE(launcher.Start(Request("a"), temp_.path()));
  EXPECT_EQ(news_, "") << "news comes later, never from within Start";
  RunUntil("a started;a exited 0;");
  EXPECT_EQ(ReadFile(temp_.path() / "log.txt").value_or(""),
            "The fake launcher runs nothing of: python train.py\n");
}

TEST_F(FakeLauncherTest, StopCancelsBeforeAndAfterTheBegin) {
  FakeLauncher launcher(loop_, std::chrono::hours(1), Listener());
  ASSERT_TRUE(launcher.Start(Request("early"), temp_.path()));
  launcher.Stop("early", temp_.path());
  RunUntil("early started;early exited 143 canceled;");
  news_.clear();

  ASSERT_TRUE(launcher.Start(Request("late"), temp_.path()));
  RunUntil("late started;");
  launcher.Stop("late", temp_.path());
  launcher.Stop("late", temp_.path());
  RunUntil("late started;late exited 143 canceled;");
}

TEST_F(FakeLauncherTest, ForeignLaunchesAreLostAfterARestart) {
  FakeLauncher launcher(loop_, std::chrono::milliseconds(5), Listener());
  launcher.Reattach("old", temp_.path());
  RunUntil("old lost: The fake launcher remembers nothing over a restart.");
}

}  // namespace
}  // namespace roost::launch
