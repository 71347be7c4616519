#include "base/log_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/files.h"

namespace roost {
namespace {

class TailOfLogTest : public testing::Test {
 protected:
  void Write(std::string_view content) { ASSERT_TRUE(WriteFileAtomic(log_, content)); }
  std::string Tail(std::uint64_t lines, std::uint64_t max_bytes = 256 << 10) {
    return TailOfLog(log_, lines, max_bytes).value();
  }

  TempFolder folder_;
  fs::path log_ = folder_.path() / "70_driver_log.txt";
};

TEST_F(TailOfLogTest, GivesTheLastLines) {
  Write("one\ntwo\nthree\n");
  EXPECT_EQ(Tail(0), "");
  EXPECT_EQ(Tail(1), "three\n");
  EXPECT_EQ(Tail(2), "two\nthree\n");
  EXPECT_EQ(Tail(3), "one\ntwo\nthree\n");
  EXPECT_EQ(Tail(4), "one\ntwo\nthree\n");
}

TEST_F(TailOfLogTest, CountsALastPartWithoutNewlineAsALine) {
  Write("one\ntwo\nthr");
  EXPECT_EQ(Tail(1), "thr");
  EXPECT_EQ(Tail(2), "two\nthr");
}

TEST_F(TailOfLogTest, CountsEmptyLines) {
  Write("one\n\n\n");
  EXPECT_EQ(Tail(1), "\n");
  EXPECT_EQ(Tail(2), "\n\n");
  EXPECT_EQ(Tail(3), "one\n\n\n");
}

TEST_F(TailOfLogTest, OfAnEmptyOrMissingFile) {
  Write("");
  EXPECT_EQ(Tail(5), "");
  EXPECT_EQ(TailOfLog(folder_.path() / "none", 5).error().code, ErrorCode::kNotFound);
}

TEST_F(TailOfLogTest, ReadsAcrossItsBlocks) {
  std::string content;
  std::string expected;
  for (int i = 0; i < 30'000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    content += line;
    if (i >= 10'000) expected += line;
  }
  Write(content);
  EXPECT_EQ(Tail(20'000, 1 << 20), expected);
  EXPECT_EQ(Tail(40'000, 1 << 20), content);
}

TEST_F(TailOfLogTest, StaysWithinTheLimitAndDropsACutLine) {
  Write("aaaa\nbbbb\ncccc\n");
  EXPECT_EQ(Tail(3, 5), "cccc\n");
  EXPECT_EQ(Tail(3, 9), "cccc\n");
  EXPECT_EQ(Tail(3, 10), "bbbb\ncccc\n");
  EXPECT_EQ(Tail(3, 0), "");
}

TEST_F(TailOfLogTest, ShowsTheEndOfALineLongerThanTheLimit) {
  Write("aaaa\n" + std::string(300'000, 'b') + "end\n");
  EXPECT_EQ(Tail(2, 6), "bbend\n");
  EXPECT_EQ(Tail(1, 100'000).size(), 100'000U);
}

TEST_F(TailOfLogTest, CostsNothingOnAHugeFile) {
  Write("");
  fs::resize_file(log_, 20ULL << 30);  // a hole
  const Result<Fd> fd = OpenFile(log_, O_WRONLY | O_APPEND);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(WriteAll(fd->get(), "\nlast\n", log_));
  EXPECT_EQ(Tail(1), "last\n");
  EXPECT_EQ(Tail(100).size(), 5U);  // the line before it is cut, so only this one is whole
}

TEST(FoldCarriageReturnsTest, ShowsWhatATerminalWould) {
  const std::pair<std::string, std::string> rows[] = {
      {"", ""},
      {"plain\n", "plain\n"},
      {"no newline", "no newline"},
      {"\n\n", "\n\n"},
      {"windows\r\nlines\r\n", "windows\nlines\n"},
      {"10%\r20%\r30%\nnext\n", "30%\nnext\n"},
      {"\r10%\r20%", "20%"},
      {"10%\r20%\r", "20%"},
      {"10%\r\r\n", "10%\n"},
      {"bar\x1b[K\n", "bar\n"},
      {"bar\x1b[0Kx\n", "barx\n"},
      {"10%\r\x1b[K20%\r\x1b[K30%\n", "30%\n"},
      {"10%\x1b[2K\r20%\n", "20%\n"},
      {"10%\x1b[2K\r\n", "\n"},
      {"10%\x1b[1Kx\n", "x\n"},
      {"\x1b[31mred\x1b[0m\n", "\x1b[31mred\x1b[0m\n"},
      {"a\x1b", "a\x1b"},
      {"caf\xE9\r\xFF\n", "\xFF\n"},
  };
  for (const auto& [text, shown] : rows) EXPECT_EQ(FoldCarriageReturns(text), shown) << text;
}

}  // namespace
}  // namespace roost
