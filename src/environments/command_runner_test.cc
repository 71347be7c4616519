#include "environments/command_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

namespace roost::environments {
namespace {

class ProcessRunnerTest : public testing::Test {
 protected:
  ProcessRunnerTest() { EXPECT_TRUE(log_.Open(folder_.path() / "log")); }
  Result<int> Run(const std::string& script) { return Run(runner_, script); }
  Result<int> Run(ProcessRunner& runner, const std::string& script) {
    Command command;
    command.argv = {"/bin/sh", "-c", script};
    command.environment = {{"PATH", "/usr/bin:/bin"}, {"GREETING", "hello"}};
    command.working_folder = folder_.path();
    return runner.Run(command, log_, cancel_);
  }
  std::string Text(const std::string& name) const {
    return ReadFile(folder_.path() / name).value_or("");
  }
  // Runs `script` and cancels it as soon as its log says "ready".
  Result<int> RunAndCancel(ProcessRunner& runner, const std::string& script) {
    std::thread canceler([this] {
      while (Text("log").find("ready") == std::string::npos) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      cancel_.Cancel();
    });
    auto result = Run(runner, script);
    canceler.join();
    return result;
  }

  TempFolder folder_;
  ProcessRunner runner_{std::chrono::milliseconds(100)};
  BuildLog log_;
  Cancellation cancel_;
};

TEST_F(ProcessRunnerTest, PutsBothOutputsIntoTheLogAndGivesTheCode) {
  log_.Line("first");
  EXPECT_EQ(Run("echo $GREETING; echo problem >&2; cat; exit 7").value(), 7);
  EXPECT_EQ(Text("log"), "first\nhello\nproblem\n");
  EXPECT_EQ(Run("kill -9 $$").value(), 137);
}

TEST_F(ProcessRunnerTest, AProgramThatIsNotThereIsAnError) {
  Command command;
  command.argv = {"/no/such/program"};
  EXPECT_EQ(runner_.Run(command, log_, cancel_).error().code, ErrorCode::kNotFound);
}

TEST_F(ProcessRunnerTest, CancelEndsEvenWhatDoesNotListen) {
  const auto canceled =
      RunAndCancel(runner_, "trap '' TERM; sleep 600 & echo $! > child; echo ready; wait");
  ASSERT_FALSE(canceled);
  EXPECT_EQ(canceled.error().code, ErrorCode::kUnavailable);
  // Killed; somebody else's init reaps it.
  const pid_t child = std::stoi(Text("child"));
  const auto state = ReadFile("/proc/" + std::to_string(child) + "/stat");
  EXPECT_TRUE(!state || state->find(") Z ") != std::string::npos) << *state;
  EXPECT_FALSE(Run("echo never")) << "a wish to cancel stays";
  EXPECT_EQ(Text("log").find("never"), std::string::npos);
}

TEST_F(ProcessRunnerTest, CancelLetsAProgramTidyUp) {
  ProcessRunner patient(std::chrono::milliseconds(60'000));
  ASSERT_FALSE(RunAndCancel(patient,
                            "trap 'echo tidied; exit 1' TERM; echo ready; "
                            "while :; do sleep 0.01; done"));
  EXPECT_THAT(Text("log"), testing::HasSubstr("tidied"));
}

TEST_F(ProcessRunnerTest, NothingOfAFinishedProgramGoesOn) {
  EXPECT_EQ(Run("sleep 600 & echo $! > child").value(), 0);
  const auto state = ReadFile("/proc/" + std::to_string(std::stoi(Text("child"))) + "/stat");
  EXPECT_TRUE(!state || state->find(") Z ") != std::string::npos) << *state;
}

TEST_F(ProcessRunnerTest, AProgramThatSaysNothingIsToldOfWithWhatItWrote) {
  ProcessRunner runner(std::chrono::milliseconds(100), /*quiet=*/std::chrono::milliseconds(20));
  Command command;
  command.argv = {"/bin/sh", "-c",
                  "printf 'half a line'; head -c 3000000 /dev/zero > big; "
                  "until grep -q '[12]\\.[0-9] MiB written so far' log; do sleep 0.01; done; "
                  "echo done"};
  command.environment = {{"PATH", "/usr/bin:/bin"}};
  command.working_folder = folder_.path();
  EXPECT_EQ(runner.Run(command, log_, cancel_).value(), 0);
  const std::string log = Text("log");
  EXPECT_THAT(log, testing::HasSubstr("half a line\n  ... "));
  EXPECT_THAT(log,
              testing::ContainsRegex("\n  \\.\\.\\. [0-9]+ s, [12]\\.[0-9] MiB written so far\n"));
  EXPECT_THAT(log, testing::EndsWith("done\n"));
  EXPECT_EQ(WithoutStillAtWork("a\n" + log.substr(log.find("half"))), "a\nhalf a line\ndone\n");
}

TEST(BuildLog, FollowersGetAllOfItWhereverTheyCome) {
  TempFolder folder;
  const auto text = [&](const char* name) { return ReadFile(folder.path() / name).value_or(""); };
  ASSERT_TRUE(WriteFileAtomic(folder.path() / "log", "of an earlier build\n"));
  ASSERT_TRUE(WriteFileAtomic(folder.path() / "two", "kept\n"));
  BuildLog log;
  ASSERT_TRUE(log.Follow(folder.path() / "one"));
  log.Line("early");
  EXPECT_EQ(text("one"), "early\n");
  ASSERT_TRUE(log.Open(folder.path() / "log"));
  ASSERT_TRUE(log.Follow(folder.path() / "two"));
  log.Line("later");
  log.Unfollow(folder.path() / "two");
  log.Line("last");
  EXPECT_EQ(text("log"), "early\nlater\nlast\n");
  EXPECT_EQ(text("one"), "early\nlater\nlast\n");
  EXPECT_EQ(text("two"), "kept\nearly\nlater\n");
  EXPECT_FALSE(log.Follow(folder.path() / "no" / "folder"));
}

}  // namespace
}  // namespace roost::environments
