#include <gtest/gtest.h>

#include <cmath>

#include "engine/report.h"

namespace roost::engine {
namespace {

TEST(ReportLine, HoldsPointsSeriesAndEntries) {
  const auto batch = ParseReportLine(
      R"({"writer": "w", "batch": 17,
          "points": [{"name": "loss", "value": 0.5, "step": 4, "time": "2026-11-21T07:35:28Z"},
                     {"name": "loss", "value": "NaN"}],
          "series": [{"name": "lr", "value": [0.1, "-Infinity"], "step": [0, 1], "time": [5, 6]}],
          "entries": [{"name": "row", "type": "row", "value": {"x": 1}, "step": 2}]})",
      99);
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ(batch->writer, "w");
  EXPECT_EQ(batch->number, 17);
  ASSERT_EQ(batch->series.size(), 2U);
  const auto& loss = batch->series[0].points;
  ASSERT_EQ(loss.size(), 2U);
  EXPECT_EQ(loss[0].step, 4);
  EXPECT_EQ(loss[0].time, *ParseTime("2026-11-21T07:35:28Z"));
  EXPECT_EQ(loss[1].step, spec::kNextStep);
  EXPECT_EQ(loss[1].time, 99);
  EXPECT_TRUE(std::isnan(loss[1].value));
  const auto& lr = batch->series[1].points;
  ASSERT_EQ(lr.size(), 2U);
  EXPECT_EQ(lr[1], (spec::MetricPoint{1, 6, -INFINITY}));
  ASSERT_EQ(batch->entries.size(), 1U);
  EXPECT_EQ(batch->entries[0].step, 2);
  EXPECT_EQ(batch->entries[0].value, R"({"x":1})");
}

TEST(ReportLine, IsRefusedWhenItIsNoBatch) {
  for (
      const char* line : {
          "",
          "{",
          "[]",
          "nonsense",
          R"({"batch": 1})",
          R"({"writer": "w"})",
          R"({"writer": "", "batch": 1})",
          R"({"writer": "w", "batch": 0})",
          R"({"writer": "w", "batch": 1, "points": 3})",
          R"({"writer": "w", "batch": 1, "points": [{"value": 1}]})",
          R"({"writer": "w", "batch": 1, "points": [{"name": "a", "value": "x"}]})",
          R"({"writer": "w", "batch": 1, "points": [{"name": "a", "value": 1, "step": 0.5}]})",
          R"({"writer": "w", "batch": 1, "points": [{"name": "a", "value": 1, "time": "soon"}]})",
          R"({"writer": "w", "batch": 1, "series": [{"name": "a", "value": [1], "step": [1, 2]}]})",
          R"({"writer": "w", "batch": 1, "entries": [{"name": "a", "type": "what", "value": 1}]})",
      }) {
    EXPECT_FALSE(ParseReportLine(line, 0)) << line;
  }
}

}  // namespace
}  // namespace roost::engine
