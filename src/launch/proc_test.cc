#include "launch/proc.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>

namespace roost::launch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// /proc/<pid>/stat as the kernel writes it, cut after the start time.
std::string Stat(const std::string& name, char state, int threads) {
  return "42 (" + name + ") " + state + " 7 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 " +
         std::to_string(threads) + " 0 98765 1000 200";
}

TEST(ProcTest, StatIsReadWhateverTheNameHolds) {
  for (const char* name : {"sh", "a b", "x) R 1 (y", ") S 9 9 9"}) {
    ProcessInfo info;
    ASSERT_TRUE(ParseStat(Stat(name, 'S', 1), info)) << name;
    EXPECT_EQ(info.id, (ProcessId{42, 98765})) << name;
    EXPECT_EQ(info.parent, 7) << name;
    EXPECT_FALSE(info.ended) << name;
  }
}

TEST(ProcTest, ZombieHasEndedOnlyWithoutLivingThreads) {
  ProcessInfo info;
  ASSERT_TRUE(ParseStat(Stat("sh", 'Z', 1), info));
  EXPECT_TRUE(info.ended);
  ASSERT_TRUE(ParseStat(Stat("sh", 'Z', 3), info));
  EXPECT_FALSE(info.ended);
}

TEST(ProcTest, StatThatIsCutOffIsNone) {
  ProcessInfo info;
  for (const char* text : {"", "42", "42 (sh)", "42 (sh) S", "42 (sh) S 7 42 42 0"}) {
    EXPECT_FALSE(ParseStat(text, info)) << text;
  }
}

ProcessInfo Process(pid_t pid, pid_t parent, bool ended = false) {
  return {.id = {pid, static_cast<std::uint64_t>(pid) * 10}, .parent = parent, .ended = ended};
}

TEST(ProcTest, DescendantsAreAllGenerationsButNotTheRoots) {
  const std::vector<ProcessInfo> all = {Process(1, 0), Process(5, 1),  Process(6, 5), Process(9, 6),
                                        Process(7, 1), Process(12, 7), Process(8, 5)};
  EXPECT_THAT(DescendantsOf({5}, all),
              ElementsAre(ProcessId{6, 60}, ProcessId{8, 80}, ProcessId{9, 90}));
  EXPECT_THAT(DescendantsOf({6, 7}, all), ElementsAre(ProcessId{9, 90}, ProcessId{12, 120}));
  EXPECT_THAT(DescendantsOf({99}, all), IsEmpty());
}

TEST(ProcTest, EndedProcessIsNoDescendantButItsChildrenAre) {
  const std::vector<ProcessInfo> all = {Process(5, 1), Process(6, 5, true), Process(9, 6)};
  EXPECT_THAT(DescendantsOf({5}, all), ElementsAre(ProcessId{9, 90}));
}

TEST(ProcTest, SignalSparesAProcessThatOnlyHasTheSameNumber) {
  ProcessInfo self;
  ASSERT_TRUE(ParseStat(ReadSmallFile("/proc/self/stat"), self));
  ASSERT_EQ(self.id.pid, getpid());
  // SIGKILL to ourselves if the start time were not compared.
  SignalProcess({getpid(), self.id.start_time + 1}, SIGKILL);
  SUCCEED();
}

TEST(ProcTest, MemoryOfOurselves) {
  ProcessInfo self;
  ASSERT_TRUE(ParseStat(ReadSmallFile("/proc/self/stat"), self));
  EXPECT_GT(ResidentKb({self.id}), 500);
  EXPECT_GT(ProportionalKb({self.id}), 100);
  EXPECT_EQ(ResidentKb({}), 0);
}

TEST(ProcTest, NumberAfterItsKeyOnly) {
  const std::string text = "low 1\noom 2\noom_kill 3\nVmRSS:\t  1234 kB\nlast 5";
  EXPECT_EQ(NumberAfter(text, "oom"), 2);
  EXPECT_EQ(NumberAfter(text, "oom_kill"), 3);
  EXPECT_EQ(NumberAfter(text, "VmRSS:"), 1234);
  EXPECT_EQ(NumberAfter(text, "last"), 5);
  EXPECT_EQ(NumberAfter(text, "oom_k"), 0);
  EXPECT_EQ(NumberAfter("", "x"), 0);
}

}  // namespace
}  // namespace roost::launch
