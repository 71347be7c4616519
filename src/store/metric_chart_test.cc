#include "store/metric_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "store/metric_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class MetricChartTest : public MetricFixture {
 protected:
  Chart ChartOf(RunKey run, std::size_t buckets, std::optional<std::int64_t> from = {},
                std::optional<std::int64_t> to = {}) {
    auto chart = metrics->Downsampled(run, "loss", buckets, from, to);
    EXPECT_TRUE(chart) << (chart ? "" : chart.error().message);
    return chart.value_or(Chart{});
  }

  static bool Has(const Chart& chart, std::int64_t seq) {
    return std::any_of(chart.points.begin(), chart.points.end(),
                       [&](const StoredPoint& point) { return point.seq == seq; });
  }

  static void ExpectRising(const Chart& chart) {
    for (std::size_t i = 1; i < chart.points.size(); ++i) {
      ASSERT_LT(chart.points[i - 1].seq, chart.points[i].seq);
    }
  }
};

TEST_F(MetricChartTest, FewPointsComeAsTheyAre) {
  const RunKey run = AddRun("a");
  EXPECT_THAT(ChartOf(run, 100).points, IsEmpty());
  ASSERT_TRUE(Log(run, Points("loss", {3, kNan, 1})));
  const Chart chart = ChartOf(run, 100);
  EXPECT_EQ(chart.total, 3);
  ASSERT_EQ(chart.points.size(), 3U);
  EXPECT_TRUE(std::isnan(chart.points[1].value));
  EXPECT_FALSE(metrics->Downsampled(run, "loss", 1, {}, {}));
}

// The same promises whatever level of the pyramid is read: a chart of more and more points a
// bucket, out of chunks of full and of small size and a tail.
TEST_F(MetricChartTest, KeepsEndsAndSpikesAtEveryZoom) {
  struct Case {
    std::size_t points;
    std::size_t batch;
  };
  for (const Case& c : {Case{3000, 100}, Case{20'000, 20'000}, Case{60'000, 1000},
                        Case{300'000, 50'000}, Case{60'123, 7777}}) {
    const RunKey run = AddRun(std::to_string(c.points) + "/" + std::to_string(c.batch));
    std::vector<double> values = Wave(c.points);
    const std::size_t up = c.points / 3 + 7;
    const std::size_t down = c.points / 2 + 11;
    const std::size_t nan = c.points * 2 / 3;
    const std::size_t infinite = c.points * 4 / 5;
    values[up] = 50;
    values[down] = -50;
    values[nan] = kNan;
    values[infinite] = kInfinity;
    for (std::size_t i = 0; i < values.size(); i += c.batch) {
      const auto end = std::min(i + c.batch, values.size());
      ASSERT_TRUE(Log(run, Points("loss",
                                  {values.begin() + static_cast<std::ptrdiff_t>(i),
                                   values.begin() + static_cast<std::ptrdiff_t>(end)},
                                  static_cast<std::int64_t>(i))));
    }
    for (const std::size_t buckets : {2U, 4U, 10U, 50U, 1000U}) {
      SCOPED_TRACE(std::to_string(c.points) + " points to " + std::to_string(buckets));
      const Chart chart = ChartOf(run, buckets);
      EXPECT_EQ(chart.total, static_cast<std::int64_t>(c.points));
      ASSERT_LE(chart.points.size(), std::max<std::size_t>(buckets, 4) + 2);
      ExpectRising(chart);
      EXPECT_EQ(chart.points.front().seq, 1);
      EXPECT_EQ(chart.points.back().seq, static_cast<std::int64_t>(c.points));
      EXPECT_TRUE(Has(chart, static_cast<std::int64_t>(up + 1)));
      EXPECT_TRUE(Has(chart, static_cast<std::int64_t>(down + 1)));
      EXPECT_TRUE(Has(chart, static_cast<std::int64_t>(nan + 1)));
      // Of a bucket that holds both, only the first is kept.
      EXPECT_TRUE(buckets < 10 || Has(chart, static_cast<std::int64_t>(infinite + 1)));
      for (const StoredPoint& point : chart.points) {
        ASSERT_EQ(point.step + 1, point.seq);
        ASSERT_EQ(point.time, 1000 + point.step);
      }
    }
  }
}

TEST_F(MetricChartTest, ShowsTheCurveEvenly) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("loss", Wave(200'000))));
  const Chart chart = ChartOf(run, 100);
  EXPECT_GT(chart.points.size(), 80U);
  std::int64_t widest = 0;
  for (std::size_t i = 1; i < chart.points.size(); ++i) {
    widest = std::max(widest, chart.points[i].seq - chart.points[i - 1].seq);
  }
  // A bucket has 4,082 points; two neighbours are at most two buckets apart.
  EXPECT_LT(widest, 2 * 4600);
}

TEST_F(MetricChartTest, TakesARangeOfSteps) {
  const RunKey run = AddRun("a");
  ASSERT_TRUE(Log(run, Points("loss", Wave(20'000))));
  ASSERT_TRUE(Log(run, Points("loss", Wave(400, 20'000), 20'000)));
  struct Case {
    std::optional<std::int64_t> from, to;
    std::int64_t total, first, last;
  };
  const Case cases[] = {
      {{}, {}, 20'400, 0, 20'399},
      {5'000, 15'000, 10'001, 5'000, 15'000},
      {20'100, {}, 300, 20'100, 20'399},
      {{}, 99, 100, 0, 99},
      {7'000, 7'000, 1, 7'000, 7'000},
      {30'000, {}, 0, 0, 0},
      {20, 10, 0, 0, 0},
  };
  for (const Case& c : cases) {
    for (const std::size_t buckets : {6U, 500U}) {
      const Chart chart = ChartOf(run, buckets, c.from, c.to);
      ASSERT_EQ(chart.total, c.total);
      ASSERT_EQ(chart.points.empty(), c.total == 0);
      if (c.total == 0) continue;
      EXPECT_EQ(chart.points.front().step, c.first);
      EXPECT_EQ(chart.points.back().step, c.last);
      ASSERT_LE(chart.points.size(), buckets);
    }
  }
}

TEST_F(MetricChartTest, StepsInAnyOrderAreFiltered) {
  const RunKey run = AddRun("a");
  // Three epochs that count their steps from 0 again.
  for (int epoch = 0; epoch < 3; ++epoch) ASSERT_TRUE(Log(run, Points("loss", Wave(6000))));
  const Chart chart = ChartOf(run, 5000, 1000, 1999);
  EXPECT_EQ(chart.total, 3000);
  ASSERT_EQ(chart.points.size(), 3000U);
  EXPECT_EQ(chart.points[1000].seq, 7001);
  EXPECT_EQ(chart.points[1000].step, 1000);
}

}  // namespace
}  // namespace roost::store
