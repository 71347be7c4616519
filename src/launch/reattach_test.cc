#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "launch/launch_fixture.h"
#include "launch/launch_folder.h"
#include "launch/proc.h"
#include "launch/shim.h"

namespace roost::launch {
namespace {

using spec::EndCause;
using testing::HasSubstr;

// What a restarted server finds out about launches that an earlier one started.
class ReattachTest : public LaunchFixture {
 protected:
  std::string FileOf(const std::string& id, const std::string& name) const {
    return "launch-" + id + "/" + name;
  }
  spec::Claim ReadClaim(const std::string& id) const {
    return spec::ParseClaim(Content(FileOf(id, "claim"))).value();
  }
  void WriteClaim(const std::string& id, const std::string& boot_id) const {
    fs::create_directories(FolderOf(id));
    Write(FileOf(id, "claim"),
          spec::ToJsonText(spec::Claim{
              .launch_id = id, .boot_id = boot_id, .shim_pid = 1, .child_pid = 1, .time = 5}));
  }
};

TEST_F(ReattachTest, RunningLaunchIsFollowedToItsEnd) {
  Start(Script("going", "echo up > up; while [ ! -e go ]; do sleep 0.01; done; exit 6"));
  ASSERT_TRUE(WaitForFile("up"));
  RestartServer();
  Reattach("going");
  ASSERT_TRUE(WaitUntil([&] { return news("going").starts == 1; }));
  EXPECT_FALSE(news("going").over());
  Write("go", "go");
  ASSERT_TRUE(WaitForEnd("going"));
  ASSERT_TRUE(news("going").exit) << *news("going").lost;
  EXPECT_EQ(news("going").exit->code, 6);
  EXPECT_EQ(news("going").starts, 1);
}

TEST_F(ReattachTest, LaunchThatEndedMeanwhileHasStartedAndExited) {
  RunToEnd(Script("ended", "exit 8"));
  RestartServer();
  Reattach("ended");
  ASSERT_TRUE(WaitForEnd("ended"));
  EXPECT_EQ(news("ended").starts, 1);
  ASSERT_TRUE(news("ended").exit);
  EXPECT_EQ(news("ended").exit->code, 8);
}

TEST_F(ReattachTest, CanBeCanceledAfterwards) {
  Start(Script("canceled", "echo up > up; sleep 30"));
  ASSERT_TRUE(WaitForFile("up"));
  RestartServer();
  Reattach("canceled");
  Stop("canceled");
  ASSERT_TRUE(WaitForEnd("canceled"));
  ASSERT_TRUE(news("canceled").exit);
  EXPECT_EQ(news("canceled").exit->cause, EndCause::kCanceled);
}

TEST_F(ReattachTest, CanBeCanceledBySignalAfterwards) {
  Start(Script("signaled", "echo up > up; sleep 30"));
  ASSERT_TRUE(WaitForFile("up"));
  RestartServer();
  Reattach("signaled");
  fs::remove(FolderOf("signaled") / "request.json");
  Stop("signaled");
  ASSERT_TRUE(WaitForEnd("signaled"));
  ASSERT_TRUE(news("signaled").exit);
  EXPECT_EQ(news("signaled").exit->cause, EndCause::kCanceled);
}

TEST_F(ReattachTest, UnclaimedLaunchIsFencedForGood) {
  Reattach("unclaimed");
  ASSERT_TRUE(WaitForEnd("unclaimed"));
  ASSERT_TRUE(news("unclaimed").lost);
  EXPECT_THAT(*news("unclaimed").lost, HasSubstr("never started"));

  RestartServer();
  Start(Script("unclaimed", "echo ran > ran"));
  ASSERT_TRUE(WaitForEnd("unclaimed"));
  EXPECT_TRUE(news("unclaimed").lost);
  EXPECT_FALSE(fs::exists(Path("ran")));
}

TEST_F(ReattachTest, FencedLaunchStaysNeverStarted) {
  Reattach("fenced");
  ASSERT_TRUE(WaitForEnd("fenced"));
  RestartServer();
  Reattach("fenced");
  ASSERT_TRUE(WaitForEnd("fenced"));
  ASSERT_TRUE(news("fenced").lost);
  EXPECT_THAT(*news("fenced").lost, HasSubstr("never started"));
}

TEST_F(ReattachTest, ShimThatIsAboutToClaimIsWaitedFor) {
  fs::create_directories(FolderOf("late"));
  std::optional<FileLock> lock = FileLock::Acquire(FolderOf("late") / "alive").value();
  Reattach("late");
  int looks = 0;
  ASSERT_TRUE(WaitUntil([&] { return ++looks > 100; }));
  EXPECT_EQ(news("late").starts, 0);
  EXPECT_FALSE(news("late").over());

  WriteClaim("late", BootId());
  ASSERT_TRUE(WaitUntil([&] { return news("late").starts == 1; }));
  spec::ExitRecord record;
  record.launch_id = "late";
  record.pid = 1;
  record.code = 2;
  Write(FileOf("late", "exit.json"), spec::ToJsonText(record));
  lock.reset();
  ASSERT_TRUE(WaitForEnd("late"));
  ASSERT_TRUE(news("late").exit);
  EXPECT_EQ(news("late").exit->code, 2);
}

TEST_F(ReattachTest, ShimThatClaimsWhileItIsFencedIsAlive) {
  WriteClaim("racing", BootId());
  const LaunchFolder folder(FolderOf("racing"));
  std::optional<FileLock> lock = FileLock::Acquire(FolderOf("racing") / "alive").value();
  EXPECT_EQ(folder.FindEnd().kind, LaunchFolder::EndKind::kStillAlive);
  lock.reset();
  EXPECT_EQ(folder.FindEnd().kind, LaunchFolder::EndKind::kNoRecord);
}

TEST_F(ReattachTest, RestartOfTheMachineIsNamed) {
  WriteClaim("boot", "another-boot");
  Reattach("boot");
  ASSERT_TRUE(WaitForEnd("boot"));
  ASSERT_TRUE(news("boot").lost);
  EXPECT_THAT(*news("boot").lost, HasSubstr("machine was restarted"));
}

TEST_F(ReattachTest, UnreadableRecordIsLostWithTheReason) {
  WriteClaim("garbled", BootId());
  Write(FileOf("garbled", "exit.json"), "{}");
  Reattach("garbled");
  ASSERT_TRUE(WaitForEnd("garbled"));
  ASSERT_TRUE(news("garbled").lost);
  EXPECT_THAT(*news("garbled").lost, HasSubstr("cannot be read"));
}

constexpr const char* kTree =
    "(setsid sh -c 'trap \"\" TERM; echo $$ > daemon; while :; do sleep 0.05; done' &); "
    "while [ ! -s daemon ]; do sleep 0.01; done; echo $$ > main; sleep 30";

TEST_F(ReattachTest, KilledShimLeavesNothingBehindWhileTheServerWatches) {
  Start(Script("orphans", kTree));
  ASSERT_TRUE(WaitForFile("main"));
  ASSERT_EQ(kill(ReadClaim("orphans").shim_pid, SIGKILL), 0);
  ASSERT_TRUE(WaitForEnd("orphans"));
  ASSERT_TRUE(news("orphans").lost);
  EXPECT_THAT(*news("orphans").lost, HasSubstr("was killed by signal 9 without an exit record"));
  EXPECT_FALSE(LivesIn("daemon"));
  EXPECT_FALSE(LivesIn("main"));
}

TEST_F(ReattachTest, KilledShimIsFoundByTheNextServerWithoutItsGroups) {
  Start(Script("traces", kTree));
  ASSERT_TRUE(WaitForFile("main"));
  const RunGroup groups = RunGroup::FromText(Content(FileOf("traces", kGroupsFile)));
  fs::remove(FolderOf("traces") / kGroupsFile);
  const pid_t shim = ReadClaim("traces").shim_pid;
  RestartServer();
  ASSERT_EQ(kill(shim, SIGKILL), 0);
  waitpid(shim, nullptr, 0);
  Reattach("traces");
  ASSERT_TRUE(WaitForEnd("traces"));
  ASSERT_TRUE(news("traces").lost);
  EXPECT_FALSE(LivesIn("daemon"));
  EXPECT_FALSE(LivesIn("main"));
  groups.Remove();
}

// A server of its own process that starts the launch and is killed when it is time.
void KillServerWhen(const std::function<bool()>& it_is_time, const spec::LaunchRequest& request,
                    const fs::path& folder) {
  const pid_t server = fork();
  ASSERT_GE(server, 0);
  if (server == 0) {
    EventLoop loop;
    LocalLauncher launcher(loop, ROOST_SHIM_PROGRAM, [](const std::string&, const LaunchEvent&) {});
    if (!launcher.Start(request, folder)) _exit(1);
    loop.Run();
    _exit(0);
  }
  EXPECT_TRUE(it_is_time());
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
}

TEST_F(ReattachTest, ServerKilledAtAnyMomentMeansOneExecutionOrNone) {
  constexpr int kKills = 40;
  constexpr const char* kScript =
      "echo ran >> $ROOST_LAUNCH_ID.ran; i=0; "
      "while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 7";
  std::string whole_log;
  for (int i = 0; i < 2000; ++i) whole_log += "line " + std::to_string(i) + "\n";

  const auto name = [](int i) { return "kill-" + std::to_string(i); };
  for (int i = 0; i < kKills; ++i) {
    const spec::LaunchRequest request = Script(name(i), kScript);
    const auto a_moment_later = [i] {
      std::this_thread::sleep_for(std::chrono::microseconds(i * 400));
      return true;
    };
    KillServerWhen(a_moment_later, request, FolderOf(name(i)));
    Reattach(name(i));
  }
  // One is killed late enough in any case.
  const std::string late = name(kKills);
  KillServerWhen([&] { return WaitForFile(late + ".ran"); }, Script(late, kScript), FolderOf(late));
  Reattach(late);
  int executed = 0;
  for (int i = 0; i <= kKills; ++i) {
    ASSERT_TRUE(WaitForEnd(name(i)));
    if (!news(name(i)).exit) continue;
    ++executed;
    EXPECT_EQ(news(name(i)).exit->code, 7);
    EXPECT_EQ(Content(name(i) + ".ran"), "ran\n");
    EXPECT_EQ(Content(name(i) + ".log"), whole_log) << name(i);
  }
  for (int i = 0; i <= kKills; ++i) {
    if (news(name(i)).lost) {
      EXPECT_FALSE(fs::exists(Path(name(i) + ".ran"))) << name(i);
    }
  }
  EXPECT_GT(executed, 0);
}

}  // namespace
}  // namespace roost::launch
