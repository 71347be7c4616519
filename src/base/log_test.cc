#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/clock.h"
#include "base/files.h"
#include "base/strings.h"

namespace roost {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class LogTest : public testing::Test {
 protected:
  void TearDown() override { ASSERT_TRUE(SetUpLog(LogLevel::kWarning, {})); }
  void LogToFile(LogLevel level) { ASSERT_TRUE(SetUpLog(level, file_)); }
  std::vector<std::string> Lines() {
    std::vector<std::string> lines = Split(ReadFile(file_, 1ULL << 30).value(), '\n');
    EXPECT_EQ(lines.back(), "");
    lines.pop_back();
    return lines;
  }
  static std::string AfterTime(const std::string& line) {
    const std::string prefix = "{\"time\":\"";
    EXPECT_THAT(line, StartsWith(prefix));
    const std::size_t length = FormatTime(0).size();
    EXPECT_TRUE(ParseTime(line.substr(prefix.size(), length))) << line;
    return line.substr(prefix.size() + length);
  }

  TempFolder folder_;
  fs::path file_ = folder_.path() / "server.log";
};

TEST_F(LogTest, WritesOneObjectALine) {
  LogToFile(LogLevel::kDebug);
  LogInfo("run_started", {{"run", "cifar_1"}, {"attempt", "1"}});
  LogError("disk_full");
  Log(LogLevel::kDebug, "turn", {});

  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(AfterTime(lines[0]),
            R"(","level":"info","event":"run_started","run":"cifar_1","attempt":"1"})");
  EXPECT_EQ(AfterTime(lines[1]), R"(","level":"error","event":"disk_full"})");
  EXPECT_EQ(AfterTime(lines[2]), R"(","level":"debug","event":"turn"})");
}

TEST_F(LogTest, EscapesWhatJsonDoesNotAllow) {
  LogToFile(LogLevel::kInfo);
  LogInfo("odd", {{"text", std::string("\"\\\n\r\t\b\x1f\0{}%v caf\xC3\xA9 \xE9", 20)}});
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(
      lines[0],
      EndsWith(
          "\"text\":\"\\\"\\\\\\n\\r\\t\\u0008\\u001f\\u0000{}%v caf\xC3\xA9 \xEF\xBF\xBD\"}"));
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  LogToFile(LogLevel::kWarning);
  LogInfo("quiet");
  LogWarning("loud");
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("loud"));
}

TEST_F(LogTest, AppendsToTheFileThatIsThere) {
  LogToFile(LogLevel::kInfo);
  LogInfo("first");
  LogToFile(LogLevel::kInfo);
  LogInfo("second");
  EXPECT_EQ(Lines().size(), 2U);
}

TEST_F(LogTest, GoesToStderrFromWarningUpWithoutAFile) {
  testing::internal::CaptureStderr();
  LogInfo("quiet");
  LogWarning("loud", {{"why", "x"}});
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(AfterTime(text), "\",\"level\":\"warning\",\"event\":\"loud\",\"why\":\"x\"}\n");
}

TEST_F(LogTest, TurnsOverAtItsLimitAndKeepsThreeOldFiles) {
  for (int i = 0; i < 6; ++i) {
    LogToFile(LogLevel::kInfo);
    LogInfo("turn", {{"number", std::to_string(i)}});
    fs::resize_file(file_, 32 << 20);  // as full as it may be
  }
  LogToFile(LogLevel::kInfo);
  LogInfo("last");
  EXPECT_EQ(Lines().size(), 1U);
  std::vector<std::uint64_t> sizes;
  const std::vector<TreeEntry> files = ListTree(folder_.path()).value();
  for (const TreeEntry& file : files) sizes.push_back(file.size);
  EXPECT_THAT(sizes, testing::ElementsAre(32U << 20, 32U << 20, 32U << 20, testing::Lt(1000U)));
}

TEST_F(LogTest, KeepsLinesOfManyThreadsWhole) {
  LogToFile(LogLevel::kInfo);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 500; ++k) LogInfo("turn", {{"text", std::string(200, 'x')}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = Lines();
  EXPECT_EQ(lines.size(), 2000U);
  for (const std::string& line : lines) ASSERT_THAT(line, EndsWith("xx\"}"));
}

TEST_F(LogTest, SaysWhyAFileCannotBeWritten) {
  ASSERT_TRUE(WriteFileAtomic(folder_.path() / "plain", ""));
  const Status status = SetUpLog(LogLevel::kInfo, folder_.path() / "plain" / "server.log");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("plain/server.log"));
}

}  // namespace
}  // namespace roost
