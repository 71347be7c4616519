#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/tree_page.h"

namespace roost {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uid_t kNobody = 65534;

class TreeTest : public testing::Test {
 protected:
  fs::path Path(const std::string& name) const { return folder_.path() / name; }
  void Write(const std::string& name, std::string_view content = "", unsigned mode = 0644) {
    ASSERT_TRUE(MakeFolders(Path(name).parent_path()));
    ASSERT_TRUE(WriteFileAtomic(Path(name), content, mode));
  }
  void Link(const std::string& target, const std::string& name) {
    ASSERT_TRUE(MakeFolders(Path(name).parent_path()));
    ASSERT_EQ(symlink(target.c_str(), Path(name).c_str()), 0);
  }
  std::vector<std::string> Listed(const std::string& name) {
    std::vector<std::string> paths;
    const Result<std::vector<TreeEntry>> entries = ListTree(Path(name));
    EXPECT_TRUE(entries);
    for (const TreeEntry& entry : *entries) paths.push_back(entry.path);
    return paths;
  }

  TempFolder folder_;
};

using ListTreeTest = TreeTest;
using RemoveTreeTest = TreeTest;

TEST_F(ListTreeTest, ListsRegularFilesSortedByPath) {
  Write("top/b.txt");
  Write("top/a/z");
  Write("top/a/inner/y");
  Write("top/a.txt");
  Write("top/.hidden");
  ASSERT_TRUE(MakeFolders(Path("top/empty")));
  ASSERT_EQ(mkfifo(Path("top/pipe").c_str(), 0600), 0);
  EXPECT_THAT(Listed("top"), ElementsAre(".hidden", "a.txt", "a/inner/y", "a/z", "b.txt"));
}

TEST_F(ListTreeTest, TellsSizeTimeAndWhetherItIsExecutable) {
  Write("top/data", "12345");
  Write("top/run.sh", "", 0755);
  const timespec times[2] = {{0, UTIME_OMIT}, {1'700'000'000, 123'456'789}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("top/data").c_str(), times, 0), 0);

  const std::vector<TreeEntry> entries = ListTree(Path("top")).value();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].size, 5U);
  EXPECT_EQ(entries[0].modified_us, 1'700'000'000'123'456);
  EXPECT_FALSE(entries[0].executable);
  EXPECT_EQ(entries[1].size, 0U);
  EXPECT_TRUE(entries[1].executable);
}

TEST_F(ListTreeTest, FollowsLinksThatStayInside) {
  Write("top/real/file", "12345");
  Link("real/file", "top/to_file");
  Link("real", "top/to_folder");
  Link(Path("top/real/file"), "top/absolute");
  Link("../top/real", "top/out_and_in");
  EXPECT_THAT(Listed("top"),
              ElementsAre("absolute", "out_and_in/file", "real/file", "to_file", "to_folder/file"));
  EXPECT_EQ(ListTree(Path("top"))->at(3).size, 5U) << "of the file, not of the link";
}

TEST_F(ListTreeTest, LeavesOutLinksThatLeadElsewhere) {
  Write("outside/secret");
  Write("top_secret/secret");  // its name begins as the folder's does
  Write("top/file");
  Link("../outside", "top/folder_outside");
  Link("../outside/secret", "top/file_outside");
  Link("../top_secret", "top/neighbour");
  Link("/etc/passwd", "top/absolute");
  Link("nowhere", "top/broken");
  Link("circle", "top/circle");
  EXPECT_THAT(Listed("top"), ElementsAre("file"));
}

TEST_F(ListTreeTest, IsNotCaughtInALoop) {
  Write("top/a/file");
  Link("..", "top/a/up");
  Link(".", "top/a/self");
  Write("top/b/file");
  Link("../c", "top/b/to_c");
  Write("top/c/file");
  Link("../b", "top/c/to_b");
  EXPECT_THAT(Listed("top"),
              ElementsAre("a/file", "b/file", "b/to_c/file", "c/file", "c/to_b/file"));
}

TEST_F(ListTreeTest, OfAFolderThatIsItselfReachedByALink) {
  Write("real/file");
  Link("file", "real/link");
  Link("real", "top");
  EXPECT_THAT(Listed("top"), ElementsAre("file", "link"));
}

TEST_F(ListTreeTest, KeepsNamesThatAreNoText) {
  Write("top/caf\xE9\n");
  EXPECT_THAT(Listed("top"), ElementsAre("caf\xE9\n"));
}

TEST_F(ListTreeTest, OfWhatIsNoFolder) {
  Write("plain");
  EXPECT_EQ(ListTree(Path("none")).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(ListTree(Path("plain")));
  ASSERT_TRUE(MakeFolders(Path("empty")));
  EXPECT_THAT(Listed("empty"), IsEmpty());
}

TEST_F(RemoveTreeTest, RemovesFilesFoldersAndLinks) {
  Write("top/a/b/c/file");
  Write("top/a/file");
  Link("nowhere", "top/broken");
  Link("a", "top/link");
  ASSERT_EQ(mkfifo(Path("top/pipe").c_str(), 0600), 0);
  EXPECT_TRUE(RemoveTree(Path("top")));
  EXPECT_FALSE(fs::exists(Path("top")));
  EXPECT_TRUE(RemoveTree(Path("top"))) << "a missing one is fine";
}

TEST_F(RemoveTreeTest, RemovesASingleFileToo) {
  Write("file");
  EXPECT_TRUE(RemoveTree(Path("file")));
  EXPECT_FALSE(fs::exists(Path("file")));
}

TEST_F(RemoveTreeTest, DoesNotFollowLinks) {
  Write("outside/kept");
  Link("../outside", "top/folder");
  Link("../outside/kept", "top/file");
  Link("outside", "link_itself");
  EXPECT_TRUE(RemoveTree(Path("top")));
  EXPECT_TRUE(RemoveTree(Path("link_itself")));
  EXPECT_FALSE(fs::exists(fs::symlink_status(Path("link_itself"))));
  EXPECT_TRUE(fs::exists(Path("outside/kept")));
}

// The super-user may write everywhere, so this is done by another process as nobody.
TEST_F(RemoveTreeTest, GetsBackThePermissionsThatFoldersHaveLost) {
  const auto make_and_remove = [&] {
    if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) return 1;
    if (!MakeFolders(Path("top/sealed/inner")) || !MakeFolders(Path("top/blind"))) return 2;
    if (!WriteFileAtomic(Path("top/sealed/inner/file"), "", 0400)) return 3;
    if (!WriteFileAtomic(Path("top/blind/file"), "")) return 4;
    for (const char* name : {"top/sealed/inner", "top/sealed", "top/blind", "top"}) {
      if (chmod(Path(name).c_str(), name == std::string("top/blind") ? 0 : 0500) != 0) return 5;
    }
    if (unlink(Path("top/sealed/inner/file").c_str()) == 0) return 6;
    if (!RemoveTree(Path("top"))) return 7;
    return fs::exists(Path("top")) ? 8 : 0;
  };
  if (geteuid() == 0) {
    ASSERT_EQ(chown(folder_.path().c_str(), kNobody, kNobody), 0);
  }
  const pid_t child = fork();
  if (child == 0) _exit(make_and_remove());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Longer than any path and deeper than there are descriptors.
TEST_F(RemoveTreeTest, RemovesWhatIsDeeperThanAPathCanBe) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{128, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  ASSERT_TRUE(MakeFolders(Path("top")));
  Fd at = OpenFile(Path("top"), O_RDONLY | O_DIRECTORY).value();
  const std::string name(200, 'd');
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(mkdirat(at.get(), name.c_str(), 0755), 0);
    at = Fd(openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at.valid());
  }
  const Fd file(openat(at.get(), "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(file.valid());
  EXPECT_TRUE(RemoveTree(Path("top")));
  EXPECT_FALSE(fs::exists(Path("top")));
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(RemoveTreeTest, NamesWhatCannotBeRemoved) {
  const Status status = RemoveTree("/proc/self/fdinfo");
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("/proc/self/fdinfo"), std::string::npos);
}

TEST(ListTreePageTest, PagesTogetherAreTheWholeListInOrder) {
  TempFolder folder;
  const std::vector<std::string> paths = {"a.b", "a/b", "a/b c", "a/c/d/e", "a/c.d",
                                          "a0",  "b/x", "b/y",   "ba",      "z"};
  for (const std::string& path : paths) {
    ASSERT_TRUE(MakeFolders((folder.path() / path).parent_path()));
    ASSERT_TRUE(WriteFileAtomic(folder.path() / path, path));
  }
  fs::create_symlink(folder.path() / "b", folder.path() / "a.link");
  const auto names = [&](const TreePage& page) {
    std::vector<std::string> found;
    const auto entries = ListTreePage(folder.path(), page);
    EXPECT_TRUE(entries);
    for (const TreeEntry& entry : *entries) found.push_back(entry.path);
    return found;
  };
  const std::vector<std::string> all = names({});
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(all.size(), paths.size() + 2);  // the link's files too
  for (const std::size_t limit : {1U, 2U, 3U, 100U}) {
    std::vector<std::string> paged;
    while (true) {
      const auto page = names({.after = paged.empty() ? "" : paged.back(), .limit = limit});
      if (page.empty()) break;
      EXPECT_LE(page.size(), limit);
      paged.insert(paged.end(), page.begin(), page.end());
    }
    EXPECT_EQ(paged, all) << limit;
  }
  for (const std::string prefix : {"a/", "a", "b", "b/y", "a/c/d", "nothing", "a/c."}) {
    std::vector<std::string> expected;
    for (const std::string& path : all) {
      if (path.starts_with(prefix)) expected.push_back(path);
    }
    EXPECT_EQ(names({.prefix = prefix}), expected) << prefix;
  }
  EXPECT_EQ(names({.after = "a/c"}).front(), "a/c.d");
  EXPECT_EQ(names({.prefix = "b/", .after = "a/b"}).front(), "b/x");
}

}  // namespace
}  // namespace roost
