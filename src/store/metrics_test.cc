#include "store/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <limits>

#include "store/metric_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using MetricsTest = MetricFixture;

TEST_F(MetricsTest, PointsComeBackInTheOrderOfArrival) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("loss", {3, 2}, 10)));
  ASSERT_TRUE(Log(run, Points("loss", {9}, 5)));  // an earlier step arrives late
  const auto points = History(run, "loss");
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0].step, 10);
  EXPECT_EQ(points[0].time, 1010);
  EXPECT_EQ(points[2].step, 5);
  EXPECT_EQ(points[2].value, 9);
  EXPECT_THAT(Values(run, "loss"), ElementsAre(3, 2, 9));
  EXPECT_THAT(History(run, "lost"), IsEmpty());
}

TEST_F(MetricsTest, StepAndTimeThatWereNotGivenAreFilledIn) {
  const RunKey run = AddRun("a");
  spec::MetricBatch batch;
  batch.series.push_back({"loss", {{spec::kNextStep, 0, 1.0}, {spec::kNextStep, 0, 2.0}}});
  ASSERT_TRUE(Log(run, batch));
  ASSERT_TRUE(Log(run, batch));
  const auto points = History(run, "loss");
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points[0].step, 0);
  EXPECT_EQ(points[3].step, 3);
  EXPECT_EQ(points[3].time, clock.Now());
}

TEST_F(MetricsTest, SummaryFollowsTheGreatestStepTimeAndValue) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("loss", {5, 1, 4}, 10)));
  ASSERT_TRUE(Log(run, Points("loss", {0.5}, 3)));
  MetricSummary summary = SummaryOf(run, "loss");
  EXPECT_EQ(summary.count, 4);
  EXPECT_EQ(summary.last.value, 4);
  EXPECT_EQ(summary.last.step, 12);
  EXPECT_EQ(summary.last.seq, 3);
  EXPECT_EQ(summary.min, 0.5);
  EXPECT_EQ(summary.max, 5);

  ASSERT_TRUE(Log(run, Points("loss", {kNan}, 12)));  // the same step and time: below any number
  EXPECT_EQ(SummaryOf(run, "loss").last.value, 4);
  ASSERT_TRUE(Log(run, Points("loss", {kNan}, 13)));
  EXPECT_TRUE(std::isnan(SummaryOf(run, "loss").last.value));
  ASSERT_TRUE(Log(run, Points("loss", {-kInfinity, kInfinity}, 14)));
  summary = SummaryOf(run, "loss");
  EXPECT_EQ(summary.last.value, kInfinity);
  EXPECT_EQ(summary.min, -kInfinity);
  EXPECT_EQ(summary.max, kInfinity);
}

TEST_F(MetricsTest, MinAndMaxAreUnsetWhenAllIsNan) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("loss", {kNan, kNan})));
  const MetricSummary summary = SummaryOf(run, "loss");
  EXPECT_EQ(summary.count, 2);
  EXPECT_TRUE(std::isnan(summary.last.value));
  EXPECT_FALSE(summary.min);
  EXPECT_FALSE(summary.max);
}

TEST_F(MetricsTest, NanAndInfinitySurviveInTailAndChunk) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("tail", {kNan, kInfinity, -kInfinity, 1})));
  std::vector<double> many = Wave(600);
  many[7] = kNan;
  many[8] = kInfinity;
  ASSERT_TRUE(Log(run, Points("chunk", many)));
  const auto tail = Values(run, "tail");
  EXPECT_TRUE(std::isnan(tail[0]));
  EXPECT_EQ(tail[1], kInfinity);
  EXPECT_EQ(tail[2], -kInfinity);
  const auto chunk = Values(run, "chunk");
  EXPECT_TRUE(std::isnan(chunk[7]));
  EXPECT_EQ(chunk[8], kInfinity);
}

