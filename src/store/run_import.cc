#include "store/run_import.h"

#include <algorithm>
#include <future>

#include "store/blobs.h"
#include "store/database.h"
#include "store/rows.h"
#include "store/run_inputs.h"
#include "store/run_rows.h"
#include "store/runs.h"

namespace roost::store {
namespace {

using spec::ImportedRun;

// Points that are read at once for a digest.
constexpr std::size_t kPointsAtOnce = 100'000;

// What the table of runs has of one that is imported again.
struct KnownRun {
  RunKey key;
  bool is_managed = false;
  spec::RunState state = spec::RunState::kCompleted;
};

Result<std::optional<KnownRun>> FindKnown(Connection& db, const std::string& id) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT key, kind, state FROM runs WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, id).Step());
  if (!row) return std::nullopt;
  const auto state = spec::ParseRunState(query.TextView(2));
  return KnownRun{RunKey(query.Int(0)), query.TextView(1) == "managed",
                  state.value_or(spec::RunState::kCompleted)};
}

struct Place {
  std::int64_t number = 0;
  bool is_deleted = false;
};

// Deleted experiments take imported runs: they were deleted with them.
Result<Place> TakeNumber(Connection& db, std::int64_t experiment) {
  ROOST_ASSIGN(Statement next, db.Prepare("UPDATE experiments SET last_run_number = "
                                          "last_run_number + 1 WHERE id = ? RETURNING "
                                          "last_run_number, lifecycle"));
  ROOST_ASSIGN(const bool row, next.Bind(1, experiment).Step());
  if (row) return Place{next.Int(0), next.TextView(1) == "deleted"};
  return Fail(ErrorCode::kNotFound,
              "There is no experiment with the id " + std::to_string(experiment) + ".");
}

Result<RunKey> InsertRow(WriteContext& context, const ImportedRun& run,
                         const std::string& submitter) {
  ROOST_ASSIGN(const Place place, TakeNumber(context.db, run.experiment));
  ROOST_ASSIGN(
      Statement insert,
      context.db.Prepare(
          "INSERT INTO runs(id, number, experiment, kind, state, reason, lifecycle, "
          "lifecycle_before, lifecycle_changed_at, display_name, description, submitter, "
          "compute_target, created_at, started_at, ended_at, user_id) VALUES(?, ?, ?, 'tracked', "
          "?, '', ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?)"));
  insert.Bind(1, run.id).Bind(2, place.number).Bind(3, run.experiment);
  insert.Bind(4, spec::ToString(run.state));
  insert.Bind(5, run.deleted ? "deleted" : "active");
  // Comes back when its experiment is restored, as with the server that it comes from.
  if (run.deleted && place.is_deleted) {
    insert.Bind(6, "active");
  } else {
    insert.BindNull(6);
  }
  insert.Bind(7, context.now).Bind(8, run.name).Bind(9, run.description).Bind(10, submitter);
  insert.Bind(11, run.started_at == 0 ? context.now : run.started_at);
  BindTime(insert, 12, run.started_at);
  BindTime(insert, 13, run.ended_at);
  ROOST_TRY(insert.Bind(14, run.user_id).Run());
  return RunKey(context.db.LastInsertId());
}

// The run went on with its old server since it was imported.
Result<bool> FollowState(Connection& db, const KnownRun& known, const ImportedRun& run) {
  if (spec::IsFinal(known.state) || known.state == run.state) return false;
  ROOST_ASSIGN(Statement update,
               db.Prepare("UPDATE runs SET state = ?2, ended_at = ?3, started_at = "
                          "ifnull(started_at, ?4) WHERE key = ?1"));
  update.Bind(1, known.key.value()).Bind(2, spec::ToString(run.state));
  BindTime(update, 3, run.ended_at);
  BindTime(update, 4, run.started_at);
  ROOST_TRY(update.Run());
  return true;
}

// What is there already stays as it is. True when something was added.
Result<bool> PutPairs(Connection& db, std::string_view sql, RunKey run,
                      const std::map<std::string, std::string>& pairs) {
  if (pairs.empty()) return false;
  ROOST_ASSIGN(Statement put, db.Prepare(sql));
  bool added = false;
  for (const auto& [key, value] : pairs) {
    ROOST_TRY(put.Bind(1, run.value()).Bind(2, key).Bind(3, value).Run());
    added = added || db.Changes() > 0;
  }
  return added;
}

