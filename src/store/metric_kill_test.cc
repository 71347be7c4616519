#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "store/metric_test_fixture.h"

namespace roost::store {
namespace {

// What the child logs: batches of rising values, small ones that become tail and large ones that
// become chunks, while another thread seals. Each batch's count goes to the pipe when it is
// durable. Never returns.
[[noreturn]] void LogUntilKilled(const fs::path& file, RunKey run, std::size_t from, int pipe,
                                 std::uint_fast32_t seed) {
  auto database = Database::Open(file, SystemClock(), 2);
  if (!database) _exit(1);
  Metrics metrics(**database);
  std::thread sealer([&] {
    while (metrics.SealSome()) {
    }
    _exit(1);
  });
  std::mt19937 dice(seed);
  std::atomic<int> under_way = 0;
  while (true) {
    const std::size_t count = dice() % 8 == 0 ? 512 + dice() % 5000 : 1 + dice() % 500;
    spec::MetricSeries series{"loss", {}};
    for (std::size_t i = 0; i < count; ++i, ++from) {
      series.points.push_back({spec::kNextStep, 1, static_cast<double>(from)});
    }
    ++under_way;
    spec::MetricBatch batch;
    batch.series.push_back(std::move(series));
    metrics.Append(run, std::move(batch), [&, from](const Status& status) {
      if (!status || write(pipe, &from, sizeof from) != sizeof from) _exit(1);
      --under_way;
    });
    while (under_way > 4) std::this_thread::yield();
  }
}

class MetricKillTest : public MetricFixture {
 protected:
  // Lets a child log on from `from` until `batches` were acknowledged, however slow the machine,
  // and kills it `after` that; what was acknowledged last.
  std::size_t KillWhileLogging(RunKey run, std::size_t from, std::uint_fast32_t seed,
                               unsigned batches, std::chrono::microseconds after) {
    metrics.reset();
    database.reset();  // no thread of ours may be there when the process forks
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      LogUntilKilled(folder.path() / "store.db", run, from, ends[1], seed);
    }
    close(ends[1]);
    std::size_t acknowledged = from;
    for (unsigned i = 0; i < batches; ++i) {
      const ssize_t got = read(ends[0], &acknowledged, sizeof acknowledged);
      EXPECT_EQ(got, static_cast<ssize_t>(sizeof acknowledged)) << "the child did not go on";
    }
    std::this_thread::sleep_for(after);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    std::size_t value = 0;
    while (read(ends[0], &value, sizeof value) == sizeof value) acknowledged = value;
    close(ends[0]);
    Open();
    return acknowledged;
  }
};

// Tail plus chunks is the history: no point is lost, doubled or out of its place.
TEST_F(MetricKillTest, NoAcknowledgedPointIsLostOrDoubled) {
  const RunKey run = AddRun("a");
  std::mt19937 dice(20'261'121);
  std::size_t logged = 0;
  for (int round = 0; round < 25; ++round) {
    const std::size_t acknowledged = KillWhileLogging(run, logged, dice(), 1 + dice() % 16,
                                                      std::chrono::microseconds(dice() % 40'000));
    const std::vector<double> values = Values(run, "loss");  // checks the seqs
    ASSERT_GE(values.size(), acknowledged);
    for (std::size_t i = logged; i < values.size(); ++i) {
      ASSERT_EQ(values[i], static_cast<double>(i)) << "round " << round;
    }
    logged = values.size();
    const MetricSummary summary = SummaryOf(run, "loss");
    ASSERT_EQ(summary.count, static_cast<std::int64_t>(logged));
    ASSERT_EQ(summary.last.value, static_cast<double>(logged - 1));
    ASSERT_EQ(Number("SELECT tail FROM metric_summary"),
              Number("SELECT count(*) FROM metric_tail"));
  }
  // What the kills left over is sealed like anything else.
  ASSERT_TRUE(metrics->SealSome());
  EXPECT_EQ(Values(run, "loss").size(), logged);
  EXPECT_LT(Number("SELECT count(*) FROM metric_tail"), 4096);
  EXPECT_GT(Number("SELECT count(*) FROM metric_chunks"), 0);
}

}  // namespace
}  // namespace roost::store
