#include "store/run_inputs.h"

#include "store/database.h"
#include "store/rows.h"
#include "store/run_rows.h"

namespace roost::store {
namespace {

constexpr const char* kContextTag = "mlflow.data.context";

void BindOptional(Statement& statement, int index, const std::optional<std::string>& text) {
  if (text) {
    statement.Bind(index, *text);
  } else {
    statement.BindNull(index);
  }
}

// The dataset's key; what is known of it already stays.
Result<std::int64_t> PutDataset(Connection& db, std::int64_t experiment,
                                const InputDataset& dataset) {
  ROOST_ASSIGN(Statement put,
               db.Prepare("INSERT OR IGNORE INTO input_datasets(experiment, name, digest, "
                          "source_type, source, schema, profile) VALUES(?, ?, ?, ?, ?, ?, ?)"));
  put.Bind(1, experiment).Bind(2, dataset.name).Bind(3, dataset.digest);
  put.Bind(4, dataset.source_type).Bind(5, dataset.source);
  BindOptional(put, 6, dataset.schema);
  BindOptional(put, 7, dataset.profile);
  ROOST_TRY(put.Run());
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT key FROM input_datasets WHERE experiment = ? "
                                           "AND name = ? AND digest = ?"));
  query.Bind(1, experiment).Bind(2, dataset.name).Bind(3, dataset.digest);
  ROOST_TRY(query.Step());
  return query.Int(0);
}

Status PutInput(Connection& db, RunKey run, std::int64_t experiment, const DatasetInput& input) {
  ROOST_ASSIGN(const std::int64_t dataset, PutDataset(db, experiment, input.dataset));
  ROOST_ASSIGN(Statement put,
               db.Prepare("INSERT OR IGNORE INTO run_inputs(run, dataset) VALUES(?, ?)"));
  ROOST_TRY(put.Bind(1, run.value()).Bind(2, dataset).Run());
  if (db.Changes() == 0) return {};
  ROOST_ASSIGN(Statement tag, db.Prepare("INSERT INTO run_input_tags(run, dataset, key, value) "
                                         "VALUES(?, ?, ?, ?)"));
  for (const auto& [key, value] : input.tags) {
    ROOST_TRY(tag.Bind(1, run.value()).Bind(2, dataset).Bind(3, key).Bind(4, value).Run());
  }
  return {};
}

Status PutModels(Connection& db, RunKey run, bool is_output, const std::vector<RunModel>& models) {
  ROOST_ASSIGN(Statement put, db.Prepare("INSERT OR REPLACE INTO run_models(run, is_output, "
                                         "model_id, step) VALUES(?, ?, ?, ?)"));
  for (const RunModel& model : models) {
    put.Bind(1, run.value()).Bind(2, is_output ? 1 : 0);
    ROOST_TRY(put.Bind(3, model.model_id).Bind(4, model.step).Run());
  }
  return {};
}

Result<std::int64_t> ExperimentOf(Connection& db, RunKey run) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT experiment FROM runs WHERE key = ?"));
  ROOST_TRY(query.Bind(1, run.value()).Step());
  return query.Int(0);
}

Status ReadDatasets(Connection& db, RunKey run, std::vector<DatasetInput>* to) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT d.name, d.digest, d.source_type, d.source, d.schema, d.profile, "
                          "d.key FROM run_inputs i JOIN input_datasets d ON d.key = i.dataset "
                          "WHERE i.run = ? ORDER BY d.key"));
  ROOST_ASSIGN(Statement tags, db.Prepare("SELECT key, value FROM run_input_tags WHERE run = ? AND "
                                          "dataset = ?"));
  query.Bind(1, run.value());
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return {};
    DatasetInput input;
    input.dataset = {query.Text(0), query.Text(1), query.Text(2), query.Text(3), {}, {}};
    if (!query.IsNull(4)) input.dataset.schema = query.Text(4);
    if (!query.IsNull(5)) input.dataset.profile = query.Text(5);
    tags.Bind(1, run.value()).Bind(2, query.Int(6));
    while (true) {
      ROOST_ASSIGN(const bool tag, tags.Step());
      if (!tag) break;
      input.tags.emplace(tags.Text(0), tags.Text(1));
    }
    tags.Reset();
    to->push_back(std::move(input));
  }
}

Status ReadModels(Connection& db, RunKey run, RunLinks* to) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT is_output, model_id, step FROM run_models WHERE run = ? "
                          "ORDER BY is_output, step, model_id"));
  query.Bind(1, run.value());
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return {};
    auto& models = query.Int(0) != 0 ? to->models_out : to->models_in;
    models.push_back({query.Text(1), query.Int(2)});
  }
}

}  // namespace

Status RunInputs::Add(RunKey run, const std::vector<DatasetInput>& datasets,
                      const std::vector<RunModel>& models) {
  return database_.Write(Lane::kLogging, [&](WriteContext& context) -> Status {
    ROOST_TRY(RequireNotDeleted(context.db, run));
    ROOST_ASSIGN(const std::int64_t experiment, ExperimentOf(context.db, run));
    for (const DatasetInput& input : datasets) {
      ROOST_TRY(PutInput(context.db, run, experiment, input));
    }
    return PutModels(context.db, run, false, models);
  });
}

Status RunInputs::AddOutputs(RunKey run, const std::vector<RunModel>& models) {
  return database_.Write(Lane::kLogging, [&](WriteContext& context) -> Status {
    ROOST_TRY(RequireNotDeleted(context.db, run));
    return PutModels(context.db, run, true, models);
  });
}

Status RunInputs::Take(WriteContext& context, RunKey run, const RunLinks& links) {
  ROOST_ASSIGN(const std::int64_t experiment, ExperimentOf(context.db, run));
  for (const DatasetInput& input : links.datasets) {
    ROOST_TRY(PutInput(context.db, run, experiment, input));
  }
  ROOST_TRY(PutModels(context.db, run, false, links.models_in));
  return PutModels(context.db, run, true, links.models_out);
}

Result<std::vector<RunLinks>> RunInputs::Of(const std::vector<RunKey>& runs) const {
  using Found = std::vector<RunLinks>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    Found found(runs.size());
    for (std::size_t i = 0; i < runs.size(); ++i) {
      ROOST_TRY(ReadDatasets(db, runs[i], &found[i].datasets));
      ROOST_TRY(ReadModels(db, runs[i], &found[i]));
    }
    return found;
  });
}

Result<std::vector<DatasetUse>> RunInputs::DatasetsOf(const std::vector<ExperimentId>& experiments,
                                                      std::size_t limit) const {
  using Found = std::vector<DatasetUse>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare("SELECT DISTINCT d.experiment, d.name, d.digest, t.value FROM "
                            "input_datasets d JOIN run_inputs i ON i.dataset = d.key LEFT JOIN "
                            "run_input_tags t ON t.run = i.run AND t.dataset = i.dataset AND "
                            "t.key = ?1 WHERE d.experiment = ?2 ORDER BY d.name, d.digest, "
                            "t.value LIMIT ?3"));
    Found found;
    for (const ExperimentId experiment : experiments) {
      query.Bind(1, kContextTag).Bind(2, experiment.value());
      query.Bind(3, static_cast<std::int64_t>(limit - found.size()));
      while (true) {
        ROOST_ASSIGN(const bool row, query.Step());
        if (!row) break;
        found.push_back({ExperimentId(query.Int(0)), query.Text(1), query.Text(2),
                         query.IsNull(3) ? "" : query.Text(3)});
      }
      query.Reset();
    }
    return found;
  });
}

}  // namespace roost::store
