#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "spec/metrics.h"
#include "store/database.h"
#include "store/metrics.h"

namespace roost::store {

// A database with metrics and rows of runs, without the rest of a store.
class MetricFixture : public ::testing::Test {
 protected:
  MetricFixture() { Open(); }

  void Open() {
    metrics.reset();
    database.reset();
    auto opened = Database::Open(folder.path() / "store.db", clock, 2);
    if (!opened) FAIL() << opened.error().message;
    database = std::move(*opened);
    metrics = std::make_unique<Metrics>(*database);
  }

  RunKey AddRun(const std::string& id) {
    auto key = database->Write<std::int64_t>(
        Lane::kState, [&](WriteContext& context) -> Result<std::int64_t> {
          ROOST_ASSIGN(auto insert,
                       context.db.Prepare(
                           "INSERT INTO runs(id, number, experiment, kind, state, reason, "
                           "lifecycle_changed_at, display_name, description, submitter, "
                           "compute_target, created_at) "
                           "VALUES(?1, 1, 0, 'tracked', 'Running', '', 0, '', '', '', '', 0)"));
          ROOST_TRY(insert.Bind(1, id).Run());
          return context.db.LastInsertId();
        });
    EXPECT_TRUE(key) << (key ? "" : key.error().message);
    return RunKey(key.value_or(0));
  }

  void MarkDeleted(RunKey run) {
    ASSERT_TRUE(database->Write(Lane::kState, [&](WriteContext& context) -> Status {
      ROOST_ASSIGN(auto update,
                   context.db.Prepare("UPDATE runs SET lifecycle = 'deleted' WHERE key = ?1"));
      return update.Bind(1, run.value()).Run();
    }));
  }

  std::int64_t Number(const std::string& sql) {
    auto number = database->Read<std::int64_t>([&](Connection& db) -> Result<std::int64_t> {
      ROOST_ASSIGN(auto query, db.PrepareOnce(sql));
      ROOST_TRY(query.Step());
      return query.Int(0);
    });
    EXPECT_TRUE(number) << sql;
    return number.value_or(-1);
  }

  static spec::MetricBatch Points(const std::string& name, const std::vector<double>& values,
                                  std::int64_t first_step = 0) {
    spec::MetricSeries series{name, {}};
    for (const double value : values) {
      series.points.push_back({first_step, 1000 + first_step, value});
      ++first_step;
    }
    spec::MetricBatch batch;
    batch.series.push_back(std::move(series));
    return batch;
  }

  static spec::MetricBatch Entry(const std::string& name, spec::MetricType type,
                                 const std::string& value) {
    spec::MetricBatch batch;
    batch.entries.push_back({name, type, value, {}, 1000, ""});
    return batch;
  }

  static std::vector<double> Wave(std::size_t count, std::size_t from = 0) {
    std::vector<double> values;
    for (std::size_t i = from; i < from + count; ++i) {
      values.push_back(std::sin(static_cast<double>(i) / 50.0));
    }
    return values;
  }

  Status Log(RunKey run, spec::MetricBatch batch) {
    return metrics->AppendAndWait(run, std::move(batch));
  }

  MetricSummary SummaryOf(RunKey run, const std::string& name) {
    auto summaries = metrics->Summaries(run);
    EXPECT_TRUE(summaries);
    for (const MetricSummary& summary : *summaries) {
      if (summary.name == name) return summary;
    }
    ADD_FAILURE() << "no summary of " << name;
    return {};
  }

  std::vector<StoredPoint> History(RunKey run, const std::string& name, std::int64_t after = 0,
                                   std::size_t limit = 1'000'000'000) {
    auto points = metrics->History(run, name, after, limit);
    EXPECT_TRUE(points) << (points ? "" : points.error().message);
    return points.value_or(std::vector<StoredPoint>{});
  }

  // The values in order, and that seqs have no gap.
  std::vector<double> Values(RunKey run, const std::string& name) {
    std::vector<double> values;
    for (const StoredPoint& point : History(run, name)) {
      values.push_back(point.value);
      EXPECT_EQ(point.seq, static_cast<std::int64_t>(values.size()));
    }
    return values;
  }

  TempFolder folder;
  FakeClock clock;
  std::unique_ptr<Database> database;
  std::unique_ptr<Metrics> metrics;
};

}  // namespace roost::store