Status PutParent(Connection& db, RunKey run, const ImportedRun& imported) {
  if (imported.parent_id.empty()) return {};
  ROOST_ASSIGN(const auto parent, FindKnown(db, imported.parent_id));
  if (!parent || parent->key == run) {
    return PutPairs(db, "INSERT OR IGNORE INTO run_tags(run, key, value) VALUES(?, ?, ?)", run,
                    {{spec::kImportedParentTag, imported.parent_id}})
        .map([](bool) {});
  }
  ROOST_ASSIGN(Statement update, db.Prepare("UPDATE runs SET parent_id = ?2 WHERE key = ?1"));
  return update.Bind(1, run.value()).Bind(2, imported.parent_id).Run();
}

// Children may have come first; then the parent's id waits as their tag.
Status AdoptChildren(Connection& db, RunKey run, const std::string& id) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT run FROM run_tags WHERE key = ? AND value = ? AND run <> ?"));
  query.Bind(1, spec::kImportedParentTag).Bind(2, id).Bind(3, run.value());
  std::vector<std::int64_t> children;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) break;
    children.push_back(query.Int(0));
  }
  for (const std::int64_t child : children) {
    ROOST_ASSIGN(Statement update, db.Prepare("UPDATE runs SET parent_id = ?2 WHERE key = ?1"));
    ROOST_TRY(update.Bind(1, child).Bind(2, id).Run());
    ROOST_ASSIGN(Statement remove, db.Prepare("DELETE FROM run_tags WHERE run = ? AND key = ?"));
    ROOST_TRY(remove.Bind(1, child).Bind(2, spec::kImportedParentTag).Run());
  }
  return {};
}

RunLinks LinksOf(const ImportedRun& run) {
  RunLinks links;
  for (const spec::ImportedDataset& dataset : run.datasets) {
    links.datasets.push_back({{dataset.name, dataset.digest, dataset.source_type, dataset.source,
                               dataset.schema, dataset.profile},
                              dataset.tags});
  }
  for (const auto& link : run.models_in) links.models_in.push_back({link.model_id, link.step});
  for (const auto& link : run.models_out) links.models_out.push_back({link.model_id, link.step});
  return links;
}

Result<ImportOutcome> ImportOne(WriteContext& context, Metrics& metrics, const ImportedRun& run,
                                const std::string& submitter) {
  ROOST_ASSIGN(const std::optional<KnownRun> known, FindKnown(context.db, run.id));
  bool changed = false;
  RunKey key;
  if (!known) {
    ROOST_ASSIGN(key, InsertRow(context, run, submitter));
    ROOST_TRY(PutParent(context.db, key, run));
    ROOST_TRY(AdoptChildren(context.db, key, run.id));
  } else if (known->is_managed) {
    return Fail(ErrorCode::kConflict, "The run '" + run.id +
                                          "' is here already and was launched by this server; it "
                                          "takes nothing from an import.");
  } else {
    key = known->key;
    ROOST_ASSIGN(changed, FollowState(context.db, *known, run));
  }
  ROOST_ASSIGN(
      const bool tags,
      PutPairs(context.db, "INSERT OR IGNORE INTO run_tags(run, key, value) VALUES(?, ?, ?)", key,
               run.tags));
  ROOST_ASSIGN(
      const bool params,
      PutPairs(context.db, "INSERT OR IGNORE INTO run_params(run, key, value) VALUES(?, ?, ?)", key,
               run.params));
  ROOST_TRY(RunInputs::Take(context, key, LinksOf(run)));
  ROOST_TRY(context.AddEvent(known ? "run_changed" : "run_created", run.id,
                             JsonOf({{"run_id", run.id}})));
  ROOST_TRY(metrics.Take(context, key, run.series));
  const bool has_points = !run.series.empty();
  if (!known) return ImportOutcome::kCreated;
  return changed || tags || params || has_points ? ImportOutcome::kChanged
                                                 : ImportOutcome::kUnchanged;
}

std::map<std::string, std::string> TextTags(const Run& run) {
  std::map<std::string, std::string> tags;
  for (const auto& [key, value] : run.tags) tags.emplace(key, value.value_or(""));
  return tags;
}

// The row as an import would have sent it, but for its points.
ImportedRun HeadOf(const Run& run, std::map<std::string, std::string> params,
                   const RunLinks& links) {
  ImportedRun head;
  head.id = run.id.value();
  head.state = run.state;
  head.deleted = run.lifecycle == spec::Lifecycle::kDeleted;
  head.name = run.display_name;
  head.description = run.description;
  head.user_id = run.user_id;
  head.started_at = run.started_at;
  head.ended_at = run.ended_at;
  head.params = std::move(params);
  head.tags = TextTags(run);
  head.parent_id = run.parent_id;
  const auto waiting = head.tags.find(spec::kImportedParentTag);
  if (head.parent_id.empty() && waiting != head.tags.end()) {
    head.parent_id = waiting->second;
    head.tags.erase(waiting);
  }
  for (const DatasetInput& input : links.datasets) {
    const InputDataset& dataset = input.dataset;
    head.datasets.push_back({dataset.name, dataset.digest, dataset.source_type, dataset.source,
                             dataset.schema, dataset.profile, input.tags});
  }
  for (const auto& link : links.models_in) head.models_in.push_back({link.model_id, link.step});
  for (const auto& link : links.models_out) head.models_out.push_back({link.model_id, link.step});
  return head;
}

