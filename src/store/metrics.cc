#include "store/metrics.h"

#include <future>
#include <utility>

#include "spec/imported_run.h"
#include "store/database.h"
#include "store/metric_chunk.h"
#include "store/metric_writer.h"

namespace roost::store {

namespace {

// Chunks that one SealSome makes, about; each is a write of its own of a few milliseconds, so that
// the others' writes come in between.
constexpr int kSealsAtOnce = 64;

Result<std::vector<SeriesKey>> FullTails(Connection& db) {
  // The literal lets SQLite use the partial index.
  ROOST_ASSIGN(auto statement,
               db.Prepare("SELECT run, name_id FROM metric_summary WHERE tail >= 4096 "
                          "ORDER BY tail DESC LIMIT ?1"));
  statement.Bind(1, kSealsAtOnce);
  std::vector<SeriesKey> found;
  while (true) {
    ROOST_ASSIGN(const bool row, statement.Step());
    if (!row) return found;
    found.push_back({statement.Int(0), statement.Int(1)});
  }
}

}  // namespace

static_assert(kChunkPoints == 4096, "metric_schema.h and FullTails spell the number out");

Metrics::Metrics(Database& database)
    : database_(database), writer_(std::make_shared<MetricWriter>()) {
  database_.SetBeforeCommit(
      [writer = writer_](WriteContext& context) { return writer->Flush(context); });
  database_.SetAfterGroup([writer = writer_](bool committed) { writer->EndGroup(committed); });
}

Metrics::~Metrics() = default;

void Metrics::Append(RunKey run, spec::MetricBatch batch, Done done) {
  database_.Submit(
      Lane::kLogging,
      [writer = writer_, run, batch = std::move(batch)](WriteContext& context) {
        return writer->Append(context, run, batch);
      },
      std::move(done));
}

void Metrics::Append(RunKey run, spec::MetricBatch batch, RunLog log, Done done) {
  database_.Submit(
      Lane::kLogging,
      [writer = writer_, run, batch = std::move(batch),
       log = std::move(log)](WriteContext& context) -> Status {
        if (!log.Empty()) ROOST_TRY(WriteRunLog(context, run, log));
        if (batch.series.empty() && batch.entries.empty()) return {};
        return writer->Append(context, run, batch);
      },
      std::move(done));
}

Status Metrics::AppendAndWait(RunKey run, spec::MetricBatch batch) {
  std::promise<Status> promise;
  Append(run, std::move(batch), [&](Status status) { promise.set_value(std::move(status)); });
  return promise.get_future().get();
}

Status Metrics::SealSome() {
  for (int sealed = 0; sealed < kSealsAtOnce;) {
    ROOST_ASSIGN(const std::vector<SeriesKey> full,
                 database_.Read<std::vector<SeriesKey>>(FullTails));
    if (full.empty()) return {};
    for (const SeriesKey& series : full) {
      ROOST_TRY(database_.Write(Lane::kBulk, [writer = writer_, series](WriteContext& context) {
        return writer->Seal(context, series);
      }));
      ++sealed;
    }
  }
  return {};
}

Status Metrics::Take(WriteContext& context, RunKey run,
                     const std::vector<spec::ImportedSeries>& series) {
  spec::MetricBatch batch;
  for (const spec::ImportedSeries& one : series) {
    ROOST_ASSIGN(const std::int64_t there, writer_->Count(context, run, one.name));
    if (there < one.offset) {
      return Fail(ErrorCode::kConflict, "The points of '" + one.name + "' begin with number " +
                                            std::to_string(one.offset) + ", but only " +
                                            std::to_string(there) +
                                            " came in before. Ask for what is there and send on "
                                            "from it.");
    }
    const auto known = static_cast<std::size_t>(there - one.offset);
    if (known >= one.points.size()) continue;
    const auto first = one.points.begin() + static_cast<std::ptrdiff_t>(known);
    batch.series.push_back({one.name, {first, one.points.end()}});
  }
  if (batch.series.empty()) return {};
  return writer_->Append(context, run, batch, MetricWriter::DeletedRuns::kTakeMetrics);
}

Result<bool> Metrics::Remove(WriteContext& context, RunKey run, std::int64_t limit) {
  return writer_->Remove(context, run, limit);
}

}  // namespace roost::store
