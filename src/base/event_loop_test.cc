#include "base/event_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "base/files.h"

namespace roost {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class EventLoopTest : public testing::Test {
 protected:
  std::function<void()> Note(std::string what) {
    return [this, what] { seen_.push_back(what); };
  }
  void RunUntilSeen(std::size_t count) {
    const EventLoop::TimerId too_late = loop_.After(milliseconds(100'000), [this] {
      seen_.push_back("too late");
      loop_.Stop();
    });
    std::function<void()> look = [&] { seen_.size() >= count ? loop_.Stop() : loop_.Post(look); };
    loop_.Post(look);
    loop_.Run();
    loop_.CancelTimer(too_late);
  }

  EventLoop loop_;
  std::vector<std::string> seen_;
};

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
  }
  void Write(char c) const { EXPECT_EQ(write(writer.get(), &c, 1), 1); }
  std::optional<char> Read() const {
    char c = 0;
    if (read(reader.get(), &c, 1) != 1) return std::nullopt;
    return c;
  }
  Fd reader;
  Fd writer;
};

TEST_F(EventLoopTest, RunsPostedWorkInOrder) {
  loop_.Post(Note("a"));
  loop_.Post(Note("b"));
  loop_.Post(Note("c"));
  EXPECT_TRUE(loop_.RunReady());
  EXPECT_THAT(seen_, ElementsAre("a", "b", "c"));
  EXPECT_FALSE(loop_.RunReady());
}

TEST_F(EventLoopTest, WorkThatPostsWorkTakesTurnsWithTheRest) {
  const Pipe pipe;
  pipe.Write('x');
  loop_.Watch(pipe.reader.get(), Note("readable"));
  std::function<void()> again = [&] {
    seen_.push_back("again");
    loop_.Post(again);
  };
  loop_.Post(again);
  loop_.RunReady();
  loop_.RunReady();
  EXPECT_THAT(seen_, ElementsAre("again", "readable", "again", "readable"));
}

TEST_F(EventLoopTest, StopEndsRunAfterWhatWasPostedBefore) {
  loop_.Post(Note("before"));
  loop_.Stop();
  loop_.Post(Note("after"));
  loop_.Run();
  EXPECT_THAT(seen_, ElementsAre("before"));

  loop_.Post(Note("later"));
  loop_.Stop();
  loop_.Run();
  EXPECT_THAT(seen_, ElementsAre("before", "after", "later"));
}

TEST_F(EventLoopTest, TakesWorkFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5'000;
  int total = 0;  // the loop's thread only
  std::atomic<bool> in_order = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, last = std::make_shared<int>(-1)] {
      for (int i = 0; i < kPosts; ++i) {
        loop_.Post([&, last, i] {
          if (*last + 1 != i) in_order = false;
          *last = i;
          if (++total == kThreads * kPosts) loop_.Stop();
        });
      }
    });
  }
  loop_.Run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total, kThreads * kPosts);
  EXPECT_TRUE(in_order);
}

TEST_F(EventLoopTest, APostWakesALoopThatSleeps) {
  std::thread runner([this] { loop_.Run(); });
  std::atomic<bool> ran = false;
  loop_.Post([&] { ran = true; });
  while (!ran) std::this_thread::yield();
  loop_.Stop();
  runner.join();
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, RunsTimersInTheOrderOfTheirDeadlines) {
  loop_.After(milliseconds(15), Note("third"));
  loop_.After(milliseconds(1), Note("first"));
  loop_.After(milliseconds(8), Note("second"));
  RunUntilSeen(3);
  EXPECT_THAT(seen_, ElementsAre("first", "second", "third"));
}

TEST_F(EventLoopTest, TimersDueTogetherRunInTheOrderOfTheirMaking) {
  for (const char* name : {"a", "b", "c"}) loop_.After(milliseconds(0), Note(name));
  EXPECT_TRUE(loop_.RunReady());
  EXPECT_THAT(seen_, ElementsAre("a", "b", "c"));
}

TEST_F(EventLoopTest, ATimerIsNotEarly) {
  const auto start = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point ran;
  loop_.After(milliseconds(20), [&] {
    ran = std::chrono::steady_clock::now();
    loop_.Stop();
  });
  loop_.Run();
  EXPECT_GE(ran - start, milliseconds(20));
}