Status AddPoints(const Metrics& metrics, RunKey run, const std::string& name,
                 spec::ImportedRunDigest* digest) {
  std::int64_t after = 0;
  while (true) {
    ROOST_ASSIGN(const auto stored, metrics.History(run, name, after, kPointsAtOnce));
    std::vector<spec::MetricPoint> points;
    points.reserve(stored.size());
    for (const StoredPoint& point : stored) points.push_back({point.step, point.time, point.value});
    digest->Add(points);
    if (stored.size() < kPointsAtOnce) return {};
    after = stored.back().seq;
  }
}

Result<RunKey> RequireKey(Connection& db, const std::string& id) {
  ROOST_ASSIGN(const auto known, FindKnown(db, id));
  if (known) return known->key;
  return Fail(NoSuchRun(RunId(id)));
}

Status PutExperimentTags(Connection& db, ExperimentId id, const ImportedExperiment& asked,
                         bool* added) {
  ROOST_ASSIGN(Statement put, db.Prepare("INSERT OR IGNORE INTO experiment_tags(experiment, key, "
                                         "value) VALUES(?, ?, ?)"));
  for (const auto& [key, value] : asked.tags) {
    ROOST_TRY(put.Bind(1, id.value()).Bind(2, key).Bind(3, value).Run());
    *added = *added || db.Changes() > 0;
  }
  if (asked.description.empty()) return {};
  ROOST_ASSIGN(Statement describe, db.Prepare("UPDATE experiments SET description = ?2 WHERE id = "
                                              "?1 AND description = ''"));
  ROOST_TRY(describe.Bind(1, id.value()).Bind(2, asked.description).Run());
  *added = *added || db.Changes() > 0;
  return {};
}

Result<ExperimentId> InsertExperiment(WriteContext& context, const ImportedExperiment& asked) {
  ROOST_ASSIGN(Statement insert,
               context.db.Prepare("INSERT INTO experiments(name, description, lifecycle, "
                                  "created_at, updated_at, artifact_location) VALUES(?, '', ?, ?, "
                                  "?, ?)"));
  insert.Bind(1, asked.name).Bind(2, asked.deleted ? "deleted" : "active");
  const Micros created_at = asked.created_at == 0 ? context.now : asked.created_at;
  insert.Bind(3, created_at).Bind(4, std::max(created_at, asked.updated_at));
  ROOST_TRY(insert.Bind(5, asked.artifact_location).Run());
  return ExperimentId(context.db.LastInsertId());
}

}  // namespace

std::string_view ToString(ImportOutcome outcome) {
  switch (outcome) {
    case ImportOutcome::kCreated:
      return "created";
    case ImportOutcome::kChanged:
      return "changed";
    case ImportOutcome::kUnchanged:
      return "unchanged";
  }
  return "unchanged";
}

Digest DigestOfFiles(const std::vector<Artifact>& files) {
  std::vector<const Artifact*> sorted;
  for (const Artifact& file : files) sorted.push_back(&file);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->path < b->path; });
  Hasher hasher;
  for (const Artifact* file : sorted) {
    hasher.Update(file->path);
    hasher.Update(std::string_view("\0", 1));
    hasher.Update(BytesOf(file->digest));
  }
  return hasher.Finish();
}

Result<RunImport::Placed> RunImport::AddExperiment(const ImportedExperiment& asked) {
  using Id = std::pair<ExperimentId, ImportOutcome>;
  const auto written = database_.Write<Id>(Lane::kBulk, [&](WriteContext& context) -> Result<Id> {
    ROOST_ASSIGN(Statement query,
                 context.db.Prepare("SELECT id, lifecycle FROM experiments WHERE name = ?"));
    ROOST_ASSIGN(const bool is_there, query.Bind(1, asked.name).Step());
    ExperimentId id(is_there ? query.Int(0) : 0);
    const bool is_deleted = is_there && query.TextView(1) == "deleted";
    query.Reset();
    if (is_deleted && !asked.deleted) {
      return Fail(ErrorCode::kConflict, "The experiment '" + asked.name +
                                            "' is deleted here. Restore it, or rename it, and "
                                            "import again.");
    }
    if (!is_there) {
      ROOST_ASSIGN(id, InsertExperiment(context, asked));
    }
    bool added = false;
    ROOST_TRY(PutExperimentTags(context.db, id, asked, &added));
    if (is_there && !added) return Id(id, ImportOutcome::kUnchanged);
    ROOST_TRY(context.AddEvent("experiment", "",
                               JsonOf({{"experiment_id", std::to_string(id.value())}})));
    return Id(id, is_there ? ImportOutcome::kChanged : ImportOutcome::kCreated);
  });
  ROOST_TRY(written);
  ROOST_ASSIGN(Experiment experiment, Experiments(database_).Get(written->first));
  return Placed{std::move(experiment), written->second};
}

