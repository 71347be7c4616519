#include "roost/folder_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/files.h"
#include "base/strings.h"
#include "base/subprocess.h"

namespace roost::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FolderSnapshotTest : public testing::Test {
 protected:
  fs::path path(const std::string& name) const { return folder_.path() / "src" / name; }
  void Write(const std::string& name, const std::string& text = "x") {
    ASSERT_TRUE(MakeFolders(path(name).parent_path()));
    ASSERT_TRUE(WriteFileAtomic(path(name), text));
  }
  void Link(const std::string& target, const std::string& name) {
    ASSERT_TRUE(MakeFolders(path(name).parent_path()));
    ASSERT_EQ(::symlink(target.c_str(), path(name).c_str()), 0);
  }
  Result<FolderSnapshot> Read(const spec::SnapshotLimits& limits = {}) const {
    return ReadFolder(path(""), limits);
  }
  std::vector<std::string> Paths() const {
    const auto snapshot = Read();
    if (!snapshot) return {"error: " + snapshot.error().message};
    std::vector<std::string> paths;
    for (const auto& file : snapshot->manifest.files) paths.push_back(file.path);
    return paths;
  }
  // What git would add, which is what the ignore rules have to give.
  std::vector<std::string> GitPaths() const {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"git", "init", "-q"},
          std::vector<std::string>{"git", "ls-files", "-o",
                                   "--exclude-per-directory=.gitignore"}}) {
      SubprocessOptions options;
      options.argv = arguments;
      options.environment = CurrentEnvironment();
      options.working_folder = path("");
      const auto run = RunAndCapture(options, std::chrono::seconds(100));
      if (!run || run->status.code != 0) return {"git failed"};
      if (arguments[1] == "ls-files") {
        auto paths = Split(Trim(run->output), '\n');
        std::sort(paths.begin(), paths.end());
        return paths;
      }
    }
    return {};
  }

  TempFolder folder_;
};

TEST_F(FolderSnapshotTest, HasDigestsSizesAndModes) {
  Write("train.py", "print(1)\n");
  Write("run.sh", "true");
  ASSERT_EQ(::chmod(path("run.sh").c_str(), 0755), 0);
  const auto snapshot = Read();
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_THAT(snapshot->manifest.files,
              ElementsAre(spec::SnapshotFile{"run.sh", DigestOf("true"), 4, true},
                          spec::SnapshotFile{"train.py", DigestOf("print(1)\n"), 9, false}));
}

TEST_F(FolderSnapshotTest, LeavesOutWhatGitLeavesOut) {
  for (const char* name :
       {"train.py", "a.log", "keep.log", "data/x.bin", "data/deep/y.bin", "src/data/z.bin",
        "build/out", "deep/build/out", "docs/a.txt", "docs/b/a.txt", "notes.tmp", "x/notes.tmp",
        "weird name.txt", "#hash", "!bang", "trail", "cache/keep.me", "cache/drop.me"}) {
    Write(name);
  }
  Write(".gitignore",
        "# comment\n*.log\n!keep.log\n/data/\nbuild\ndocs/*.txt\n**/notes.tmp\n\\#hash\n\\!bang\n"
        "weird\\ name.txt\ncache/*\n!cache/keep.me\n");
  EXPECT_EQ(Paths(), GitPaths());
}

TEST_F(FolderSnapshotTest, AmlignoreReplacesGitignoreAndOnlyTheRootCounts) {
  Write("a.txt");
  Write("b.txt");
  Write("sub/c.txt");
  Write(".gitignore", "a.txt\n");
  Write(".amlignore", "b.txt\n");
  Write("sub/.gitignore", "c.txt\n");
  EXPECT_THAT(Paths(),
              ElementsAre(".amlignore", ".gitignore", "a.txt", "sub/.gitignore", "sub/c.txt"));
}

TEST_F(FolderSnapshotTest, GitsOwnFolderIsNeverInIt) {
  Write(".git/config");
  Write("module/.git", "gitdir: ..");
  Write("module/a.py");
  EXPECT_THAT(Paths(), ElementsAre("module/a.py"));
}

TEST_F(FolderSnapshotTest, FollowsLinksThatStayInside) {
  Write("real/a.txt", "hello");
  Link("real", "alias");
  Link("real/a.txt", "b.txt");
  EXPECT_THAT(Paths(), ElementsAre("alias/a.txt", "b.txt", "real/a.txt"));
}

TEST_F(FolderSnapshotTest, NamesAllLinksThatCannotBeKept) {
  ASSERT_TRUE(WriteFileAtomic(folder_.path() / "outside.txt", "secret"));
  Write("deep/a.txt");
  Link("../outside.txt", "leaves");
  Link("/etc/hostname", "deep/absolute");
  Link("nowhere", "dangling");
  Link("..", "deep/loop");
  Link("/etc", "ignored");
  Write(".amlignore", "ignored\n");
  const auto snapshot = Read();
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().code, ErrorCode::kInvalidArgument);
  std::vector<std::string> named;
  for (const Problem& problem : snapshot.error().details) named.push_back(problem.field);
  EXPECT_THAT(named, ElementsAre("dangling", "deep/absolute", "deep/loop", "leaves"));
  EXPECT_THAT(snapshot.error().message, HasSubstr(".amlignore"));
}

TEST_F(FolderSnapshotTest, NamesNamesThatAreNotUtf8) {
  Write("caf\xe9.txt");
  const auto snapshot = Read();
  ASSERT_FALSE(snapshot);
  EXPECT_THAT(snapshot.error().message, HasSubstr("not UTF-8"));
}

TEST_F(FolderSnapshotTest, NamesUnreadableFiles) {
  if (::geteuid() == 0) GTEST_SKIP() << "the superuser can read everything";
  Write("a.txt");
  Write("b.txt");
  ::chmod(path("a.txt").c_str(), 0);
  ::chmod(path("b.txt").c_str(), 0);
  const auto snapshot = Read();
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().details.size(), 2U);
}

TEST_F(FolderSnapshotTest, LimitsAreCheckedBeforeHashing) {
  Write("a.bin", std::string(3 << 20, 'x'));
  const auto snapshot = Read({.max_bytes = 1 << 20, .max_files = 10});
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().code, ErrorCode::kTooLarge);
  EXPECT_THAT(snapshot.error().message, HasSubstr("Your total snapshot size exceeds the limit"));
}

TEST_F(FolderSnapshotTest, MissingFoldersAndFilesAreToldApart) {
  Write("train.py");
  const auto missing = ReadFolder(path("nowhere"));
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("nowhere"));
  const auto file = ReadFolder(path("train.py"));
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("is a file"));
}

}  // namespace
}  // namespace roost::client
