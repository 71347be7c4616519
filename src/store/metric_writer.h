#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "spec/metrics.h"
#include "store/metric_lru.h"
#include "store/metric_rows.h"
#include "store/metrics.h"

namespace roost::store {

struct WriteContext;

struct WriterKey {
  std::int64_t run = 0;
  std::string writer;
  bool operator==(const WriterKey&) const = default;
};

struct BatchState {
  std::int64_t number = 0;  // the last one taken in, 0: none
  bool dirty = false;
};

// Everything that writes metrics. Lives on the writer's thread alone and is called inside its
// transactions. It knows the state of recently written series by heart, so that one point costs one
// row; what a group changed of them is written once, by Flush, before the group's commit. A write
// that fails leaves the states as they were before it; when a group is not committed, EndGroup
// forgets all that the group touched.
class MetricWriter {
 public:
  enum class DeletedRuns { kAreRefused, kTakeMetrics };
  // All of the batch or, with an error, nothing.
  Status Append(WriteContext& context, RunKey run, const spec::MetricBatch& batch,
                DeletedRuns deleted = DeletedRuns::kAreRefused);
  // How many points or entries of that name there are.
  Result<std::int64_t> Count(WriteContext& context, RunKey run, const std::string& name);
  // Moves the oldest 4,096 rows of a tail into a chunk; does nothing when there are fewer.
  Status Seal(WriteContext& context, SeriesKey series);
  // Deletes up to `limit` rows of the run; true when none is left.
  Result<bool> Remove(WriteContext& context, RunKey run, std::int64_t limit);
  Status Flush(WriteContext& context);
  void EndGroup(bool committed);

 private:
  Status AppendAll(WriteContext& context, RunKey run, const spec::MetricBatch& batch);
  Status AppendSeries(WriteContext& context, RunKey run, const spec::MetricSeries& series,
                      bool drop_duplicates);
  Status AppendEntry(WriteContext& context, RunKey run, const spec::MetricEntry& entry,
                     std::int64_t seq);
  Status AppendChunks(WriteContext& context, SeriesKey series, std::int64_t tail,
                      std::vector<StoredPoint> points);

  Result<std::int64_t> NameId(WriteContext& context, const std::string& name);
  // nullptr when neither memory nor table has it.
  Result<SeriesState*> Find(WriteContext& context, SeriesKey series);
  // The state to be changed for `type`; kConflict when the name holds another one.
  Result<SeriesState*> Open(WriteContext& context, SeriesKey series, const std::string& name,
                            spec::MetricType type);
  Result<BatchState*> FindBatch(WriteContext& context, const WriterKey& writer);
  // To be called before a state is changed.
  void Touch(SeriesKey series, SeriesState* state);
  void RollBack();

  LruMap<std::string, std::int64_t> names_;
  struct SeriesHash {
    std::size_t operator()(const SeriesKey& key) const noexcept;
  };
  struct WriterHash {
    std::size_t operator()(const WriterKey& key) const noexcept;
  };
  LruMap<SeriesKey, SeriesState, SeriesHash> series_;
  LruMap<WriterKey, BatchState, WriterHash> batches_;

  // Of the group that is under way: what it changed.
  std::vector<SeriesKey> dirty_series_;
  std::vector<WriterKey> dirty_batches_;
  std::vector<std::string> group_names_;

  // Of the write that is under way: how it was before.
  std::vector<std::pair<SeriesKey, SeriesState>> series_before_;
  std::vector<SeriesKey> new_series_;
  std::vector<std::string> new_names_;
};

}  // namespace roost::store