TEST_F(EventLoopTest, ATimerThatIsNotDueWaits) {
  loop_.After(hours(1), Note("never"));
  EXPECT_FALSE(loop_.RunReady());
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(EventLoopTest, ACanceledTimerDoesNotRun) {
  const EventLoop::TimerId id = loop_.After(milliseconds(0), Note("canceled"));
  loop_.After(milliseconds(0), Note("kept"));
  loop_.CancelTimer(id);
  loop_.CancelTimer(id);
  loop_.RunReady();
  EXPECT_THAT(seen_, ElementsAre("kept"));
}

TEST_F(EventLoopTest, ATimerMayCancelOneThatIsDueWithIt) {
  EventLoop::TimerId second = 0;
  loop_.After(milliseconds(0), [&] {
    seen_.push_back("first");
    loop_.CancelTimer(second);
  });
  second = loop_.After(milliseconds(0), Note("second"));
  loop_.RunReady();
  EXPECT_THAT(seen_, ElementsAre("first"));
}

TEST_F(EventLoopTest, ATimerMayStartItselfAnew) {
  std::function<void()> tick = [&] {
    seen_.push_back("tick");
    loop_.After(milliseconds(0), tick);
  };
  loop_.After(milliseconds(0), tick);
  loop_.RunReady();
  EXPECT_THAT(seen_, ElementsAre("tick"));
  loop_.RunReady();
  EXPECT_THAT(seen_, ElementsAre("tick", "tick"));
}

TEST_F(EventLoopTest, ManyCanceledTimersLeaveTheOthersAsTheyWere) {
  loop_.After(milliseconds(0), Note("a"));
  for (int i = 0; i < 10'000; ++i) loop_.CancelTimer(loop_.After(hours(1), Note("canceled")));
  loop_.After(milliseconds(0), Note("b"));
  loop_.RunReady();
  EXPECT_THAT(seen_, ElementsAre("a", "b"));
}

TEST_F(EventLoopTest, CallsAsLongAsADescriptorIsReadable) {
  const Pipe pipe;
  loop_.Watch(pipe.reader.get(), [&] {
    seen_.push_back("readable");
    if (seen_.size() == 2) pipe.Read();
  });
  EXPECT_FALSE(loop_.RunReady());
  pipe.Write('x');
  EXPECT_TRUE(loop_.RunReady());
  EXPECT_TRUE(loop_.RunReady());
  EXPECT_FALSE(loop_.RunReady());
  EXPECT_THAT(seen_, ElementsAre("readable", "readable"));
}

TEST_F(EventLoopTest, ADescriptorWakesALoopThatSleeps) {
  const Pipe pipe;
  loop_.Watch(pipe.reader.get(), [&] {
    seen_.push_back(std::string(1, pipe.Read().value_or('?')));
    loop_.Stop();
  });
  std::thread runner([this] { loop_.Run(); });
  pipe.Write('x');
  runner.join();
  EXPECT_THAT(seen_, ElementsAre("x"));
}

TEST_F(EventLoopTest, AClosedWriterCountsAsReadable) {
  Pipe pipe;
  loop_.Watch(pipe.reader.get(), Note("end"));
  pipe.writer = Fd();
  EXPECT_TRUE(loop_.RunReady());
  EXPECT_THAT(seen_, ElementsAre("end"));
}

TEST_F(EventLoopTest, AWatchMayEndItself) {
  const Pipe pipe;
  pipe.Write('x');
  // A capture that the call needs after Unwatch shows whether the function outlives its watch.
  loop_.Watch(pipe.reader.get(), [this, fd = pipe.reader.get(), text = std::string(100, 'x')] {
    loop_.Unwatch(fd);
    seen_.push_back(text);
  });
  EXPECT_TRUE(loop_.RunReady());
  EXPECT_FALSE(loop_.RunReady());
  EXPECT_THAT(seen_, ElementsAre(std::string(100, 'x')));
}

TEST_F(EventLoopTest, AWatchMayEndAnotherThatIsReadyWithIt) {
  const Pipe one;
  const Pipe two;
  one.Write('x');
  two.Write('x');
  const auto end_both = [&] {
    seen_.push_back("ready");
    loop_.Unwatch(one.reader.get());
    loop_.Unwatch(two.reader.get());
  };
  loop_.Watch(one.reader.get(), end_both);
  loop_.Watch(two.reader.get(), end_both);
  loop_.RunReady();
  EXPECT_THAT(seen_, ElementsAre("ready"));
}

TEST_F(EventLoopTest, ANewDescriptorWithAnOldNumberGetsNoOldEvents) {
  Pipe one;
  Pipe two;
  one.Write('x');
  two.Write('x');
  std::optional<Pipe> fresh;
  // Whoever comes first replaces the other's pipe by an empty one with the same number.
  const auto replace = [&](Pipe& other) {
    seen_.push_back("ready");
    const int number = other.reader.get();
    loop_.Unwatch(number);
    other.reader = Fd();
    fresh.emplace();
    ASSERT_EQ(dup2(fresh->reader.get(), number), number);
    other.reader = Fd(number);
    loop_.Watch(number, Note("stale"));
  };
  loop_.Watch(one.reader.get(), [&] { replace(two); });
  loop_.Watch(two.reader.get(), [&] { replace(one); });
  loop_.RunReady();
  EXPECT_THAT(seen_, ElementsAre("ready"));
}

TEST_F(EventLoopTest, WatchingAgainReplacesTheFunction) {
  const Pipe pipe;
  pipe.Write('x');
  loop_.Watch(pipe.reader.get(), Note("old"));
  loop_.Watch(pipe.reader.get(), Note("new"));
  loop_.RunReady();
  EXPECT_THAT(seen_, ElementsAre("new"));
}

TEST_F(EventLoopTest, UnwatchingWhatIsNotWatchedIsFine) {
  loop_.Unwatch(12345);
  Pipe pipe;
  loop_.Watch(pipe.reader.get(), Note("closed"));
  const int number = pipe.reader.get();
  pipe.reader = Fd();
  loop_.Unwatch(number);
  EXPECT_FALSE(loop_.RunReady());
}

}  // namespace
}  // namespace roost
