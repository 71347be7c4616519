#include <algorithm>

#include "cli/mlflow/local_files.h"
#include "cli/mlflow/source.h"
#include "cli/mlflow/sqlite.h"

// The database file that `mlflow server` and `mlflow ui` write, as releases 2 and 3 have it.
namespace roost::cli::mlflow {
namespace {

constexpr std::size_t kRunsAtOnce = 500;
constexpr const char* kDeletedVersion = "Deleted_Internal";

// Of logged models, in MLflow's numbers.
std::string ModelStatus(std::int64_t status) {
  switch (status) {
    case 1:
      return "PENDING";
    case 2:
      return "READY";
    case 3:
      return "UPLOAD_FAILED";
    default:
      return "UNSPECIFIED";
  }
}

Micros TimeAt(const Query& row, int column) {
  return row.IsNull(column) ? 0 : DateOf(row.Int(column));
}

class SqliteSource : public Source {
 public:
  SqliteSource(std::unique_ptr<SqliteFile> db, const fs::path& file, fs::path artifacts)
      : db_(std::move(db)), file_(file), files_("", std::move(artifacts)) {}

  // One moment of the database for all that follows, also while a server writes to it.
  Status Begin() {
    ROOST_ASSIGN(const bool is_mlflow, db_->HasTable("experiments"));
    ROOST_ASSIGN(const bool has_runs, db_->HasTable("runs"));
    if (!is_mlflow || !has_runs) {
      return Fail(ErrorCode::kInvalidArgument,
                  file_.string() + " is no database of MLflow's: it has no experiments and runs.");
    }
    ROOST_ASSIGN(has_models_, db_->HasTable("logged_models"));
    ROOST_ASSIGN(has_inputs_, db_->HasTable("inputs"));
    ROOST_ASSIGN(has_input_steps_, db_->HasColumn("inputs", "step"));
    ROOST_ASSIGN(has_workspaces_, db_->HasColumn("experiments", "workspace"));
    ROOST_TRY(db_->Execute("BEGIN"));
    return CountOtherWorkspaces();
  }

  Result<std::vector<Experiment>> Experiments() override {
    ROOST_ASSIGN(const bool has_times, db_->HasColumn("experiments", "creation_time"));
    ROOST_ASSIGN(
        Query query,
        db_->Prepare(std::string("SELECT experiment_id, name, artifact_location, "
                                 "lifecycle_stage, ") +
                     (has_times ? "creation_time, last_update_time" : "NULL, NULL") +
                     " FROM experiments" + OfWorkspace("WHERE") + " ORDER BY experiment_id"));
    std::vector<Experiment> experiments;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return experiments;
      Experiment experiment;
      experiment.id = query.Text(0);
      experiment.name = query.Text(1);
      experiment.artifact_location = query.Text(2);
      experiment.deleted = query.Text(3) == "deleted";
      experiment.created_at = TimeAt(query, 4);
      experiment.updated_at = TimeAt(query, 5);
      ROOST_ASSIGN(
          auto tags,
          Pairs("SELECT key, value FROM experiment_tags WHERE experiment_id = ?", experiment.id));
      TakeExperimentTags(std::move(tags), &experiment);
      experiments.push_back(std::move(experiment));
    }
  }

