#include "store/metric_writer.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "store/database.h"
#include "store/metric_chunk.h"
#include "store/metric_rows.h"

namespace roost::store {

namespace {

// A batch with as many points of one name becomes chunks at once: from here on one blob is cheaper
// than rows that are moved into it later.
constexpr std::size_t kChunkAtOnce = 512;

// States kept in memory, about 200 bytes each.
constexpr std::size_t kSeriesLimit = 20'000;
constexpr std::size_t kNamesLimit = 20'000;
constexpr std::size_t kBatchesLimit = 5'000;

// Rows are moved and deleted in pieces of this many, a few milliseconds each.
constexpr std::int64_t kSealRows = static_cast<std::int64_t>(kChunkPoints);
constexpr std::int64_t kRowsPerChunkRow = 64;  // a chunk's row is as dear as so many small ones

// MLflow's order: by step, then time, then value; NaN is below every number. Of equal points the
// later one counts.
bool IsNewerOrSame(const StoredPoint& point, const StoredPoint& than) {
  const auto rank = [](const StoredPoint& p) {
    const bool number = !std::isnan(p.value);
    return std::tuple(p.step, p.time, number, number ? p.value : 0.0);
  };
  return rank(point) >= rank(than);
}

void AddToSummary(SeriesState* state, const StoredPoint& point) {
  state->count = point.seq;
  if (!state->last || IsNewerOrSame(point, *state->last)) state->last = point;
  if (std::isnan(point.value)) return;
  if (!state->min || point.value < *state->min) state->min = point.value;
  if (!state->max || point.value > *state->max) state->max = point.value;
}

// Points of one name are rows of numbers, all else are entries; entries of one name keep to one of
// Azure ML's types (a row is a table of one row).
bool MayShareName(spec::MetricType type, spec::MetricType other) {
  const bool scalar = type == spec::MetricType::kScalar;
  if (scalar != (other == spec::MetricType::kScalar)) return false;
  return spec::ToAzureType(type) == spec::ToAzureType(other);
}

Status CheckRunTakesMetrics(WriteContext& context, RunKey run, bool even_deleted) {
  ROOST_ASSIGN(auto statement, context.db.Prepare("SELECT id, lifecycle FROM runs WHERE key = ?1"));
  statement.Bind(1, run.value());
  ROOST_ASSIGN(const bool found, statement.Step());
  if (!found) return Fail(ErrorCode::kNotFound, "The run that the metrics belong to is not known.");
  if (statement.TextView(1) == "deleted" && !even_deleted) {
    return Fail(ErrorCode::kConflict,
                "Run " + statement.Text(0) + " is deleted and takes no metrics. Restore it first.");
  }
  return {};
}

// `pending` are points of the same write, which the tables do not have yet.
Result<bool> IsThere(Connection& db, SeriesKey key, const SeriesState& state,
                     const std::vector<StoredPoint>& pending, const StoredPoint& point) {
  const RecentPoints::Answer answer = state.recent->Find(point);
  if (answer != RecentPoints::Answer::kUnknown) return answer == RecentPoints::Answer::kThere;
  for (const StoredPoint& other : pending) {
    if (IsSamePoint(point, other)) return true;
  }
  return HasPoint(db, key, point);
}

void TellRunHasMetrics(WriteContext& context, RunKey run) {
  std::vector<RunKey>& runs = context.notice.runs_with_metrics;
  if (std::find(runs.rbegin(), runs.rend(), run) == runs.rend()) runs.push_back(run);
}

}  // namespace

std::size_t MetricWriter::SeriesHash::operator()(const SeriesKey& key) const noexcept {
  return std::hash<std::int64_t>{}(key.run * 1'000'003 + key.name_id);
}

std::size_t MetricWriter::WriterHash::operator()(const WriterKey& key) const noexcept {
  return std::hash<std::string>{}(key.writer) ^ std::hash<std::int64_t>{}(key.run);
}

Status MetricWriter::Append(WriteContext& context, RunKey run, const spec::MetricBatch& batch,
                            DeletedRuns deleted) {
  ROOST_TRY(CheckRunTakesMetrics(context, run, deleted == DeletedRuns::kTakeMetrics));
  BatchState* last = nullptr;
  if (!batch.writer.empty()) {
    ROOST_ASSIGN(last, FindBatch(context, {run.value(), batch.writer}));
    if (batch.number <= last->number) return {};
  }
  series_before_.clear();
  new_series_.clear();
  new_names_.clear();
  if (Status status = AppendAll(context, run, batch); !status) {
    RollBack();
    return status;
  }
  if (last != nullptr) {
    last->number = batch.number;
    if (!last->dirty) dirty_batches_.push_back({run.value(), batch.writer});
    last->dirty = true;
  }
  TellRunHasMetrics(context, run);
  return {};
}

Result<std::int64_t> MetricWriter::Count(WriteContext& context, RunKey run,
                                         const std::string& name) {
  std::int64_t name_id = 0;
  if (const std::int64_t* id = names_.Find(name)) {
    name_id = *id;
  } else {
    ROOST_ASSIGN(auto find, context.db.Prepare("SELECT id FROM metric_names WHERE name = ?1"));
    ROOST_ASSIGN(const bool found, find.Bind(1, name).Step());
    if (!found) return 0;
    name_id = find.Int(0);
  }
  ROOST_ASSIGN(const SeriesState* const state, Find(context, {run.value(), name_id}));
  return state == nullptr ? 0 : state->count;
}

Status MetricWriter::AppendAll(WriteContext& context, RunKey run, const spec::MetricBatch& batch) {
  for (const spec::MetricSeries& series : batch.series) {
    if (!series.points.empty()) {
      ROOST_TRY(AppendSeries(context, run, series, batch.drop_duplicates));
    }
  }
  if (batch.entries.empty()) return {};
  ROOST_ASSIGN(std::int64_t seq, CountEntries(context.db, run.value()));
  for (const spec::MetricEntry& entry : batch.entries) {
    ROOST_TRY(AppendEntry(context, run, entry, ++seq));
  }
  return {};
}

Status MetricWriter::AppendSeries(WriteContext& context, RunKey run,
                                  const spec::MetricSeries& series, bool drop_duplicates) {
  ROOST_ASSIGN(const std::int64_t name_id, NameId(context, series.name));
  const SeriesKey key{run.value(), name_id};
  ROOST_ASSIGN(SeriesState* const state,
               Open(context, key, series.name, spec::MetricType::kScalar));
  std::vector<StoredPoint> points;
  points.reserve(series.points.size());
  if (!drop_duplicates) {
    state->recent.reset();
  } else if (!state->recent) {
    state->recent.emplace(state->last);
  }
  for (const spec::MetricPoint& given : series.points) {
    const bool counts = given.step == spec::kNextStep && !drop_duplicates;
    const StoredPoint point{.seq = state->count + 1,
                            .step = counts ? state->count : given.step,
                            .time = given.time == 0 ? context.now : given.time,
                            .value = given.value};
    if (drop_duplicates) {
      ROOST_ASSIGN(const bool there, IsThere(context.db, key, *state, points, point));
      if (there) continue;
      state->recent->Add(point);
    }
    points.push_back(point);
    AddToSummary(state, point);
  }
  if (points.empty()) return {};
  if (points.size() < kChunkAtOnce) {
    state->tail += static_cast<std::int64_t>(points.size());
    return InsertTail(context.db, key, points);
  }
  const std::int64_t tail = state->tail;
  state->tail = 0;
  return AppendChunks(context, key, tail, std::move(points));
}

// The tail goes into the chunks too, so that chunks always come before the tail.
Status MetricWriter::AppendChunks(WriteContext& context, SeriesKey series, std::int64_t tail,
                                  std::vector<StoredPoint> points) {
  if (tail > 0) {
    ROOST_ASSIGN(std::vector<StoredPoint> all, ReadTail(context.db, series, tail));
    ROOST_TRY(DeleteTail(context.db, series, points.front().seq));
    all.insert(all.end(), points.begin(), points.end());
    points = std::move(all);
  }
  return InsertChunks(context.db, series, points);
}

Status MetricWriter::AppendEntry(WriteContext& context, RunKey run, const spec::MetricEntry& entry,
                                 std::int64_t seq) {
  ROOST_ASSIGN(const std::int64_t name_id, NameId(context, entry.name));
  ROOST_ASSIGN(SeriesState* const state,
               Open(context, {run.value(), name_id}, entry.name, entry.type));
  ++state->count;
  ROOST_ASSIGN(auto statement,
               context.db.Prepare("INSERT INTO metric_entries(run, seq, name_id, type, step, time, "
                                  "value, description) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
  statement.Bind(1, run.value()).Bind(2, seq).Bind(3, name_id);
  statement.Bind(4, static_cast<int>(entry.type));
  if (entry.step) {
    statement.Bind(5, *entry.step);
  } else {
    statement.BindNull(5);
  }
  statement.Bind(6, entry.time == 0 ? context.now : entry.time);
  return statement.Bind(7, entry.value).Bind(8, entry.description).Run();
}

Status MetricWriter::Seal(WriteContext& context, SeriesKey series) {
  ROOST_ASSIGN(SeriesState* const state, Find(context, series));
  if (state == nullptr || state->tail < kSealRows) return {};
  ROOST_ASSIGN(const std::vector<StoredPoint> points, ReadTail(context.db, series, kSealRows));
  ROOST_TRY(InsertChunks(context.db, series, points));
  ROOST_TRY(DeleteTail(context.db, series, points.back().seq));
  // Nothing can fail from here on, so the state needs no undoing.
  Touch(series, state);
  state->tail -= kSealRows;
  return {};
}

Result<bool> MetricWriter::Remove(WriteContext& context, RunKey run, std::int64_t limit) {
  // Summaries first: what has none is found by no reader. Keys of runs may be given out again, so
  // nothing of this one may stay in memory.
  series_.EraseIf([&](const SeriesKey& key) { return key.run == run.value(); });
  batches_.EraseIf([&](const WriterKey& key) { return key.run == run.value(); });
  struct Step {
    const char* sql;
    std::int64_t rows;
  };
  const Step steps[] = {
      {"DELETE FROM metric_summary WHERE (run, name_id) IN "
       "(SELECT run, name_id FROM metric_summary WHERE run = ?1 LIMIT ?2)",
       limit},
      {"DELETE FROM metric_tail WHERE (run, name_id, seq) IN "
       "(SELECT run, name_id, seq FROM metric_tail WHERE run = ?1 LIMIT ?2)",
       limit},
      {"DELETE FROM metric_chunks WHERE rowid IN "
       "(SELECT rowid FROM metric_chunks WHERE run = ?1 LIMIT ?2)",
       std::max(limit / kRowsPerChunkRow, std::int64_t{1})},
      {"DELETE FROM metric_entries WHERE rowid IN "
       "(SELECT rowid FROM metric_entries WHERE run = ?1 LIMIT ?2)",
       limit},
      {"DELETE FROM metric_batches WHERE (run, writer) IN "
       "(SELECT run, writer FROM metric_batches WHERE run = ?1 LIMIT ?2)",
       limit},
  };
  for (const Step& step : steps) {
    ROOST_ASSIGN(auto statement, context.db.Prepare(step.sql));
    ROOST_TRY(statement.Bind(1, run.value()).Bind(2, step.rows).Run());
    if (context.db.Changes() == step.rows) return false;
  }
  return true;
}

Status MetricWriter::Flush(WriteContext& context) {
  for (const SeriesKey& key : dirty_series_) {
    const SeriesState* const state = series_.Find(key);
    if (state != nullptr && state->dirty) ROOST_TRY(WriteSummary(context.db, key, *state));
  }
  for (const WriterKey& key : dirty_batches_) {
    const BatchState* const state = batches_.Find(key);
    if (state != nullptr && state->dirty)
      ROOST_TRY(WriteBatch(context.db, key.run, key.writer, state->number));
  }
  return {};
}

void MetricWriter::EndGroup(bool committed) {
  if (committed) {
    for (const SeriesKey& key : dirty_series_) {
      if (SeriesState* state = series_.Find(key)) state->dirty = false;
    }
    for (const WriterKey& key : dirty_batches_) {
      if (BatchState* state = batches_.Find(key)) state->dirty = false;
    }
  } else {
    for (const SeriesKey& key : dirty_series_) series_.Erase(key);
    for (const WriterKey& key : dirty_batches_) batches_.Erase(key);
    for (const std::string& name : group_names_) names_.Erase(name);
  }
  dirty_series_.clear();
  dirty_batches_.clear();
  group_names_.clear();
  names_.TrimTo(kNamesLimit);
  series_.TrimTo(kSeriesLimit);
  batches_.TrimTo(kBatchesLimit);
}

Result<std::int64_t> MetricWriter::NameId(WriteContext& context, const std::string& name) {
  if (const std::int64_t* id = names_.Find(name)) return *id;
  {
    ROOST_ASSIGN(auto find, context.db.Prepare("SELECT id FROM metric_names WHERE name = ?1"));
    find.Bind(1, name);
    ROOST_ASSIGN(const bool found, find.Step());
    if (found) return *names_.Insert(name, find.Int(0));
  }
  ROOST_ASSIGN(auto insert, context.db.Prepare("INSERT INTO metric_names(name) VALUES(?1)"));
  ROOST_TRY(insert.Bind(1, name).Run());
  new_names_.push_back(name);
  group_names_.push_back(name);
  return *names_.Insert(name, context.db.LastInsertId());
}

Result<SeriesState*> MetricWriter::Find(WriteContext& context, SeriesKey series) {
  if (SeriesState* state = series_.Find(series)) return state;
  ROOST_ASSIGN(const std::optional<SeriesState> state, ReadSummary(context.db, series));
  if (!state) return nullptr;
  return series_.Insert(series, *state);
}

Result<SeriesState*> MetricWriter::Open(WriteContext& context, SeriesKey series,
                                        const std::string& name, spec::MetricType type) {
  ROOST_ASSIGN(SeriesState * state, Find(context, series));
  if (state == nullptr) {
    new_series_.push_back(series);
    state = series_.Insert(series, SeriesState(type));
  } else if (!MayShareName(state->type, type)) {
    return Fail(ErrorCode::kConflict, "Metric \"" + name + "\" of this run holds values of type " +
                                          std::string(spec::ToString(state->type)) +
                                          ", so none of type " + std::string(spec::ToString(type)) +
                                          " can be added to it. Log it under another name.");
  } else {
    series_before_.emplace_back(series, *state);
  }
  Touch(series, state);
  return state;
}

Result<BatchState*> MetricWriter::FindBatch(WriteContext& context, const WriterKey& writer) {
  if (BatchState* state = batches_.Find(writer)) return state;
  ROOST_ASSIGN(const std::int64_t number, ReadBatch(context.db, writer.run, writer.writer));
  return batches_.Insert(writer, {.number = number});
}

void MetricWriter::Touch(SeriesKey series, SeriesState* state) {
  if (!state->dirty) dirty_series_.push_back(series);
  state->dirty = true;
}

void MetricWriter::RollBack() {
  // Backwards: the first copy of a state that was changed twice is how it was.
  for (auto before = series_before_.rbegin(); before != series_before_.rend(); ++before) {
    if (SeriesState* state = series_.Find(before->first)) *state = before->second;
  }
  for (const SeriesKey& key : new_series_) series_.Erase(key);
  for (const std::string& name : new_names_) names_.Erase(name);
}

}  // namespace roost::store
