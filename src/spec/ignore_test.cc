#include "spec/ignore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::spec {
namespace {

using ::testing::ElementsAre;

TEST(Glob, MatchesAsGitDoes) {
  const struct {
    std::string_view glob;
    std::string_view path;
    bool matches;
  } cases[] = {
      {"foo", "foo", true},
      {"foo", "foobar", false},
      {"", "", true},
      {"", "a", false},
      {"*", "foo", true},
      {"*", "", true},
      {"*", "a/b", false},
      {"*.py", "train.py", true},
      {"*.py", ".py", true},
      {"*.py", "src/train.py", false},
      {"a*b*c", "a12b34c", true},
      {"a*b*c", "a12b34", false},
      {"?", "a", true},
      {"?", "/", false},
      {"?", "", false},
      {"a?c", "abc", true},
      {"f\\*o", "f*o", true},
      {"f\\*o", "fxo", false},
      {"foo\\", "foo", false},
      {"foo\\", "foo\\", false},
      {"[abc]x", "bx", true},
      {"[a-c]x", "cx", true},
      {"[a-c]x", "dx", false},
      {"[!a-c]x", "dx", true},
      {"[^a-c]x", "ax", false},
      {"[]]", "]", true},
      {"[!]]", "]", false},
      {"[]-]", "-", true},
      {"[a-]", "-", true},
      {"[-a]", "-", true},
      {"[\\]]", "]", true},
      {"[a\\-z]", "-", true},
      {"[a\\-z]", "m", false},
      {"[!a]", "/", false},
      {"[/]", "/", false},
      {"a[b", "a[b", false},
      {"a[", "a[", false},
      {"[[:alpha:]]", "x", true},
      {"[[:alpha:]]", "1", false},
      {"[[:digit:]_]", "_", true},
      {"[![:space:]]", " ", false},
      {"[[:upper:][:digit:]]", "7", true},
      {"[[:xdigit:]]", "F", true},
      {"[[:punct:]]", "!", true},
      {"[[:nonsense:]]", "a", false},
      {"[[:al]", "l", true},
      {"[[:al]", "[", true},
      {"**", "a/b/c", true},
      {"**/foo", "foo", true},
      {"**/foo", "a/b/foo", true},
      {"**/foo", "xfoo", false},
      {"**/foo", "a/xfoo", false},
      {"foo/**", "foo/a/b", true},
      {"foo/**", "foo", false},
      {"a/**/b", "a/b", true},
      {"a/**/b", "a/x/b", true},
      {"a/**/b", "a/x/y/b", true},
      {"a/**/b", "a/xb", false},
      {"a/**/b", "ab", false},
      {"a/***/b", "a/x/y/b", true},
      {"a**b", "axxb", true},
      {"a**b", "ax/xb", false},
      {"a**/b", "ax/b", true},
      {"a**/b", "ax/y/b", false},
      {"**a", "xa", true},
      {"**a", "x/a", false},
      {"**/*.py", "a/b.py", true},
      {"**/a/**/b/**", "x/a/b/c", true},
      {"**/a/**/b/**", "a/y/b", false},
      {"ü?", "üa", true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(GlobMatches(c.glob, c.path), c.matches) << c.glob << " on " << c.path;
  }
}

TEST(Glob, HostilePatternsStayFast) {
  std::string glob;
  for (int i = 0; i < 200; ++i) glob += "a*";
  // Backtracking would try more ways than there are atoms.
  EXPECT_FALSE(GlobMatches(glob + "b", std::string(2000, 'a')));
  std::string folders;
  for (int i = 0; i < 200; ++i) folders += "**/a/";
  std::string path;
  for (int i = 0; i < 500; ++i) path += "a/";
  EXPECT_FALSE(GlobMatches(folders + "b", path + "c"));
}

TEST(IgnoreRules, OnePatternAtATime) {
  constexpr bool kFile = false;
  constexpr bool kFolder = true;
  const struct {
    std::string_view text;
    std::string_view path;
    bool is_folder;
    bool ignored;
  } cases[] = {
      {"data", "data", kFile, true},
      {"data", "data", kFolder, true},
      {"data", "src/data", kFolder, true},
      {"data", "database", kFile, false},
      {"data/", "data", kFolder, true},
      {"data/", "data", kFile, false},
      {"data/", "src/data", kFolder, true},
      {"/data", "data", kFile, true},
      {"/data", "src/data", kFile, false},
      {"src/data", "src/data", kFile, true},
      {"src/data", "a/src/data", kFile, false},
      {"/src/data/", "src/data", kFolder, true},
      {"*.pt", "model.pt", kFile, true},
      {"*.pt", "a/b/model.pt", kFile, true},
      {"/*.pt", "a/model.pt", kFile, false},
      {"a/*.pt", "a/model.pt", kFile, true},
      {"a/*.pt", "a/b/model.pt", kFile, false},
      {"**/cache", "a/b/cache", kFolder, true},
      {"cache/**", "cache", kFolder, false},
      {"ab**/x", "abc/d/x", kFile, true},  // git's way, though its manual says otherwise
      {"*b**/x", "abc/d/x", kFile, false},
      {"cache/**", "cache/x", kFile, true},
      {"# comment", "# comment", kFile, false},
      {"\\#x", "#x", kFile, true},
      {"\\!x", "!x", kFile, true},
      {" x", " x", kFile, true},
      {"x  ", "x", kFile, true},
      {"x\\ ", "x ", kFile, true},
      {"x\\  ", "x ", kFile, true},
      {"x\r\n", "x", kFile, true},
      {"\xEF\xBB\xBFx", "x", kFile, true},
      {"", "x", kFile, false},
      {"/", "x", kFolder, false},
      {"!", "x", kFile, false},
      {"[ab].txt", "b.txt", kFile, true},
      {".*", ".git", kFolder, true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(IgnoreRules::Parse(c.text).Ignores(c.path, c.is_folder), c.ignored)
        << c.text << " on " << c.path;
  }
}

TEST(IgnoreRules, TheLastMatchDecides) {
  const auto rules = IgnoreRules::Parse("*.log\n!keep.log\n/keep.log\nimportant/\n!important/\n");
  std::vector<bool> ignored;
  for (const char* path : {"a.log", "x/keep.log", "keep.log", "train.py"}) {
    ignored.push_back(rules.Ignores(path, false));
  }
  EXPECT_THAT(ignored, ElementsAre(true, false, true, false));
  EXPECT_FALSE(rules.Ignores("important", true));
}

TEST(IgnoreRules, NothingButCommentsIsEmpty) {
  EXPECT_TRUE(IgnoreRules::Parse("").empty());
  EXPECT_TRUE(IgnoreRules::Parse("# a\n\n   \n#b").empty());
  EXPECT_FALSE(IgnoreRules::Parse("a").empty());
}

}  // namespace
}  // namespace roost::spec
