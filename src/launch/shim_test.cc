#include "launch/shim.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>

#include "base/subprocess.h"
#include "launch/launch_fixture.h"

namespace roost::launch {
namespace {

using spec::EndCause;

struct Means {
  const char* name;
  TreeControl control;
};

// Each test runs the shim itself, once for each means of holding a process tree together.
class ShimTest : public LaunchFixture, public testing::WithParamInterface<Means> {
 protected:
  void SetUp() override {
    if (GetParam().control == TreeControl::kWalk) return;
    const RunGroup probe = RunGroup::Create("probe-" + std::to_string(getpid()), 0,
                                            GetParam().control, FindOwnGroups());
    const bool usable = probe.CanKill();
    probe.Remove();
    if (!usable) GTEST_SKIP() << "this machine lets us make no group by " << GetParam().name;
  }

  Subprocess StartShim(const spec::LaunchRequest& request) {
    folder_ = FolderOf(request.launch_id);
    EXPECT_TRUE(MakeFolders(folder_));
    EXPECT_TRUE(WriteFileAtomic(folder_ / "request.json", spec::ToJsonText(request)));
    SubprocessOptions options;
    options.argv = {ROOST_SHIM_PROGRAM, folder_.string(), GetParam().name};
    options.new_session = true;
    return Subprocess::Start(options).value();
  }
  spec::ExitRecord Record() const {
    return spec::ParseExitRecord(ReadFile(folder_ / "exit.json").value_or(""))
        .value_or(spec::ExitRecord{});
  }
  void Cancel(const std::string& grace_ms = "200") const {
    ASSERT_TRUE(WriteFileAtomic(folder_ / "cancel", grace_ms));
  }
  std::vector<std::string> Groups() const {
    std::vector<std::string> folders;
    std::istringstream lines(ReadFile(folder_ / kGroupsFile).value_or(""));
    for (std::string line; std::getline(lines, line);) folders.push_back(line);
    return folders;
  }
  void ExpectNoGroupsLeft() const {
    for (const std::string& group : Groups()) EXPECT_FALSE(fs::exists(group)) << group;
  }

  fs::path folder_;
};

constexpr const char* kLongGrace = "60000";  // for what ends by itself, however slowly
constexpr const char* kIgnoresTerm = "trap '' TERM; echo $$ > daemon; while :; do sleep 0.02; done";

TEST_P(ShimTest, CancelCatchesADaemonThatIgnoresTerm) {
  Write("daemon.sh", kIgnoresTerm);
  Subprocess shim = StartShim(
      Script("daemon", "trap '' TERM; (setsid sh daemon.sh &); while :; do sleep 0.02; done"));
  ASSERT_TRUE(WaitForFile("daemon"));
  Cancel();
  ASSERT_TRUE(shim.Wait());
  EXPECT_EQ(Record().cause, EndCause::kCanceled);
  EXPECT_EQ(Record().signal, SIGKILL);
  EXPECT_FALSE(Record().out_of_memory);
  EXPECT_FALSE(LivesIn("daemon"));
  ExpectNoGroupsLeft();
}

TEST_P(ShimTest, NothingOutlivesTheMainProcess) {
  // It leaves its session, its parent and its environment.
  Write("daemon.sh", kIgnoresTerm);
  spec::LaunchRequest request = Script("left",
                                       "(env -i /usr/bin/setsid /bin/sh daemon.sh &) ; "
                                       "while [ ! -s daemon ]; do sleep 0.01; done; exit 3");
  Subprocess shim = StartShim(request);
  ASSERT_TRUE(shim.Wait());
  EXPECT_EQ(Record().cause, EndCause::kExited);
  EXPECT_EQ(Record().code, 3);
  EXPECT_FALSE(LivesIn("daemon"));
  ExpectNoGroupsLeft();
}

TEST_P(ShimTest, StoppedProcessesEndToo) {
  Subprocess shim = StartShim(Script(
      "stopped", "trap 'echo woke; exit 0' TERM; echo $$ > daemon; kill -STOP $$; sleep 30"));
  ASSERT_TRUE(WaitForFile("daemon"));
  Cancel(kLongGrace);
  ASSERT_TRUE(shim.Wait());
  EXPECT_EQ(Content("stopped.log"), "woke\n");
}

TEST_P(ShimTest, ForkingFasterThanKilledDoesNotHelp) {
  Write("storm.sh", "trap '' TERM; while :; do (sleep 3 &) ; done");
  Subprocess shim = StartShim(Script("storm", "sh storm.sh & sh storm.sh & echo up > up; wait"));
  ASSERT_TRUE(WaitForFile("up"));
  Cancel();
  ASSERT_TRUE(shim.Wait());
  EXPECT_EQ(Record().cause, EndCause::kCanceled);
  EXPECT_TRUE(WithLaunchId("storm", ListProcesses()).empty());
}

TEST_P(ShimTest, MemoryLimitEndsTheTree) {
  // tail keeps a line without an end in memory.
  spec::LaunchRequest request =
      Script("memory", "(head -c 150m /dev/zero; sleep 100) | tail > /dev/null; exit 4");
  request.memory_limit_mb = 64;
  Subprocess shim = StartShim(request);
  ASSERT_TRUE(shim.Wait());
  EXPECT_EQ(Record().cause, EndCause::kMemoryLimit);
  EXPECT_TRUE(Record().out_of_memory);
  EXPECT_NE(Record().code, 0);
  ExpectNoGroupsLeft();
}

TEST_P(ShimTest, MemoryBelowTheLimitIsFree) {
  spec::LaunchRequest request =
      Script("modest", "(head -c 20m /dev/zero; sleep 0.6) | tail > /dev/null; exit 0");
  request.memory_limit_mb = 200;
  Subprocess shim = StartShim(request);
  ASSERT_TRUE(shim.Wait());
  EXPECT_EQ(Record().cause, EndCause::kExited);
  EXPECT_EQ(Record().code, 0);
  EXPECT_FALSE(Record().out_of_memory);
}

TEST_P(ShimTest, TermToTheShimCancelsAndOtherSignalsDoNothing) {
  spec::LaunchRequest request = Script("signals", "echo up > up; sleep 30");
  request.grace_ms = 60'000;
  Subprocess shim = StartShim(request);
  ASSERT_TRUE(WaitForFile("up"));
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGUSR1}) {
    ASSERT_TRUE(shim.Signal(signal));
  }
  ASSERT_TRUE(shim.Signal(SIGTERM));
  const Result<ExitStatus> status = shim.Wait();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, kShimDone);
  EXPECT_EQ(Record().cause, EndCause::kCanceled);
  EXPECT_EQ(Record().signal, SIGTERM);
}