TEST_F(MetricsTest, LargeBatchesBecomeChunksAndTakeTheTailWithThem) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("loss", Wave(100))));
  ASSERT_TRUE(Log(run, Points("loss", Wave(10'000, 100), 100)));
  ASSERT_TRUE(Log(run, Points("loss", Wave(511, 10'100), 10'100)));
  EXPECT_EQ(Number("SELECT count(*) FROM metric_tail"), 511);
  EXPECT_EQ(Number("SELECT count(*) FROM metric_chunks"), 3);
  EXPECT_EQ(Values(run, "loss"), Wave(10'611));
  EXPECT_EQ(SummaryOf(run, "loss").count, 10'611);
}

TEST_F(MetricsTest, HistoryPagesOverChunksAndTail) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("loss", Wave(5000))));
  ASSERT_TRUE(Log(run, Points("loss", Wave(1200, 5000), 5000)));
  ASSERT_TRUE(Log(run, Points("loss", Wave(300, 6200), 6200)));
  for (const std::size_t limit : {1000U, 2500U, 4096U, 6499U, 6500U, 9000U}) {
    std::vector<double> values;
    std::int64_t seq = 0;
    while (true) {
      const auto page = History(run, "loss", seq, limit);
      if (page.empty()) break;
      ASSERT_LE(page.size(), limit);
      for (const StoredPoint& point : page) {
        ASSERT_EQ(point.seq, ++seq);
        values.push_back(point.value);
      }
    }
    EXPECT_EQ(values, Wave(6500)) << limit;
  }
  EXPECT_THAT(History(run, "loss", 6500), IsEmpty());
}

TEST_F(MetricsTest, SealingKeepsTheHistory) {
  const RunKey run = AddRun("a");
  for (std::size_t i = 0; i < 9000; i += 500) {
    ASSERT_TRUE(Log(run, Points("loss", Wave(500, i), static_cast<std::int64_t>(i))));
  }
  ASSERT_TRUE(Log(run, Points("short", Wave(400))));
  ASSERT_EQ(Number("SELECT count(*) FROM metric_chunks"), 0);
  const MetricSummary before = SummaryOf(run, "loss");
  ASSERT_TRUE(metrics->SealSome());
  EXPECT_EQ(Number("SELECT count(*) FROM metric_chunks"), 2);
  EXPECT_EQ(Number("SELECT count(*) FROM metric_tail"), 9000 - 2 * 4096 + 400);
  EXPECT_EQ(Values(run, "loss"), Wave(9000));
  EXPECT_EQ(SummaryOf(run, "loss").last.seq, before.last.seq);

  ASSERT_TRUE(metrics->SealSome());  // nothing left to do
  EXPECT_EQ(Number("SELECT count(*) FROM metric_chunks"), 2);
  Open();  // and the counts were kept, not only remembered
  ASSERT_TRUE(Log(run, Points("loss", Wave(3500, 9000), 9000)));
  EXPECT_EQ(Values(run, "loss"), Wave(12'500));
}

TEST_F(MetricsTest, ARetriedBatchIsTakenInOnce) {
  const RunKey run = AddRun("a");
  spec::MetricBatch batch = Points("loss", {1, 2});
  batch.writer = "w";
  batch.number = 5;
  ASSERT_TRUE(Log(run, batch));
  ASSERT_TRUE(Log(run, batch));
  batch.number = 4;
  ASSERT_TRUE(Log(run, batch));
  EXPECT_EQ(History(run, "loss").size(), 2U);
  EXPECT_EQ(metrics->LastBatch(run, "w"), 5);
  EXPECT_EQ(metrics->LastBatch(run, "other"), 0);

  Open();
  batch.number = 5;
  ASSERT_TRUE(Log(run, batch));
  EXPECT_EQ(History(run, "loss").size(), 2U);
  batch.number = 6;
  ASSERT_TRUE(Log(run, batch));
  EXPECT_EQ(History(run, "loss").size(), 4U);
  batch.writer = "other";
  batch.number = 1;
  ASSERT_TRUE(Log(run, batch));
  EXPECT_EQ(History(run, "loss").size(), 6U);
}

TEST_F(MetricsTest, UnknownAndDeletedRunsTakeNothing) {
  const Status unknown = Log(RunKey(77), Points("loss", {1}));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);

  const RunKey run = AddRun("gone");
  ASSERT_TRUE(Log(run, Points("loss", {1})));
  MarkDeleted(run);
  const Status deleted = Log(run, Points("loss", {2}));
  ASSERT_FALSE(deleted);
  EXPECT_EQ(deleted.error().code, ErrorCode::kConflict);
  EXPECT_THAT(deleted.error().message, HasSubstr("gone"));
  EXPECT_EQ(History(run, "loss").size(), 1U);
}

TEST_F(MetricsTest, ANameKeepsToOneType) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("x", {1})));
  const Status mixed = Log(run, Entry("x", spec::MetricType::kTable, R"({"a":[1]})"));
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code, ErrorCode::kConflict);
  EXPECT_THAT(mixed.error().message, HasSubstr("scalar"));
  EXPECT_THAT(mixed.error().message, HasSubstr("table"));

  ASSERT_TRUE(Log(run, Entry("rows", spec::MetricType::kRow, R"({"a":1})")));
  EXPECT_TRUE(Log(run, Entry("rows", spec::MetricType::kTable, R"({"a":[1,2]})")));
  EXPECT_FALSE(Log(run, Entry("rows", spec::MetricType::kList, "[1]")));
  EXPECT_FALSE(Log(run, Points("rows", {1})));
  const RunKey other = AddRun("b");
  EXPECT_TRUE(Log(other, Entry("x", spec::MetricType::kList, "[1]")));
}

TEST_F(MetricsTest, ABatchThatFailsLeavesNothingBehind) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("loss", {1})));
  ASSERT_TRUE(Log(run, Entry("text", spec::MetricType::kText, R"("hello")")));
  // All of these go into one group or several, as it happens; each is judged by itself.
  spec::MetricBatch bad = Points("loss", {7, 8, 9});
  bad.series.push_back({"fresh", {{0, 0, 1.0}}});
  bad.series.push_back({"text", {{0, 0, 1.0}}});
  bad.writer = "w";
  bad.number = 1;
  std::vector<std::future<bool>> outcomes;
  for (int i = 0; i < 40; ++i) {
    auto promise = std::make_shared<std::promise<bool>>();
    outcomes.push_back(promise->get_future());
    metrics->Append(run, i % 2 == 0 ? Points("loss", {1}) : bad,
                    [promise](const Status& status) { promise->set_value(status.has_value()); });
  }
  for (std::size_t i = 0; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i].get(), i % 2 == 0);

  EXPECT_EQ(Values(run, "loss"), std::vector<double>(21, 1.0));
  EXPECT_EQ(SummaryOf(run, "loss").count, 21);
  EXPECT_EQ(SummaryOf(run, "loss").max, 1);
  EXPECT_EQ(metrics->LastBatch(run, "w"), 0);
  EXPECT_EQ(Number("SELECT count(*) FROM metric_summary"), 2);
  ASSERT_TRUE(Log(run, Points("fresh", {4})));
  EXPECT_THAT(Values(run, "fresh"), ElementsAre(4));
}

