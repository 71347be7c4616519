#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/subprocess.h"

namespace roost {
namespace {

// Another process that takes the lock and keeps it until it is killed.
class Holder {
 public:
  explicit Holder(const fs::path& lock) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      const Result<FileLock> held = FileLock::Acquire(lock);
      const char word = held ? 'y' : 'n';
      [[maybe_unused]] const ssize_t written = write(ends[1], &word, 1);
      while (true) pause();
    }
    close(ends[1]);
    char word = 0;
    EXPECT_EQ(read(ends[0], &word, 1), 1);
    close(ends[0]);
    has_it_ = word == 'y';
  }
  ~Holder() { Kill(); }
  bool has_it() const { return has_it_; }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  bool has_it_ = false;
};

class FileLockTest : public testing::Test {
 protected:
  bool IsHeld() { return FileLock::IsHeld(lock_).value(); }

  TempFolder folder_;
  fs::path lock_ = folder_.path() / "lock";
};

TEST_F(FileLockTest, NobodyHoldsAMissingFile) {
  EXPECT_FALSE(IsHeld());
  EXPECT_FALSE(fs::exists(lock_));
}

TEST_F(FileLockTest, IsHeldForTheLifeOfTheObject) {
  {
    const Result<FileLock> lock = FileLock::Acquire(lock_);
    ASSERT_TRUE(lock);
    EXPECT_TRUE(IsHeld());
    EXPECT_TRUE(IsHeld()) << "looking must not change it";
    EXPECT_EQ(FileLock::Acquire(lock_).error().code, ErrorCode::kUnavailable);
    EXPECT_TRUE(IsHeld()) << "a refused attempt must not let go of it";
  }
  EXPECT_FALSE(IsHeld());
  EXPECT_TRUE(FileLock::Acquire(lock_));
}

TEST_F(FileLockTest, MovesWithItsObject) {
  Result<FileLock> first = FileLock::Acquire(lock_);
  ASSERT_TRUE(first);
  const FileLock second = std::move(*first);
  EXPECT_TRUE(IsHeld());
}

TEST_F(FileLockTest, ADeadProcessHoldsNothing) {
  Holder holder(lock_);
  ASSERT_TRUE(holder.has_it());
  EXPECT_TRUE(IsHeld());
  const Result<FileLock> refused = FileLock::Acquire(lock_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(refused.error().message.find(lock_.string()), std::string::npos);

  holder.Kill();
  EXPECT_FALSE(IsHeld());
  EXPECT_TRUE(FileLock::Acquire(lock_));
}

TEST_F(FileLockTest, AnotherProcessSeesOurs) {
  const Result<FileLock> lock = FileLock::Acquire(lock_);
  ASSERT_TRUE(lock);
  EXPECT_FALSE(Holder(lock_).has_it());
  EXPECT_TRUE(IsHeld());
}

TEST_F(FileLockTest, AStartedProgramDoesNotKeepIt) {
  Result<Subprocess> child = Fail(ErrorCode::kInternal, "not started");
  {
    const Result<FileLock> lock = FileLock::Acquire(lock_);
    ASSERT_TRUE(lock);
    SubprocessOptions options;
    options.argv = {"/bin/sleep", "60"};
    child = Subprocess::Start(options);
    ASSERT_TRUE(child);
  }
  EXPECT_FALSE(IsHeld());
  ASSERT_TRUE(child->Signal(SIGKILL));
  EXPECT_TRUE(child->Wait());
}

TEST_F(FileLockTest, AFolderThatIsMissingIsAnError) {
  EXPECT_EQ(FileLock::Acquire(folder_.path() / "no" / "lock").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace roost