TEST_P(ShimTest, DataFolderMayMoveWhileItRuns) {
  Subprocess shim =
      StartShim(Script("moved", "echo up > up; while [ ! -e go ]; do sleep 0.01; done"));
  ASSERT_TRUE(WaitForFile("up"));
  fs::rename(folder_, Path("elsewhere"));
  folder_ = Path("elsewhere");
  Write("go", "go");
  ASSERT_TRUE(shim.Wait());
  EXPECT_EQ(Record().launch_id, "moved");
}

TEST_P(ShimTest, SecondShimStartsNothing) {
  Subprocess shim =
      StartShim(Script("one", "echo x >> ran; while [ ! -e go ]; do sleep 0.01; done"));
  ASSERT_TRUE(WaitForFile("ran"));
  Subprocess second = StartShim(Script("one", "echo x >> ran"));
  EXPECT_EQ(second.Wait()->code, kShimNotAlone);
  Write("go", "go");
  ASSERT_TRUE(shim.Wait());
  EXPECT_EQ(Content("ran"), "x\n");
}

TEST_P(ShimTest, UnreadableRequestIsAStartFailure) {
  Subprocess shim = StartShim(Script("garbled", "true"));
  ASSERT_TRUE(shim.Wait());
  fs::remove(folder_ / "exit.json");
  fs::remove(folder_ / "claim");
  ASSERT_TRUE(WriteFileAtomic(folder_ / "request.json", "{\"version\": 99}"));
  SubprocessOptions options;
  options.argv = {ROOST_SHIM_PROGRAM, folder_.string(), GetParam().name};
  ASSERT_TRUE(Subprocess::Start(options).value().Wait());
  EXPECT_EQ(Record().cause, EndCause::kStartFailed);
  EXPECT_FALSE(Record().message.empty());
}

INSTANTIATE_TEST_SUITE_P(Means, ShimTest,
                         testing::Values(Means{"cgroup2", TreeControl::kCgroup2},
                                         Means{"freezer", TreeControl::kFreezer},
                                         Means{"walk", TreeControl::kWalk}),
                         [](const auto& means) { return std::string(means.param.name); });

}  // namespace
}  // namespace roost::launch