// What the cache of states believes after a commit that failed must be what the tables say.
TEST_F(MetricsTest, AFailedCommitIsForgotten) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("loss", {1, 2})));
  // A deferred foreign key that is broken makes COMMIT itself fail.
  auto break_commit = [](WriteContext& context) -> Status {
    ROOST_TRY(context.db.Execute("PRAGMA defer_foreign_keys = ON"));
    return context.db.Execute("INSERT INTO run_params(run, key, value) VALUES(424242, 'k', 'v')");
  };
  std::promise<void> hold;
  std::shared_future<void> released = hold.get_future().share();
  std::promise<Status> broken;
  std::promise<Status> logged;
  // The first write keeps the group open until the others wait, so that they share its commit.
  database->Submit(Lane::kLogging,
                   [released](WriteContext&) -> Status {
                     released.wait();
                     return {};
                   },
                   {});
  database->Submit(Lane::kLogging, break_commit, [&](Status status) { broken.set_value(status); });
  spec::MetricBatch batch = Points("loss", {3}, 2);
  batch.series.push_back({"fresh", {{0, 0, 1.0}}});
  batch.writer = "w";
  batch.number = 1;
  metrics->Append(run, batch, [&](Status status) { logged.set_value(status); });
  hold.set_value();
  const bool broke = !broken.get_future().get();
  const bool failed = !logged.get_future().get();
  EXPECT_TRUE(broke);
  // Whether or not they came into one group, each answer is true.
  const std::size_t expected = failed ? 2 : 3;
  EXPECT_EQ(History(run, "loss").size(), expected);
  ASSERT_TRUE(Log(run, batch));
  EXPECT_THAT(Values(run, "loss"), ElementsAre(1, 2, 3));
  EXPECT_THAT(Values(run, "fresh"), ElementsAre(1));
  EXPECT_EQ(SummaryOf(run, "loss").count, 3);
}