std::vector<Result<ImportOutcome>> RunImport::AddRuns(const std::vector<ImportedRun>& runs,
                                                      const std::string& submitter) {
  struct Pending {
    std::promise<Status> promise;
    ImportOutcome outcome = ImportOutcome::kUnchanged;
  };
  std::vector<Pending> pending(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    database_.Submit(
        Lane::kBulk,
        [this, &run = runs[i], &submitter, &one = pending[i]](WriteContext& context) -> Status {
          ROOST_ASSIGN(one.outcome, ImportOne(context, metrics_, run, submitter));
          return {};
        },
        [&one = pending[i]](Status status) { one.promise.set_value(std::move(status)); });
  }
  std::vector<Result<ImportOutcome>> outcomes;
  for (Pending& one : pending) {
    const Status status = one.promise.get_future().get();
    if (status) {
      outcomes.emplace_back(one.outcome);
    } else {
      outcomes.emplace_back(Fail(status.error()));
    }
  }
  return outcomes;
}

Result<KeptRun> RunImport::LookAt(const std::string& id) const {
  ROOST_ASSIGN(const Run run, runs_.Get(RunId(id)));
  ROOST_ASSIGN(auto params, runs_.Params({run.key}));
  ROOST_ASSIGN(const auto links, inputs_.Of({run.key}));
  KeptRun kept;
  kept.key = run.key;
  const ImportedRun head = HeadOf(run, std::move(params.front()), links.front());
  kept.params = static_cast<std::int64_t>(head.params.size());
  kept.tags = static_cast<std::int64_t>(head.tags.size());

  ROOST_ASSIGN(kept.series, metrics_.Summaries(run.key));
  std::erase_if(kept.series,
                [](const MetricSummary& one) { return one.type != spec::MetricType::kScalar; });
  std::sort(kept.series.begin(), kept.series.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  spec::ImportedRunDigest digest(head);
  for (const MetricSummary& summary : kept.series) {
    kept.points += summary.count;
    digest.BeginSeries(summary.name, summary.count);
    ROOST_TRY(AddPoints(metrics_, run.key, summary.name, &digest));
  }
  kept.digest = digest.Finish();

  ROOST_ASSIGN(const auto files, artifacts_.List(run.key, "", "", INT32_MAX));
  kept.files = static_cast<std::int64_t>(files.size());
  kept.files_digest = DigestOfFiles(files);
  return kept;
}

Result<std::vector<std::optional<KeptRun>>> RunImport::Look(
    const std::vector<std::string>& ids) const {
  std::vector<std::optional<KeptRun>> kept;
  for (const std::string& id : ids) {
    auto run = LookAt(id);
    if (!run && run.error().code != ErrorCode::kNotFound) return Fail(run.error());
    kept.emplace_back(run ? std::optional(std::move(*run)) : std::nullopt);
  }
  return kept;
}

Result<RunImport::AddedFiles> RunImport::AddFiles(const std::string& run_id,
                                                  const std::vector<Artifact>& files) {
  std::vector<Digest> digests;
  for (const Artifact& file : files) digests.push_back(file.digest);
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  AddedFiles added;
  added.missing = blobs_.Missing(digests);
  if (!added.missing.empty()) return added;

  return database_.Write<AddedFiles>(Lane::kBulk, [&](WriteContext& context) -> Result<AddedFiles> {
    AddedFiles done;
    ROOST_ASSIGN(const RunKey key, RequireKey(context.db, run_id));
    ROOST_ASSIGN(
        Statement put,
        context.db.Prepare("INSERT INTO artifacts(run, path, digest, size, created_at) "
                           "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET digest = ?3, "
                           "size = ?4 WHERE digest <> ?3"));
    for (const Artifact& file : files) {
      put.Bind(1, key.value()).Bind(2, file.path).BindBlob(3, BytesOf(file.digest));
      put.Bind(4, static_cast<std::int64_t>(file.size));
      ROOST_TRY(put.Bind(5, file.created_at == 0 ? context.now : file.created_at).Run());
      context.db.Changes() > 0 ? ++done.added : ++done.unchanged;
    }
    if (done.added == 0) return done;
    ROOST_TRY(context.AddEvent("run_changed", run_id, JsonOf({{"run_id", run_id}})));
    return done;
  });
}

}  // namespace roost::store
