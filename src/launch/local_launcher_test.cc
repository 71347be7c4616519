#include "launch/local_launcher.h"

#include <gmock/gmock.h>
#include <sys/mount.h>

#include <algorithm>
#include <csignal>
#include <sstream>

#include "launch/launch_fixture.h"

namespace roost::launch {
namespace {

using spec::EndCause;
using testing::HasSubstr;

class LocalLauncherTest : public LaunchFixture {
 protected:
  std::vector<std::string> Lines(const std::string& name) const {
    std::vector<std::string> lines;
    std::istringstream stream(Content(name));
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
  }
};

TEST_F(LocalLauncherTest, TellsTheStartAndTheExitCode) {
  for (const int code : {0, 1, 3, 127, 255}) {
    const std::string id = "exit-" + std::to_string(code);
    const spec::ExitRecord record = RunToEnd(Script(id, "exit " + std::to_string(code)));
    EXPECT_EQ(record.code, code);
    EXPECT_EQ(record.signal, std::nullopt);
    EXPECT_EQ(record.cause, EndCause::kExited);
    EXPECT_FALSE(record.out_of_memory);
    EXPECT_EQ(news(id).starts, 1);
  }
}

TEST_F(LocalLauncherTest, TellsTheSignal) {
  for (const int signal : {SIGKILL, SIGTERM, SIGABRT, SIGHUP}) {
    const spec::ExitRecord record = RunToEnd(
        Script("signal-" + std::to_string(signal), "kill -" + std::to_string(signal) + " $$"));
    EXPECT_EQ(record.signal, signal);
    EXPECT_EQ(record.code, 128 + signal);
    EXPECT_EQ(record.cause, EndCause::kExited);
    EXPECT_FALSE(record.out_of_memory);
  }
}

TEST_F(LocalLauncherTest, RecordSaysWhoRanWhenAndWithWhatUse) {
  spec::LaunchRequest request =
      Script("use", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 0.05");
  request.attempt = 4;
  request.rank = 2;
  const spec::ExitRecord record = RunToEnd(request);
  EXPECT_EQ(record.launch_id, "use");
  EXPECT_EQ(record.attempt, 4);
  EXPECT_EQ(record.rank, 2);
  EXPECT_FALSE(record.boot_id.empty());
  EXPECT_GT(record.pid, 0);
  EXPECT_GE(record.ended_at - record.started_at, 50'000);
  EXPECT_GT(record.user_cpu_seconds + record.system_cpu_seconds, 0);
  EXPECT_GT(record.max_rss_kb, 0);
}

TEST_F(LocalLauncherTest, BothStreamsGoToOneFileInTheOrderOfWriting) {
  Write("mixed.log", "from before\n");
  RunToEnd(Script("mixed", "for i in 1 2 3; do echo out $i; echo err $i >&2; done"));
  EXPECT_EQ(Content("mixed.log"), "from before\nout 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
}

TEST_F(LocalLauncherTest, EnvironmentIsExactlyTheRequestedOne) {
  spec::LaunchRequest request = Program("env", {"env"});
  request.environment["EMPTY"] = "";
  request.environment["TWO_LINES"] = "a=b";
  RunToEnd(request);
  EXPECT_THAT(Lines("env.log"),
              testing::UnorderedElementsAre("PATH=/usr/local/bin:/usr/bin:/bin",
                                            "EMPTY=", "TWO_LINES=a=b", "ROOST_LAUNCH_ID=env"));
}

TEST_F(LocalLauncherTest, ProgramInheritsNothing) {
  RunToEnd(Script("clean",
                  "pwd; readlink /proc/self/fd/0; grep -E 'Sig(Blk|Ign)' /proc/self/status; "
                  "ps -o sid= -p $$ | tr -d ' ' > sid; echo $$ > pid; ls /proc/$$/fd"));
  const std::vector<std::string> lines = Lines("clean.log");
  ASSERT_GE(lines.size(), 4U);
  EXPECT_EQ(lines[0], fs::canonical(Path(".")).string());
  EXPECT_EQ(lines[1], "/dev/null");
  EXPECT_EQ(lines[2], "SigBlk:\t0000000000000000");
  EXPECT_EQ(lines[3], "SigIgn:\t0000000000000000");
  EXPECT_EQ(std::vector<std::string>(lines.begin() + 4, lines.end()),
            (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(Content("sid"), Content("pid"));
}

TEST_F(LocalLauncherTest, CancelEndsThePolite) {
  spec::LaunchRequest request =
      Script("polite", "trap 'echo bye; exit 5' TERM; echo up > up; while :; do sleep 0.02; done");
  request.grace_ms = 60'000;
  Start(request);
  ASSERT_TRUE(WaitForFile("up"));
  Stop("polite");
  ASSERT_TRUE(WaitForEnd("polite"));
  const auto& record = news("polite").exit;
  ASSERT_TRUE(record);
  EXPECT_EQ(record->cause, EndCause::kCanceled);
  EXPECT_EQ(record->code, 5);
  // Before it the shell may tell of its own child, which got the signal, too.
  EXPECT_THAT(Content("polite.log"), testing::EndsWith("bye\n"));
}

TEST_F(LocalLauncherTest, CancelAtOnceStillEndsWithARecord) {
  Start(Script("early", "sleep 30"));
  Stop("early");
  ASSERT_TRUE(WaitForEnd("early"));
  ASSERT_TRUE(news("early").exit);
  EXPECT_EQ(news("early").exit->cause, EndCause::kCanceled);
}

TEST_F(LocalLauncherTest, CancelWithoutRoomOnTheDiskGoesBySignal) {
  Start(Script("signaled", "echo up > up; sleep 30"));
  ASSERT_TRUE(WaitForFile("up"));
  // Without the request the cancel file cannot be written.
  fs::remove(FolderOf("signaled") / "request.json");
  Stop("signaled");
  ASSERT_TRUE(WaitForEnd("signaled"));
  ASSERT_TRUE(news("signaled").exit);
  EXPECT_EQ(news("signaled").exit->cause, EndCause::kCanceled);
}

TEST_F(LocalLauncherTest, TimeLimitEndsTheTree) {
  // Again with more time where the script did not even begin within its limit.
  for (int limit_ms = 200; Content("child").empty() && limit_ms < 60'000; limit_ms *= 10) {
    spec::LaunchRequest request = Script("slow-" + std::to_string(limit_ms),
                                         "trap '' TERM; sleep 600 & echo $! > child; wait");
    request.time_limit_ms = limit_ms;
    request.grace_ms = 100;
    EXPECT_EQ(RunToEnd(request).cause, EndCause::kTimeLimit);
  }
  EXPECT_FALSE(LivesIn("child"));
}

TEST_F(LocalLauncherTest, StartFailuresNameTheCause) {
  Write("no_interpreter", "#!/does/not/exist -x\n", 0755);
  Write("not_executable", "#!/bin/sh\n", 0644);
  Write("no_format", "just text\n", 0755);
  struct Case {
    std::string program;
    std::string expected;
  };
  const Case cases[] = {
      {"/does/not/exist/python", "/does/not/exist/python could not be started: No such file"},
      {"no_such_name", "no_such_name could not be started: No such file"},
      {Path("no_interpreter"), "interpreter /does/not/exist, which is not there"},
      {Path("not_executable"), "Permission denied"},
      {Path("no_format"), "Exec format error"},
  };
  int number = 0;
  for (const Case& each : cases) {
    const std::string id = "fails-" + std::to_string(++number);
    const spec::ExitRecord record = RunToEnd(Program(id, {each.program}));
    EXPECT_EQ(record.cause, EndCause::kStartFailed) << each.program;
    EXPECT_EQ(record.code, 127);
    EXPECT_THAT(record.message, HasSubstr(each.expected));
    EXPECT_EQ(Content(id + ".log"), "roost: " + record.message + "\n");
  }
}

TEST_F(LocalLauncherTest, MissingFoldersAreStartFailures) {
  spec::LaunchRequest request = Script("no-folder", "true");
  request.working_folder = Path("nowhere");
  EXPECT_THAT(RunToEnd(request).message, HasSubstr("working folder " + Path("nowhere")));

  request = Script("no-log", "echo ran > ran");
  request.log_file = Path("nowhere/x.log");
  const spec::ExitRecord record = RunToEnd(request);
  EXPECT_EQ(record.cause, EndCause::kStartFailed);
  EXPECT_THAT(record.message, HasSubstr(Path("nowhere/x.log")));
  EXPECT_FALSE(fs::exists(Path("ran")));
}

TEST_F(LocalLauncherTest, FencedLaunchNeverRuns) {
  fs::create_directories(FolderOf("fenced"));
  Write("launch-fenced/claim", spec::ToJsonText(spec::Claim{}));
  Start(Script("fenced", "echo ran > ran"));
  ASSERT_TRUE(WaitForEnd("fenced"));
  ASSERT_TRUE(news("fenced").lost);
  EXPECT_THAT(*news("fenced").lost, HasSubstr("never started"));
  EXPECT_EQ(news("fenced").starts, 0);
  EXPECT_FALSE(fs::exists(Path("ran")));
}

TEST_F(LocalLauncherTest, SecondStartOfOneLaunchIsAConflict) {
  Start(Script("twice", "sleep 0.1"));
  const Status second = launcher().Start(Script("twice", "true"), FolderOf("twice"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_TRUE(WaitForEnd("twice"));
}

TEST_F(LocalLauncherTest, StartOfALaunchThatRunsAlreadyFollowsTheRunningOne) {
  Start(Script("again", "echo x >> ran; while [ ! -e go ]; do sleep 0.01; done; exit 4"));
  ASSERT_TRUE(WaitForFile("ran"));
  RestartServer();
  Start(Script("again", "echo x >> ran; exit 5"));
  ASSERT_TRUE(WaitUntil([&] { return news("again").starts == 1; }));
  Write("go", "go");
  ASSERT_TRUE(WaitForEnd("again"));
  ASSERT_TRUE(news("again").exit) << *news("again").lost;
  EXPECT_EQ(news("again").exit->code, 4);
  EXPECT_EQ(Content("ran"), "x\n");
}

TEST_F(LocalLauncherTest, MissingShimIsAnErrorOfStart) {
  LocalLauncher broken(loop(), Path("no-shim"), [](const std::string&, const LaunchEvent&) {});
  const Status started = broken.Start(Script("broken", "true"), FolderOf("broken"));
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("no-shim"));
}

TEST_F(LocalLauncherTest, FiftyAtOnce) {
  for (int i = 0; i < 50; ++i) {
    Start(Script("many-" + std::to_string(i), "echo $ROOST_LAUNCH_ID; exit " + std::to_string(i)));
  }
  for (int i = 0; i < 50; ++i) {
    const std::string id = "many-" + std::to_string(i);
    ASSERT_TRUE(WaitForEnd(id)) << id;
    ASSERT_TRUE(news(id).exit) << *news(id).lost;
    EXPECT_EQ(news(id).exit->code, i);
    EXPECT_EQ(news(id).starts, 1);
    EXPECT_EQ(Content(id + ".log"), id + "\n");
  }
}

TEST_F(LocalLauncherTest, HundredMegabytesOfLogLoseNoByte) {
  const std::uint64_t size = 18 * 5'600'000;
  RunToEnd(Script("flood", "yes 'a line of the log' | head -c 100800000"));
  EXPECT_EQ(fs::file_size(Path("flood.log")), size);
  const Result<std::string> end = ReadRange(Path("flood.log"), size - 36, 36);
  ASSERT_TRUE(end);
  EXPECT_EQ(*end, "a line of the log\na line of the log\n");
}

// A file system of a few megabytes, for tests that fill it.
class SmallDisk {
 public:
  explicit SmallDisk(std::string folder) : folder_(std::move(folder)) {
    fs::create_directories(folder_);
    mounted_ = mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=8m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  std::string folder_;
  bool mounted_ = false;
};

TEST_F(LocalLauncherTest, RecordWaitsForRoomOnAFullDisk) {
  const SmallDisk disk(Path("disk"));
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small disk needs root";
  const fs::path folder = Path("disk/launch");
  const spec::LaunchRequest request =
      Script("full", "cat /dev/zero > disk/filler; echo full > full; exit 9");
  ASSERT_TRUE(launcher().Start(request, folder));
  ASSERT_TRUE(WaitForFile("full"));
  // The shim has had time to fail at least once.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  ASSERT_TRUE(WaitUntil([&] { return std::chrono::steady_clock::now() > until; }));
  EXPECT_FALSE(news("full").over());
  fs::remove(Path("disk/filler"));
  ASSERT_TRUE(WaitForEnd("full"));
  ASSERT_TRUE(news("full").exit);
  EXPECT_EQ(news("full").exit->code, 9);
}

}  // namespace
}  // namespace roost::launch
