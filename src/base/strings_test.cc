#include "base/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost {
namespace {

using testing::ElementsAre;

TEST(StringsTest, SplitsAndJoins) {
  EXPECT_THAT(Split("a,b,,c", ','), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(Split("", ','), ElementsAre(""));
  EXPECT_THAT(Split(",", ','), ElementsAre("", ""));
  EXPECT_THAT(Split("abc", ','), ElementsAre("abc"));
  EXPECT_EQ(Join({"a", "", "c"}, ", "), "a, , c");
  EXPECT_EQ(Join({}, ","), "");
  EXPECT_EQ(Join(Split("x/y//z/", '/'), "/"), "x/y//z/");
}

TEST(StringsTest, TrimsWhiteSpaceAtBothEnds) {
  EXPECT_EQ(Trim(" \t\r\n\v\f a b \n"), "a b");
  EXPECT_EQ(Trim(" \n "), "");
  EXPECT_EQ(Trim(""), "");
  EXPECT_EQ(Trim("\xC2\xA0"), "\xC2\xA0");
}

struct Utf8Row {
  std::string text;
  std::string replaced;
};

TEST(Utf8Test, KeepsWhatIsValid) {
  const std::string rows[] = {"",
                              "plain",
                              "caf\xC3\xA9",
                              "\xE6\x97\xA5\xE6\x9C\xAC",
                              "\xF0\x9F\x98\x80",
                              "\xED\x9F\xBF",              // U+D7FF, below the surrogates
                              "\xEE\x80\x80",              // U+E000, above them
                              "\xF4\x8F\xBF\xBF",          // U+10FFFF, the last
                              std::string("nul\0in", 6)};  // a character like others
  for (const std::string& text : rows) {
    EXPECT_TRUE(IsValidUtf8(text)) << text;
    EXPECT_EQ(ToValidUtf8(text), text);
  }
}

// The right column is what Python's bytes.decode(errors="replace") makes of the left one.
TEST(Utf8Test, ReplacesWhatIsBroken) {
  const std::string r = "\xEF\xBF\xBD";
  const Utf8Row rows[] = {
      {"caf\xE9", "caf" + r},
      {"\xE9t\xE9", r + "t" + r},
      {"\x80", r},
      {"\xFF\xFE", r + r},
      {"\xC0\x80", r + r},                      // overlong
      {"\xE0\x80\x80", r + r + r},              // overlong
      {"\xED\xA0\x80", r + r + r},              // a surrogate
      {"\xF4\x90\x80\x80", r + r + r + r},      // above U+10FFFF
      {"\xF5\x80\x80\x80", r + r + r + r},      // no such lead byte
      {"\xE6\x97", r},                          // cut off at the end
      {"\xE6\x97x", r + "x"},                   // cut off by a letter
      {"\xF0\x9F\x98\xC3\xA9", r + "\xC3\xA9"}  // cut off by a good character
  };
  for (const Utf8Row& row : rows) {
    EXPECT_FALSE(IsValidUtf8(row.text)) << row.text;
    EXPECT_EQ(ToValidUtf8(row.text), row.replaced);
    EXPECT_TRUE(IsValidUtf8(ToValidUtf8(row.text)));
  }
}

TEST(FormatBytesTest, ChoosesTheUnit) {
  const std::pair<std::uint64_t, std::string> rows[] = {
      {0, "0 B"},
      {1023, "1023 B"},
      {1024, "1.0 KiB"},
      {1536, "1.5 KiB"},
      {(1 << 20) - 1, "1.0 MiB"},
      {1'610'612'736, "1.5 GiB"},
      {1ULL << 40, "1.0 TiB"},
      {~0ULL, "16.0 EiB"},
  };
  for (const auto& [bytes, text] : rows) EXPECT_EQ(FormatBytes(bytes), text);
}

TEST(SlugTest, KeepsWhatIsSafeInNames) {
  EXPECT_EQ(Slug("my_exp-1", 80), "my_exp-1");
  EXPECT_EQ(Slug("CIFAR 10/v2", 80), "cifar-10-v2");
  EXPECT_EQ(Slug("caf\xC3\xA9!", 80), "caf--");
  EXPECT_EQ(Slug("abcdef", 3), "abc");
  EXPECT_EQ(Slug("", 3), "");
  EXPECT_EQ(Slug("abc", 0), "");
}

}  // namespace
}  // namespace roost
