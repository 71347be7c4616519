#include "store/run_log.h"

#include <random>
#include <set>

#include "store/metric_test_fixture.h"

namespace roost::store {
namespace {

using testing::HasSubstr;

// What clients of MLflow log: with what the series' memory knows and what only the tables know.
class RunLogTest : public MetricFixture {
 protected:
  Status Write(RunKey run, spec::MetricBatch batch, RunLog log = {}) {
    batch.drop_duplicates = true;
    std::promise<Status> done;
    metrics->Append(run, std::move(batch), std::move(log),
                    [&](Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  }
  static std::vector<StoredPoint> Kept(const Result<std::vector<StoredPoint>>& points) {
    EXPECT_TRUE(points);
    return points.value_or(std::vector<StoredPoint>());
  }
  Status WritePoints(RunKey run, std::vector<spec::MetricPoint> points) {
    spec::MetricBatch batch;
    batch.series.push_back({"loss", std::move(points)});
    return Write(run, std::move(batch));
  }
};

TEST_F(RunLogTest, ExactDuplicatesAreLeftOutWhereverThePointLies) {
  const RunKey run = AddRun("a");
  std::mt19937 dice(20'261'121);
  std::set<std::tuple<std::int64_t, Micros, double>> expected;
  for (int round = 0; round < 60; ++round) {
    std::vector<spec::MetricPoint> points;
    for (int i = 0; i < 200; ++i) {
      const std::int64_t step = round * 100 + static_cast<std::int64_t>(dice() % 300);
      points.push_back(
          {step, 1 + static_cast<Micros>(dice() % 2), static_cast<double>(dice() % 2)});
      expected.emplace(step, points.back().time, points.back().value);
    }
    ASSERT_TRUE(WritePoints(run, std::move(points)));
    if (round % 20 == 7) {
      ASSERT_TRUE(metrics->SealSome());
    }
    if (round % 20 == 13) Open();  // the memory is gone, the tables know
  }
  const auto kept = Kept(metrics->History(run, "loss", 0, 1'000'000));
  std::set<std::tuple<std::int64_t, Micros, double>> found;
  for (const StoredPoint& point : kept) found.emplace(point.step, point.time, point.value);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(kept.size(), expected.size());
}

TEST_F(RunLogTest, StepsAreAsGivenAlsoTheOneThatMeansNoneElsewhere) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(WritePoints(run, {{spec::kNextStep, 1, 5}, {-1, 1, 6}}));
  const auto kept = Kept(metrics->History(run, "loss", 0, 10));
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].step, spec::kNextStep);
  EXPECT_EQ(kept[1].step, -1);
}

TEST_F(RunLogTest, ARefusedParameterTakesTheWholeWriteWithIt) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Write(run, {}, {.params = {{"lr", "1"}}, .tags = {{"team", "x"}}}));
  ASSERT_TRUE(Write(run, {}, {.params = {{"lr", "1"}}}));  // the same again
  spec::MetricBatch batch;
  batch.series.push_back({"loss", {{1, 1, 1}}});
  const Status refused = Write(run, batch, {.params = {{"new", "1"}, {"lr", "2"}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("'old_value': '1', 'new_value': '2'"));
  EXPECT_EQ(Number("SELECT count(*) FROM run_params"), 1);
  EXPECT_TRUE(Kept(metrics->History(run, "loss", 0, 10)).empty());
}

TEST_F(RunLogTest, AParentThatIsNoRunStaysATag) {
  const RunKey parent = AddRun("parent");
  const RunKey child = AddRun("child");
  RunLog log;
  log.parent_tag = "mlflow.parentRunId";
  log.parent_id = "nobody";
  ASSERT_TRUE(Write(child, {}, log));
  EXPECT_EQ(Number("SELECT count(*) FROM run_tags WHERE value = 'nobody'"), 1);
  log.parent_id = "parent";
  ASSERT_TRUE(Write(child, {}, log));
  EXPECT_EQ(Number("SELECT count(*) FROM runs WHERE parent_id = 'parent'"), 1);
  log.parent_id = "parent";  // never its own
  ASSERT_TRUE(Write(parent, {}, log));
  EXPECT_EQ(Number("SELECT count(*) FROM runs WHERE parent_id = 'parent'"), 1);
}

}  // namespace
}  // namespace roost::store