TEST_F(MetricsTest, EntriesKeepTheirOrderOverAllNames) {
  const RunKey run = AddRun("a");
  spec::MetricBatch batch;
  batch.entries = {
      {"note", spec::MetricType::kText, R"("one")", 3, 1000, "first"},
      {"table", spec::MetricType::kTable, R"({"a":[1,2]})", {}, 0, ""},
      {"note", spec::MetricType::kText, R"("two")", {}, 1002, ""},
  };
  ASSERT_TRUE(Log(run, batch));
  ASSERT_TRUE(Log(run, Entry("list", spec::MetricType::kList, "[1]")));

  const auto all = metrics->Entries(run, "", 0, 100);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 4U);
  EXPECT_EQ((*all)[0].entry, batch.entries[0]);
  EXPECT_EQ((*all)[1].entry.time, clock.Now());
  EXPECT_EQ((*all)[1].entry.step, std::nullopt);
  EXPECT_EQ((*all)[3].seq, 4);
  EXPECT_EQ((*all)[3].entry.name, "list");

  const auto notes = metrics->Entries(run, "note", 1, 100);
  ASSERT_TRUE(notes);
  ASSERT_EQ(notes->size(), 1U);
  EXPECT_EQ((*notes)[0].entry.value, R"("two")");
  EXPECT_EQ(metrics->Entries(run, "", 2, 1)->at(0).seq, 3);
  EXPECT_THAT(*metrics->Entries(run, "nothing", 0, 10), IsEmpty());
  EXPECT_EQ(SummaryOf(run, "note").count, 2);
  EXPECT_EQ(SummaryOf(run, "note").type, spec::MetricType::kText);
}

TEST_F(MetricsTest, SummariesOfSeveralRunsAreScalarsInTheAskedOrder) {
  const RunKey a = AddRun("a");
  const RunKey b = AddRun("b");
  const RunKey empty = AddRun("empty");
  ASSERT_TRUE(Log(a, Points("loss", {1})));
  ASSERT_TRUE(Log(a, Points("acc", {kNan})));
  ASSERT_TRUE(Log(a, Entry("text", spec::MetricType::kText, R"("x")")));
  ASSERT_TRUE(Log(b, Points("loss", {2})));
  const auto all = metrics->Summaries(std::vector<RunKey>{b, empty, a});
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3U);
  ASSERT_EQ((*all)[0].size(), 1U);
  EXPECT_EQ((*all)[0][0].last.value, 2);
  EXPECT_THAT((*all)[1], IsEmpty());
  ASSERT_EQ((*all)[2].size(), 2U);
  EXPECT_EQ((*all)[2][0].name, "acc");
  EXPECT_TRUE(std::isnan((*all)[2][0].last.value));
}

TEST_F(MetricsTest, ListenersHearOfEachRunOnce) {
  const RunKey run = AddRun("a");
  std::promise<std::vector<RunKey>> heard;
  database->SetCommitListener(
      [&](const CommitNotice& notice) { heard.set_value(notice.runs_with_metrics); });
  spec::MetricBatch batch = Points("loss", {1});
  batch.series.push_back({"acc", {{0, 0, 1.0}}});
  ASSERT_TRUE(Log(run, batch));
  EXPECT_THAT(heard.get_future().get(), ElementsAre(run));
  database->SetCommitListener({});
}

TEST_F(MetricsTest, RemoveDeletesInSteps) {
  const RunKey run = AddRun("a");
  const RunKey other = AddRun("b");
  ASSERT_TRUE(Log(run, Points("loss", Wave(2000))));
  ASSERT_TRUE(Log(run, Points("loss", Wave(250))));
  ASSERT_TRUE(Log(run, Entry("text", spec::MetricType::kText, R"("x")")));
  ASSERT_TRUE(Log(other, Points("loss", {1, 2})));
  MarkDeleted(run);
  int steps = 0;
  for (bool done = false; !done; ++steps) {
    auto removed = database->Write<bool>(
        Lane::kBulk, [&](WriteContext& context) { return metrics->Remove(context, run, 100); });
    ASSERT_TRUE(removed);
    done = *removed;
  }
  EXPECT_GT(steps, 2);
  for (const char* table : {"metric_summary", "metric_chunks", "metric_tail", "metric_entries"}) {
    EXPECT_EQ(Number(std::string("SELECT count(*) FROM ") + table +
                     " WHERE run = " + std::to_string(run.value())),
              0)
        << table;
  }
  EXPECT_THAT(Values(other, "loss"), ElementsAre(1, 2));
}

}  // namespace
}  // namespace roost::store
