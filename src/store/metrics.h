#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "spec/metrics.h"
#include "store/run_log.h"

namespace roost::spec {
struct ImportedSeries;
}

namespace roost::store {

class Database;
class MetricWriter;
struct WriteContext;

// Keeps metric points as the design's section 3a says: rows in a tail, sealed by a background step
// into compressed chunks of 4,096 with a min-max pyramid; large batches become chunks at once. Tail
// plus chunks is the history after a kill at any step. docs/on_disk.md has the formats. Reads of a
// name that the run has not (or not yet) logged find nothing and are no error.
struct StoredPoint {
  std::int64_t seq = 0;  // append order within (run, name), from 1
  std::int64_t step = 0;
  Micros time = 0;
  double value = 0;
};

struct MetricSummary {
  std::string name;
  spec::MetricType type = spec::MetricType::kScalar;
  std::int64_t count = 0;
  // Of scalars. `last` is MLflow's: the point with the greatest (step, time, value). Min and max
  // leave NaN out and are unset when every value is NaN.
  StoredPoint last;
  std::optional<double> min;
  std::optional<double> max;
};

struct StoredEntry {
  std::int64_t seq = 0;  // order of arrival within the run, over all names, from 1
  spec::MetricEntry entry;
};

// Of each bucket of a chart the smallest and the largest finite value are kept, and the first value
// that is no finite number, so that a NaN or an infinity is seen and hides no peak.
struct Chart {
  std::int64_t total = 0;           // points in the asked range
  std::vector<StoredPoint> points;  // by seq; the first and the last are always there
};

class Metrics {
 public:
  using Done = std::function<void(Status)>;

  explicit Metrics(Database& database);
  ~Metrics();

  // Appends; `done` is called on the writer's thread when the commit is durable. Errors come
  // through `done` and keep nothing of the batch: kNotFound for an unknown run, kConflict for a
  // deleted one and for a name that holds another type (points and entries, or entries of two of
  // Azure ML's types). Steps that were not given by the client have been filled in by nobody: pass
  // kNextStep to let the store use the next free one (count so far); time = 0 takes the server's.
  void Append(RunKey run, spec::MetricBatch batch, Done done);
  // With what else was logged, in one transaction.
  void Append(RunKey run, spec::MetricBatch batch, RunLog log, Done done);
  Status AppendAndWait(RunKey run, spec::MetricBatch batch);

  Result<std::vector<MetricSummary>> Summaries(RunKey run) const;
  // For run lists: last values of all scalars of several runs, in the order of `runs`.
  Result<std::vector<std::vector<MetricSummary>>> Summaries(const std::vector<RunKey>& runs) const;
  // Points with seq > after_seq, at most `limit`.
  Result<std::vector<StoredPoint>> History(RunKey run, const std::string& name,
                                           std::int64_t after_seq, std::size_t limit) const;
  // Entries (text, list, row, table, image...) of one name, or of all with an empty name.
  Result<std::vector<StoredEntry>> Entries(RunKey run, const std::string& name,
                                           std::int64_t after_seq, std::size_t limit) const;
  // At most about `buckets` points (>= 2), and one more for each bucket with values that are no
  // finite numbers; by step range (both ends belong to it) when given.
  Result<Chart> Downsampled(RunKey run, const std::string& name, std::size_t buckets,
                            std::optional<std::int64_t> from_step,
                            std::optional<std::int64_t> to_step) const;
  // The last batch number that `writer` got in, 0 for none: how finalize takes in a report's tail.
  Result<std::int64_t> LastBatch(RunKey run, const std::string& writer) const;

  // One background step: seals full tails. Called by the engine's timer; yields every 5 ms.
  Status SealSome();

  // The points of a run that comes from elsewhere, also of a deleted one, inside the import's write
  // and as the last thing in it: nothing after it may fail. Points that came in earlier, by
  // `offset`, are left out; kConflict when those before `offset` are missing.
  Status Take(WriteContext& context, RunKey run, const std::vector<spec::ImportedSeries>& series);

  // Deletes up to `limit` rows of a run that is going away; true when none is left. For gc, inside
  // its write.
  Result<bool> Remove(WriteContext& context, RunKey run, std::int64_t limit);

 private:
  Database& database_;
  std::shared_ptr<MetricWriter> writer_;  // also held by writes that still wait
};

}  // namespace roost::store