  Status Runs(const Experiment& experiment,
              const std::function<Status(std::vector<Run>)>& take) override {
    ROOST_ASSIGN(Query query,
                 db_->Prepare("SELECT run_uuid, name, user_id, status, start_time, end_time, "
                              "lifecycle_stage, artifact_uri FROM runs WHERE experiment_id = ? "
                              "ORDER BY start_time, run_uuid"));
    query.Bind(1, experiment.id);
    std::vector<Run> group;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) break;
      ROOST_ASSIGN(group.emplace_back(), ReadRun(query, experiment));
      if (group.size() == kRunsAtOnce) ROOST_TRY(take(std::exchange(group, {})));
    }
    return group.empty() ? Status() : take(std::move(group));
  }

  Status ReadPoints(std::span<Run* const> runs) override {
    if (!points_) {
      ROOST_ASSIGN(Query query, db_->Prepare("SELECT key, value, timestamp, step, is_nan FROM "
                                             "metrics WHERE run_uuid = ? ORDER BY key"));
      points_.emplace(std::move(query));
    }
    for (Run* const run : runs) ROOST_TRY(ReadPointsOf(&run->run));
    return {};
  }

  Result<std::vector<LoggedModel>> LoggedModels(const std::vector<Experiment>&) override {
    std::vector<LoggedModel> models;
    if (!has_models_) return models;
    ROOST_ASSIGN(Query query,
                 db_->Prepare("SELECT model_id, experiment_id, name, artifact_location, "
                              "creation_timestamp_ms, last_updated_timestamp_ms, status, "
                              "lifecycle_stage, model_type, source_run_id, status_message FROM "
                              "logged_models ORDER BY creation_timestamp_ms, model_id"));
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return models;
      LoggedModel model;
      model.files = {Owner::Kind::kModel, query.Text(0), query.Text(1), query.Text(3)};
      model.name = query.Text(2);
      model.created_at = TimeAt(query, 4);
      model.updated_at = TimeAt(query, 5);
      model.status = ModelStatus(query.Int(6));
      model.deleted = query.Text(7) == "deleted";
      model.model_type = query.Text(8);
      model.source_run_id = query.Text(9);
      model.status_message = query.Text(10);
      const std::string& id = model.files.id;
      ROOST_ASSIGN(
          model.tags,
          Pairs("SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = ?", id));
      ROOST_ASSIGN(
          model.params,
          Pairs("SELECT param_key, param_value FROM logged_model_params WHERE model_id = ?", id));
      ROOST_TRY(ReadModelPoints(id, &model.metrics));
      models.push_back(std::move(model));
    }
  }

  Result<std::vector<RegisteredModel>> Models() override {
    std::vector<RegisteredModel> models;
    ROOST_ASSIGN(const bool has_registry, db_->HasTable("registered_models"));
    if (!has_registry) return models;
    ROOST_ASSIGN(const bool has_aliases, db_->HasTable("registered_model_aliases"));
    ROOST_ASSIGN(const bool has_locations, db_->HasColumn("model_versions", "storage_location"));
    ROOST_ASSIGN(const bool has_links, db_->HasColumn("model_versions", "run_link"));
    ROOST_ASSIGN(Query query,
                 db_->Prepare("SELECT name, creation_time, last_updated_time, description FROM "
                              "registered_models" +
                              OfWorkspace("WHERE") + " ORDER BY name"));
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return models;
      RegisteredModel model;
      model.name = query.Text(0);
      model.created_at = TimeAt(query, 1);
      model.updated_at = TimeAt(query, 2);
      model.description = query.Text(3);
      ROOST_ASSIGN(model.tags, Pairs("SELECT key, value FROM registered_model_tags WHERE name = ?" +
                                         OfWorkspace("AND"),
                                     model.name));
      if (has_aliases) ROOST_TRY(ReadAliases(&model));
      ROOST_TRY(ReadVersions(has_locations, has_links, &model));
      models.push_back(std::move(model));
    }
  }

  bool StaysThere(const std::string& location) const override {
    return LocalFiles::StaysThere(location);
  }
  std::vector<FileList> ListFiles(std::span<const Owner> owners) override {
    return files_.List(owners);
  }
  std::vector<Result<fs::path>> GetFiles(std::span<const WantedFile> files,
                                         const fs::path&) override {
    return files_.Get(files);
  }
  std::vector<std::string> Notes() const override { return notes_; }

 private:
  using Map = std::map<std::string, std::string>;

  // A server without workspaces has all in "default".
  std::string OfWorkspace(const std::string& word) const {
    return has_workspaces_ ? " " + word + " workspace = 'default'" : "";
  }

  Status CountOtherWorkspaces() {
    if (!has_workspaces_) return {};
    ROOST_ASSIGN(Query query, db_->Prepare("SELECT (SELECT count(*) FROM experiments WHERE "
                                           "workspace <> 'default'), (SELECT count(*) FROM "
                                           "registered_models WHERE workspace <> 'default')"));
    ROOST_TRY(query.Step());
    if (query.Int(0) + query.Int(1) == 0) return {};
    notes_.push_back(query.Text(0) + " experiments and " + query.Text(1) +
                     " registered models of other workspaces than 'default' are left out.");
    return {};
  }

  Result<Map> Pairs(const std::string& sql, const std::string& id) {
    auto known = pairs_.find(sql);
    if (known == pairs_.end()) {
      ROOST_ASSIGN(Query query, db_->Prepare(sql));
      known = pairs_.emplace(sql, std::move(query)).first;
    }
    Query& query = known->second;
    query.Bind(1, id);
    Map pairs;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) break;
      pairs.emplace(query.Text(0), query.Text(1));
    }
    query.Reset();
    return pairs;
  }

  Result<Run> ReadRun(const Query& row, const Experiment& experiment) {
    Run run;
    spec::ImportedRun& head = run.run;
    head.id = row.Text(0);
    head.name = row.Text(1);
    head.user_id = row.Text(2);
    head.state = StateOf(row.Text(3)).value_or(spec::RunState::kRunning);
    head.started_at = TimeAt(row, 4);
    head.ended_at = TimeAt(row, 5);
    head.deleted = row.Text(6) == "deleted";
    run.files = {Owner::Kind::kRun, head.id, experiment.id, row.Text(7)};
    ROOST_ASSIGN(auto tags, Pairs("SELECT key, value FROM tags WHERE run_uuid = ?", head.id));
    TakeRunTags(std::move(tags), &head);
    ROOST_ASSIGN(head.params, Pairs("SELECT key, value FROM params WHERE run_uuid = ?", head.id));
    if (has_inputs_) ROOST_TRY(ReadInputs(&head));
    return run;
  }

  Status ReadInputs(spec::ImportedRun* run) {
    if (!inputs_) {
      ROOST_ASSIGN(Query query,
                   db_->Prepare("SELECT d.name, d.digest, d.dataset_source_type, "
                                "d.dataset_source, d.dataset_schema, d.dataset_profile, "
                                "i.input_uuid FROM inputs i JOIN datasets d ON d.dataset_uuid = "
                                "i.source_id WHERE i.source_type = 'DATASET' AND "
                                "i.destination_type = 'RUN' AND i.destination_id = ?"));
      inputs_.emplace(std::move(query));
    }
    inputs_->Bind(1, run->id);
    while (true) {
      ROOST_ASSIGN(const bool row, inputs_->Step());
      if (!row) break;
      spec::ImportedDataset dataset{
          inputs_->Text(0), inputs_->Text(1), inputs_->Text(2), inputs_->Text(3), {}, {}, {}};
      if (!inputs_->IsNull(4)) dataset.schema = inputs_->Text(4);
      if (!inputs_->IsNull(5)) dataset.profile = inputs_->Text(5);
      ROOST_ASSIGN(dataset.tags, Pairs("SELECT name, value FROM input_tags WHERE input_uuid = ?",
                                       inputs_->Text(6)));
      run->datasets.push_back(std::move(dataset));
    }
    inputs_->Reset();
    ROOST_TRY(ReadLinks("RUN_INPUT", run->id, &run->models_in));
    return ReadLinks("RUN_OUTPUT", run->id, &run->models_out);
  }

  Status ReadLinks(const std::string& type, const std::string& run,
                   std::vector<spec::ImportedModelLink>* links) {
    if (!has_input_steps_) return {};
    if (!links_) {
      ROOST_ASSIGN(Query query, db_->Prepare("SELECT destination_id, step FROM inputs WHERE "
                                             "source_type = ? AND source_id = ?"));
      links_.emplace(std::move(query));
    }
    links_->Bind(1, type).Bind(2, run);
    while (true) {
      ROOST_ASSIGN(const bool row, links_->Step());
      if (!row) break;
      links->push_back({links_->Text(0), links_->Int(1)});
    }
    links_->Reset();
    return {};
  }

  Status ReadPointsOf(spec::ImportedRun* run) {
    points_->Bind(1, run->id);
    run->series.clear();
    while (true) {
      ROOST_ASSIGN(const bool row, points_->Step());
      if (!row) break;
      std::string name = points_->Text(0);
      if (run->series.empty() || run->series.back().name != name) {
        run->series.push_back({std::move(name), 0, {}});
      }
      const bool is_nan = points_->Int(4) != 0;
      run->series.back().points.push_back(
          {points_->Int(3), FromMilliseconds(points_->Int(2)),
           is_nan ? std::numeric_limits<double>::quiet_NaN() : points_->Real(1)});
    }
    points_->Reset();
    for (auto& series : run->series) SortHistory(&series.points);
    return {};
  }

  Status ReadModelPoints(const std::string& id, std::vector<ModelPoint>* points) {
    ROOST_ASSIGN(Query query,
                 db_->Prepare("SELECT metric_name, metric_value, metric_timestamp_ms, metric_step, "
                              "run_id, dataset_name, dataset_digest FROM logged_model_metrics "
                              "WHERE model_id = ?"));
    query.Bind(1, id);
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return {};
      const double value =
          query.IsNull(1) ? std::numeric_limits<double>::quiet_NaN() : query.Real(1);
      points->push_back({query.Text(0),
                         {query.Int(3), FromMilliseconds(query.Int(2)), value},
                         query.Text(5),
                         query.Text(6),
                         query.Text(4)});
    }
  }

  Status ReadAliases(RegisteredModel* model) {
    ROOST_ASSIGN(Query query, db_->Prepare("SELECT alias, version FROM registered_model_aliases "
                                           "WHERE name = ?" +
                                           OfWorkspace("AND")));
    query.Bind(1, model->name);
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return {};
      model->aliases.emplace(query.Text(0), query.Int(1));
    }
  }

  Status ReadVersions(bool has_locations, bool has_links, RegisteredModel* model) {
    ROOST_ASSIGN(Query query,
                 db_->Prepare(std::string("SELECT version, creation_time, last_updated_time, "
                                          "description, user_id, current_stage, source, run_id, ") +
                              (has_links ? "run_link, " : "NULL, ") +
                              (has_locations ? "storage_location" : "NULL") +
                              " FROM model_versions WHERE name = ?" + OfWorkspace("AND") +
                              " ORDER BY version"));
    query.Bind(1, model->name);
    ROOST_ASSIGN(Query tags,
                 db_->Prepare("SELECT key, value FROM model_version_tags WHERE name = ? AND "
                              "version = ?" +
                              OfWorkspace("AND")));
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return {};
      Version version;
      version.stage = query.Text(5);
      if (version.stage == kDeletedVersion) continue;
      version.version = query.Int(0);
      version.created_at = TimeAt(query, 1);
      version.updated_at = TimeAt(query, 2);
      version.description = query.Text(3);
      version.user_id = query.Text(4);
      version.source = query.Text(6);
      version.run_id = query.Text(7);
      version.run_link = query.Text(8);
      version.location = query.Text(9);
      tags.Bind(1, model->name).Bind(2, version.version);
      while (true) {
        ROOST_ASSIGN(const bool tag, tags.Step());
        if (!tag) break;
        version.tags.emplace(tags.Text(0), tags.Text(1));
      }
      tags.Reset();
      model->versions.push_back(std::move(version));
    }
  }

  const std::unique_ptr<SqliteFile> db_;
  const fs::path file_;
  const LocalFiles files_;
  bool has_models_ = false;
  bool has_inputs_ = false;
  bool has_input_steps_ = false;
  bool has_workspaces_ = false;
  std::vector<std::string> notes_;
  std::map<std::string, Query> pairs_;  // by their text
  std::optional<Query> points_;
  std::optional<Query> inputs_;
  std::optional<Query> links_;
};

}  // namespace

Result<std::unique_ptr<Source>> OpenSqliteSource(const fs::path& file, const fs::path& artifacts) {
  ROOST_ASSIGN(auto db, SqliteFile::Open(file, SqliteFile::Mode::kRead));
  auto source = std::make_unique<SqliteSource>(std::move(db), file, artifacts);
  ROOST_TRY(source->Begin());
  return source;
}

}  // namespace roost::cli::mlflow
