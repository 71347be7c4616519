// Compares IgnoreRules with `git check-ignore` on random patterns over a fixed tree.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <random>
#include <set>

#include "base/files.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "spec/ignore.h"

namespace roost::spec {
namespace {

constexpr int kRounds = 300;

class GitIgnoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto environment = CurrentEnvironment();
    const auto path = environment.find("PATH");
    if (path == environment.end() || !FindProgram("git", path->second)) {
      GTEST_SKIP() << "git is not installed";
    }
    options_.environment = {{"PATH", path->second},
                            {"HOME", root_.path().string()},
                            {"GIT_CONFIG_NOSYSTEM", "1"},
                            {"GIT_CEILING_DIRECTORIES", root_.path().parent_path().string()}};
    options_.working_folder = root_.path();
    const CapturedRun made = Git({"init", "-q"});
    ASSERT_EQ(made.status.code, 0) << made.errors;
    for (const std::string& file : kFiles) {
      ASSERT_TRUE(MakeFolders((root_.path() / file).parent_path()));
      Write(file, "");
    }
    Write(".git/paths", Join(kFiles, "\n"));
  }

  // Without a sync, which would be most of this test's time.
  void Write(const std::string& path, const std::string& content) {
    std::ofstream file(root_.path() / path, std::ios::binary);
    file << content;
    EXPECT_TRUE(file.good()) << path;
  }

  CapturedRun Git(std::vector<std::string> arguments, int stdin_fd = -1) {
    SubprocessOptions options = options_;
    options.argv = std::move(arguments);
    options.argv.insert(options.argv.begin(), "git");
    options.stdin_fd = stdin_fd;
    auto run = RunAndCapture(options, std::chrono::seconds(60));
    EXPECT_TRUE(run) << run.error().message;
    return run ? *std::move(run) : CapturedRun{};
  }

  std::set<std::string> IgnoredByGit(const std::string& rules) {
    Write(".gitignore", rules);
    const auto paths = OpenFile(root_.path() / ".git" / "paths", O_RDONLY);
    EXPECT_TRUE(paths);
    const CapturedRun run =
        Git({"-c", "core.quotePath=false", "check-ignore", "--no-index", "--stdin"}, paths->get());
    EXPECT_TRUE(run.status.code == 0 || run.status.code == 1) << run.errors;
    std::set<std::string> ignored;
    for (const std::string& line : Split(run.output, '\n')) {
      if (!line.empty()) ignored.insert(line);
    }
    return ignored;
  }

  // Walks from the top and does not enter ignored folders, as callers of IgnoreRules do.
  static std::set<std::string> IgnoredByUs(const std::string& text) {
    const IgnoreRules rules = IgnoreRules::Parse(text);
    std::set<std::string> ignored;
    for (const std::string& file : kFiles) {
      bool is_ignored = false;
      for (auto slash = file.find('/'); slash != std::string::npos && !is_ignored;
           slash = file.find('/', slash + 1)) {
        is_ignored = rules.Ignores(file.substr(0, slash), true);
      }
      if (is_ignored || rules.Ignores(file, false)) ignored.insert(file);
    }
    return ignored;
  }

  static const std::vector<std::string> kFiles;

  TempFolder root_{"ignore"};
  SubprocessOptions options_;
};

const std::vector<std::string> GitIgnoreTest::kFiles = {
    "a",      "b",        "ab",        "a.b",       "b.a",      "[a]",      "a b",   "#a",
    "!b",     "c*",       "-",         "d/a",       "d/b",      "d/ab",     "d/a.b", "d/d/a",
    "d/d/b",  "d/d/d/ab", "d/e/a",     "e/d/a",     "e/a.b",    "e/f/g/a",  "ad/a",  "ad/e/b",
    "de/a",   "de/d/b",   "ed/e/d/a",  "d.e/a.b",   "d e/a",    ".a",       ".d/a",  "d/.a",
    "abc/ab", "abc/d/a",  "d/abc/d/a", "d/abc/ab.", "e/abc/b1", "e/e/e/e",  "A",     "d/A",
    "1",      "d/1/a",    "e/2",       "ä",         "d/äb",     "aa/bb/cc", "aa/cc", "cc"};

// Pieces from which patterns are made: more special ones than anybody would write.
std::string RandomPattern(std::mt19937& random) {
  static const std::vector<std::string> kPieces = {
      "a",   "b",   "d",   "e",    "ab", ".",           "/",           "/",       "*",    "*",
      "**",  "**/", "/**", "/**/", "?",  "[ab]",        "[!a]",        "[a-d]",   "[^d]", "\\a",
      "\\*", "\\ ", " ",   "[]a]", "[",  "[[:alpha:]]", "[[:digit:]]", "[[:x:]]", "***",  "c",
      "abc", "d/",  "\\",  "ä",    "aa", "#",           "!",           "-",       "[a-]", "1"};
  std::uniform_int_distribution<std::size_t> piece(0, kPieces.size() - 1);
  std::uniform_int_distribution<int> length(1, 5);
  std::uniform_int_distribution<int> one_in(0, 4);
  std::string pattern = one_in(random) == 0 ? "!" : "";
  for (int i = length(random); i > 0; --i) pattern += kPieces[piece(random)];
  return pattern;
}

TEST_F(GitIgnoreTest, RandomPatternsAgree) {
  std::mt19937 random(20261121);  // NOLINT: the same patterns in every run
  std::uniform_int_distribution<int> count(1, 6);
  int decided = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::string rules;
    for (int i = count(random); i > 0; --i) rules += RandomPattern(random) + "\n";
    const auto git = IgnoredByGit(rules);
    ASSERT_EQ(IgnoredByUs(rules), git) << "with the rules\n" << rules;
    if (!git.empty()) ++decided;
  }
  // Otherwise the patterns would say nothing.
  EXPECT_GT(decided, kRounds / 3);
}

TEST_F(GitIgnoreTest, FilesOfRealProjectsAgree) {
  const std::string_view files[] = {
      "*.py[cod]\n__pycache__/\n.a\n!d/.a\n",
      "/*\n!/d\n/d/*\n!/d/e\n",
      "d/**\n!d/e/\n!d/e/a\n",
      "**/d/a\nabc/**/a\n",
      "ab**/a\nx/d**/b\n/d**/b\n",
      "a\r\n!d/a\r\n  \r\n#b\r\nb  \r\n",
      "*\n!*/\n!*.b\n",
  };
  for (const std::string_view rules : files) {
    EXPECT_EQ(IgnoredByUs(std::string(rules)), IgnoredByGit(std::string(rules))) << rules;
  }
}

}  // namespace
}  // namespace roost::spec
