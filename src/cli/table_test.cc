#include "cli/table.h"

#include <gtest/gtest.h>

namespace roost::cli {
namespace {

TEST(WidthTest, CountsWhatTheTerminalShows) {
  EXPECT_EQ(DisplayWidth("abc"), 3U);
  EXPECT_EQ(DisplayWidth("äöü"), 3U);
  EXPECT_EQ(DisplayWidth("日本"), 4U);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1U);  // with a combining accent
}

TEST(WidthTest, CutsAtTheWidth) {
  EXPECT_EQ(CutToWidth("abcdef", 6), "abcdef");
  EXPECT_EQ(CutToWidth("abcdef", 4), "abc…");
  EXPECT_EQ(CutToWidth("日本語", 4), "日…");
  EXPECT_EQ(CutToWidth("日本語", 5), "日本…");
  EXPECT_EQ(CutToWidth("abc", 0), "");
}

TEST(OneLineTest, NoNameSteersTheTerminal) {
  EXPECT_EQ(OneLine("a\033[31mb\nc\td\x7f"), "a?[31mb c d?");
  EXPECT_EQ(OneLine("caf\xe9"), "caf\xef\xbf\xbd");
}

class TableTest : public testing::Test {
 protected:
  TableTest() : table_({{"NAME", false, true}, {"COUNT", true}, {"NOTE", false, true}}) {
    table_.AddRow({"a", "1", "short"});
    table_.AddRow({"a much longer name", "100", "a note of some length"});
  }
  Table table_;
};

TEST_F(TableTest, AlignsColumns) {
  EXPECT_EQ(table_.Render(0, false),
            "NAME                COUNT  NOTE\n"
            "a                       1  short\n"
            "a much longer name    100  a note of some length\n");
}

TEST_F(TableTest, CutsTheWidestColumnsFirst) {
  EXPECT_EQ(table_.Render(37, false),
            "NAME            COUNT  NOTE\n"
            "a                   1  short\n"
            "a much longer…    100  a note of som…\n");
}

TEST_F(TableTest, KeepsNumbersWholeInATerminalThatIsTooNarrow) {
  const std::string text = table_.Render(5, false);
  EXPECT_NE(text.find("100"), std::string::npos);
  EXPECT_NE(text.find("a much …"), std::string::npos) << text;
}

TEST_F(TableTest, ColorsCellsOnlyWhenAsked) {
  Table table({{"STATUS"}});
  table.AddRow({{"Failed", StyleOfStatus("Failed")}});
  EXPECT_EQ(table.Render(0, false), "STATUS\nFailed\n");
  EXPECT_EQ(table.Render(0, true), "\033[1mSTATUS\033[0m\n\033[31mFailed\033[0m\n");
}

}  // namespace
}  // namespace roost::cli
