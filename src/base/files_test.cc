#include "base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace roost {
namespace {

using testing::HasSubstr;

class FilesTest : public testing::Test {
 protected:
  fs::path Path(const std::string& name) const { return folder_.path() / name; }
  void Write(const std::string& name, std::string_view content, unsigned mode = 0644) {
    ASSERT_TRUE(WriteFileAtomic(Path(name), content, mode));
  }
  std::string Read(const std::string& name) const { return ReadFile(Path(name)).value(); }
  static struct stat InfoOf(const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info;
  }
  unsigned ModeOf(const std::string& name) const { return InfoOf(Path(name)).st_mode & 07777; }
  std::size_t CountOfEntries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
  }

  TempFolder folder_;
};

TEST_F(FilesTest, OpensCloseOnExec) {
  const Result<Fd> fd = OpenFile(Path("new"), O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  EXPECT_NE(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(ModeOf("new"), 0600U);
}

TEST_F(FilesTest, AnFdClosesWhatItOwns) {
  Result<Fd> opened = OpenFile("/dev/null", O_RDONLY);
  const int number = opened->get();
  {
    Fd first = std::move(*opened);
    EXPECT_FALSE(opened->valid());
    Fd second;
    second = std::move(first);
    EXPECT_EQ(second.get(), number);
    EXPECT_NE(fcntl(number, F_GETFD), -1);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST_F(FilesTest, ErrorsNameThePath) {
  const Result<Fd> fd = OpenFile(Path("none"), O_RDONLY);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(fd.error().message, "opening " + Path("none").string() + ": No such file or directory");
}

TEST_F(FilesTest, AFullDiskIsExhausted) {
  const Result<Fd> full = OpenFile("/dev/full", O_WRONLY);
  ASSERT_TRUE(full);
  const Status status = WriteAll(full->get(), "text", "/dev/full");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(status.error().message, HasSubstr("/dev/full"));
}

TEST_F(FilesTest, ReadsWhatWasWritten) {
  for (const std::size_t size : {0U, 1U, 262'144U, 262'145U, 1'000'000U}) {
    std::string content(size, 'x');
    if (size > 0) content[size / 2] = '\0';
    Write("file", content);
    EXPECT_EQ(Read("file"), content) << size;
  }
}

TEST_F(FilesTest, ReadsFilesThatTellNoSize) {
  EXPECT_THAT(ReadFile("/proc/self/status").value(), HasSubstr("Pid:"));
}

TEST_F(FilesTest, RefusesToReadMoreThanTheLimit) {
  Write("file", std::string(100, 'x'));
  EXPECT_TRUE(ReadFile(Path("file"), 100));
  const Result<std::string> refused = ReadFile(Path("file"), 99);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(ReadFile("/dev/zero", 1 << 20).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(ReadFile(folder_.path()).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(FilesTest, ReadsARange) {
  Write("file", "0123456789");
  EXPECT_EQ(ReadRange(Path("file"), 0, 4).value(), "0123");
  EXPECT_EQ(ReadRange(Path("file"), 8, 4).value(), "89");
  EXPECT_EQ(ReadRange(Path("file"), 10, 4).value(), "");
  EXPECT_EQ(ReadRange(Path("file"), 1'000'000, 4).value(), "");
  EXPECT_EQ(ReadRange(Path("file"), 3, 0).value(), "");
  EXPECT_EQ(ReadRange(Path("file"), 1, ~0ULL).value(), "123456789");
  Write("big", std::string(600'000, 'a') + "z");
  EXPECT_EQ(ReadRange(Path("big"), 1, 600'000).value(), std::string(599'999, 'a') + "z");
  EXPECT_EQ(ReadRange(Path("none"), 0, 1).error().code, ErrorCode::kNotFound);
}

TEST_F(FilesTest, WritesAtomicallyOverWhatIsThere) {
  Write("file", "old", 0600);
  EXPECT_EQ(ModeOf("file"), 0600U);
  const ino_t before = InfoOf(Path("file")).st_ino;
  const Result<Fd> reader = OpenFile(Path("file"), O_RDONLY);
  Write("file", "new", 0644);
  EXPECT_EQ(Read("file"), "new");
  EXPECT_NE(InfoOf(Path("file")).st_ino, before);
  char old[3];
  EXPECT_EQ(read(reader->get(), old, 3), 3);
  EXPECT_EQ(std::string_view(old, 3), "old") << "a reader sees one or the other, never a mix";
  EXPECT_EQ(CountOfEntries(), 1U);
}

TEST_F(FilesTest, AnAtomicWriteReplacesALinkAndNotItsTarget) {
  Write("target", "kept");
  fs::create_symlink("target", Path("link"));
  Write("link", "new");
  EXPECT_EQ(Read("target"), "kept");
  EXPECT_TRUE(S_ISREG(InfoOf(Path("link")).st_mode));
}

TEST_F(FilesTest, AFailedAtomicWriteLeavesNothing) {
  ASSERT_TRUE(MakeFolders(Path("folder")));
  EXPECT_FALSE(WriteFileAtomic(Path("folder"), "x"));
  EXPECT_EQ(CountOfEntries(), 1U);
  EXPECT_EQ(WriteFileAtomic(Path("no/file"), "x").error().code, ErrorCode::kNotFound);
}

TEST_F(FilesTest, WritesInTheCurrentFolderToo) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  EXPECT_TRUE(WriteFileAtomic("plain", "x"));
  EXPECT_TRUE(CopyFile("plain", "copy"));
  EXPECT_TRUE(MakeFolders("a/b/"));
  fs::current_path(before);
  EXPECT_EQ(Read("copy"), "x");
  EXPECT_TRUE(fs::is_directory(Path("a/b")));
}

TEST_F(FilesTest, AnExclusiveWriteIsForTheFirst) {
  EXPECT_TRUE(WriteFileExclusive(Path("claim"), "first", 0600));
  const Status second = WriteFileExclusive(Path("claim"), "second");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_EQ(Read("claim"), "first");
  EXPECT_EQ(ModeOf("claim"), 0600U);
  EXPECT_EQ(InfoOf(Path("claim")).st_nlink, 1U);
  EXPECT_EQ(CountOfEntries(), 1U);
}

TEST_F(FilesTest, MakesFoldersDownToTheLast) {
  EXPECT_TRUE(MakeFolders(Path("a/b/c"), 0700));
  EXPECT_EQ(ModeOf("a/b/c"), 0700U);
  EXPECT_TRUE(MakeFolders(Path("a/b/c")));
  EXPECT_TRUE(MakeFolders(Path("a/b/d/")));
  fs::create_directory_symlink("a", Path("link"));
  EXPECT_TRUE(MakeFolders(Path("link/e")));
  EXPECT_TRUE(fs::is_directory(Path("a/e")));

  Write("plain", "");
  EXPECT_EQ(MakeFolders(Path("plain")).error().code, ErrorCode::kConflict);
  EXPECT_EQ(MakeFolders(Path("plain/x")).error().code, ErrorCode::kNotFound);
}

TEST_F(FilesTest, CopiesContentAndPermissionBits) {
  std::string content(3'000'000, 'x');
  content += "end";
  Write("script", content, 0750);
  ASSERT_TRUE(CopyFile(Path("script"), Path("copy")));
  EXPECT_EQ(Read("copy"), content);
  EXPECT_EQ(ModeOf("copy"), 0750U);
  ASSERT_TRUE(CopyFile(Path("script"), Path("open"), 0666));
  EXPECT_EQ(ModeOf("open"), 0666U) << "whatever the umask";
}

TEST_F(FilesTest, ACopyIsNeverTheSameFile) {
  Write("blob", "content");
  ASSERT_TRUE(CopyFile(Path("blob"), Path("copy")));
  EXPECT_NE(InfoOf(Path("blob")).st_ino, InfoOf(Path("copy")).st_ino);
  const Result<Fd> fd = OpenFile(Path("copy"), O_WRONLY);
  ASSERT_TRUE(WriteAll(fd->get(), "CHANGED", Path("copy")));
  EXPECT_EQ(Read("blob"), "content");
}

TEST_F(FilesTest, ACopyReplacesALinkAndNotItsTarget) {
  Write("source", "new");
  Write("blob", "kept");
  fs::create_symlink("blob", Path("soft"));
  fs::create_hard_link(Path("blob"), Path("hard"));
  ASSERT_TRUE(CopyFile(Path("source"), Path("soft")));
  ASSERT_TRUE(CopyFile(Path("source"), Path("hard")));
  EXPECT_EQ(Read("blob"), "kept");
  EXPECT_EQ(Read("soft"), "new");
  EXPECT_EQ(Read("hard"), "new");
}

TEST_F(FilesTest, CopiesFromOtherFileSystems) {
  ASSERT_TRUE(CopyFile("/proc/self/cmdline", Path("copy")));
  EXPECT_EQ(Read("copy"), ReadFile("/proc/self/cmdline").value());
}

TEST_F(FilesTest, RefusesToCopyWhatIsNoFile) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(CopyFile(Path("pipe"), Path("copy")).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(CopyFile(folder_.path(), Path("copy")).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(CopyFile(Path("none"), Path("copy")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(CopyFile("/proc/self/status", Path("no/copy")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(CountOfEntries(), 1U);
}

TEST_F(FilesTest, TellsTheDisksSpace) {
  const Result<DiskSpace> space = GetDiskSpace(folder_.path());
  ASSERT_TRUE(space);
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_LE(space->free_bytes, space->total_bytes);
  EXPECT_EQ(GetDiskSpace(Path("none")).error().code, ErrorCode::kNotFound);
}

TEST_F(FilesTest, SyncsFoldersOnly) {
  EXPECT_TRUE(SyncFolder(folder_.path()));
  Write("plain", "");
  EXPECT_FALSE(SyncFolder(Path("plain")));
}

TEST(TempFolderTest, IsPrivateAndGoesWithItsObject) {
  fs::path path;
  {
    const TempFolder folder("prefix");
    path = folder.path();
    EXPECT_TRUE(path.filename().string().starts_with("prefix-"));
    struct stat info {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700U);
    ASSERT_TRUE(WriteFileAtomic(path / "file", "x"));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(IsSafeRelativePathTest, StaysBelowItsFolder) {
  for (const std::string_view path :
       {"a", "a/b.txt", "..a/b..", "a/...", ".hidden", "a b", "a\\b", "caf\xC3\xA9", "caf\xE9"}) {
    EXPECT_TRUE(IsSafeRelativePath(path)) << path;
  }
  const std::string_view unsafe[] = {"",
                                     "/",
                                     "/a",
                                     "a/",
                                     "a//b",
                                     ".",
                                     "..",
                                     "../a",
                                     "a/..",
                                     "a/.",
                                     "./a",
                                     "a/../b",
                                     "a\nb",
                                     "a\x7F",
                                     "\x1b",
                                     "a/\t",
                                     std::string_view("a\0b", 3)};
  for (const std::string_view path : unsafe) EXPECT_FALSE(IsSafeRelativePath(path)) << path;
}

TEST(CopyFileTest, AStoppedCopyLeavesNothing) {
  TempFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder.path() / "a", "content"));
  ASSERT_TRUE(WriteFileAtomic(folder.path() / "b", "before"));
  int asked = 0;
  const Status copied = CopyFile(folder.path() / "a", folder.path() / "b", {}, [&] {
    ++asked;
    return true;
  });
  if (asked == 0) GTEST_SKIP() << "this file system copies by reference, at once";
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(ReadFile(folder.path() / "b").value(), "before");
  EXPECT_EQ(ListTree(folder.path())->size(), 2U);
}

}  // namespace
}  // namespace roost
