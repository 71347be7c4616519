#include "store/experiments.h"

#include <array>

#include "base/check.h"
#include "store/database.h"
#include "store/rows.h"
#include "store/search_noun.h"

namespace roost::store {
namespace {

using spec::Lifecycle;

#define ROOST_SELECT_EXPERIMENT                                                              \
  "SELECT id, name, description, lifecycle, created_at, updated_at, artifact_location FROM " \
  "experiments "

constexpr std::array kSearched = {
    Attribute{"name", "@name", FieldType::kText},
    Attribute{"creation_time", "@created_at", FieldType::kMilliseconds},
    Attribute{"last_update_time", "@updated_at", FieldType::kMilliseconds},
    Attribute{"experiment_id", "@id", FieldType::kNumber},
};
const Noun kNoun = {"experiments", "@id", kSearched,
                    "SELECT key, value FROM experiment_tags WHERE experiment = @id UNION ALL "
                    "SELECT 'mlflow.note.content' AS key, @description AS value WHERE @description "
                    "<> ''"};

// Runs that follow their experiment in one write: some 2 ms of work.
constexpr std::int64_t kRunsPerStep = 200;

Result<Experiment> ReadExperiment(Connection& db, const Statement& row) {
  Experiment experiment;
  experiment.id = ExperimentId(row.Int(0));
  experiment.name = row.Text(1);
  experiment.description = row.Text(2);
  const auto lifecycle = spec::ParseLifecycle(row.TextView(3));
  ROOST_CHECK(lifecycle.has_value());
  experiment.lifecycle = *lifecycle;
  experiment.created_at = row.Int(4);
  experiment.updated_at = row.Int(5);
  experiment.artifact_location = row.Text(6);

  ROOST_ASSIGN(Statement tags, db.Prepare("SELECT key, value FROM experiment_tags WHERE "
                                          "experiment = ?"));
  tags.Bind(1, experiment.id.value());
  while (true) {
    ROOST_ASSIGN(const bool has_tag, tags.Step());
    if (!has_tag) return experiment;
    experiment.tags.emplace(tags.Text(0), tags.Text(1));
  }
}

Result<Experiment> Load(Connection& db, ExperimentId id) {
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_EXPERIMENT "WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, id.value()).Step());
  if (row) return ReadExperiment(db, query);
  return Fail(ErrorCode::kNotFound,
              "There is no experiment with the id " + std::to_string(id.value()) + ".");
}

Result<std::optional<Experiment>> FindByName(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_EXPERIMENT "WHERE name = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).Step());
  if (!row) return std::nullopt;
  ROOST_ASSIGN(Experiment found, ReadExperiment(db, query));
  return found;
}

Error DeletedError(const std::string& name) {
  return {ErrorCode::kConflict,
          "The experiment '" + name + "' is deleted. Restore it, or choose another name.",
          {}};
}

Error NameIsTaken(const std::string& name) {
  return {ErrorCode::kConflict, "An experiment named '" + name + "' exists already.", {}};
}

Status AddExperimentEvent(WriteContext& context, ExperimentId id) {
  return context.AddEvent("experiment", "",
                          JsonOf({{"experiment_id", std::to_string(id.value())}}));
}

Status PutTags(Connection& db, ExperimentId id,
               const std::map<std::string, std::optional<std::string>>& tags) {
  ROOST_ASSIGN(Statement put, db.Prepare("INSERT OR REPLACE INTO experiment_tags(experiment, key, "
                                         "value) VALUES(?, ?, ?)"));
  ROOST_ASSIGN(Statement remove,
               db.Prepare("DELETE FROM experiment_tags WHERE experiment = ? AND key = ?"));
  for (const auto& [name, value] : tags) {
    if (value) {
      ROOST_TRY(put.Bind(1, id.value()).Bind(2, name).Bind(3, *value).Run());
    } else {
      ROOST_TRY(remove.Bind(1, id.value()).Bind(2, name).Run());
    }
  }
  return {};
}

Result<Experiment> Insert(WriteContext& context, const NewExperiment& asked) {
  ROOST_ASSIGN(Statement insert,
               context.db.Prepare("INSERT INTO experiments(name, description, lifecycle, "
                                  "created_at, updated_at, artifact_location) VALUES(?1, ?2, "
                                  "'active', ?3, ?3, ?4)"));
  insert.Bind(1, asked.name).Bind(2, asked.description).Bind(3, context.now);
  ROOST_TRY(insert.Bind(4, asked.artifact_location).Run());
  const ExperimentId id(context.db.LastInsertId());
  ROOST_TRY(PutTags(context.db, id, {asked.tags.begin(), asked.tags.end()}));
  ROOST_TRY(AddExperimentEvent(context, id));
  return Load(context.db, id);
}

Status RequireNoActiveRuns(Connection& db, const Experiment& experiment) {
  std::string states;
  for (const spec::RunState state : spec::AllRunStates()) {
    if (spec::IsFinal(state)) continue;
    states += (states.empty() ? "'" : ", '") + std::string(spec::ToString(state)) + "'";
  }
  // By state: few runs are active, while an experiment may have very many.
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT id FROM runs INDEXED BY runs_by_state WHERE state IN (" + states +
                          ") AND experiment = ? AND kind = 'managed' LIMIT 1"));
  ROOST_ASSIGN(const bool row, query.Bind(1, experiment.id.value()).Step());
  if (!row) return {};
  return Fail(ErrorCode::kConflict, "The experiment '" + experiment.name +
                                        "' has runs that are not over, such as '" + query.Text(0) +
                                        "'. Cancel them or wait for them before deleting it.");
}

}  // namespace

Result<Experiment> Experiments::Create(const NewExperiment& asked) {
  return database_.Write<Experiment>(
      Lane::kState, [&](WriteContext& context) -> Result<Experiment> {
        ROOST_ASSIGN(const std::optional<Experiment> known, FindByName(context.db, asked.name));
        if (!known) return Insert(context, asked);
        if (known->lifecycle == Lifecycle::kDeleted) return Fail(DeletedError(asked.name));
        return Fail(NameIsTaken(asked.name));
      });
}

Result<Experiment> Experiments::GetOrCreate(const std::string& name) {
  const Result<Experiment> found = GetByName(name);
  if (found && found->lifecycle != Lifecycle::kDeleted) return found;
  return database_.Write<Experiment>(
      Lane::kState, [&](WriteContext& context) -> Result<Experiment> {
        ROOST_ASSIGN(const std::optional<Experiment> known, FindByName(context.db, name));
        if (!known) return Insert(context, {.name = name});
        if (known->lifecycle == Lifecycle::kDeleted) return Fail(DeletedError(name));
        return *known;
      });
}

Result<Experiment> Experiments::Get(ExperimentId id) const {
  return database_.Read<Experiment>([&](Connection& db) { return Load(db, id); });
}

Result<Experiment> Experiments::GetByName(const std::string& name) const {
  return database_.Read<Experiment>([&](Connection& db) -> Result<Experiment> {
    ROOST_ASSIGN(std::optional<Experiment> found, FindByName(db, name));
    if (found) return std::move(*found);
    return Fail(ErrorCode::kNotFound, "There is no experiment named '" + name + "'.");
  });
}

Result<std::vector<Experiment>> Experiments::List(std::optional<Lifecycle> lifecycle,
                                                  const std::string& after_name,
                                                  std::size_t limit) const {
  using Found = std::vector<Experiment>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare(lifecycle ? ROOST_SELECT_EXPERIMENT
                                "WHERE name > ?1 AND lifecycle = ?3 ORDER BY name LIMIT ?2"
                                      : ROOST_SELECT_EXPERIMENT
                                "WHERE name > ?1 AND lifecycle <> 'deleted' ORDER BY name LIMIT "
                                "?2"));
    query.Bind(1, after_name).Bind(2, static_cast<std::int64_t>(limit));
    if (lifecycle) query.Bind(3, spec::ToString(*lifecycle));
    Found experiments;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return experiments;
      ROOST_ASSIGN(Experiment experiment, ReadExperiment(db, query));
      experiments.push_back(std::move(experiment));
    }
  });
}

Result<ExperimentPage> Experiments::Search(const ExperimentSearch& search) const {
  SqlText only;
  if (search.lifecycle) {
    only = SqlText{"n.lifecycle = ?", {std::string(spec::ToString(*search.lifecycle))}};
  } else if (!search.with_deleted) {
    only = SqlText{"n.lifecycle <> 'deleted'", {}};
  }
  return database_.Read<ExperimentPage>([&](Connection& db) -> Result<ExperimentPage> {
    ROOST_ASSIGN(const NounPage found, SearchNoun(db, kNoun, only, search.search));
    ExperimentPage page;
    page.next_page_token = found.next_page_token;
    for (const std::string& key : found.keys) {
      ROOST_ASSIGN(Experiment experiment, Load(db, ExperimentId(std::stoll(key))));
      page.experiments.push_back(std::move(experiment));
    }
    return page;
  });
}

Status Experiments::Update(ExperimentId id, const std::optional<std::string>& description,
                           const std::map<std::string, std::optional<std::string>>& tags) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const Experiment experiment, Load(context.db, id));
    if (experiment.lifecycle == Lifecycle::kDeleted) return Fail(DeletedError(experiment.name));
    // Tags are no change of the experiment itself, as with MLflow.
    if (description) {
      ROOST_ASSIGN(Statement update,
                   context.db.Prepare("UPDATE experiments SET description = ?2, updated_at = "
                                      "max(updated_at, ?3) WHERE id = ?1"));
      update.Bind(1, id.value()).Bind(2, *description);
      ROOST_TRY(update.Bind(3, context.now).Run());
    }
    ROOST_TRY(PutTags(context.db, id, tags));
    return AddExperimentEvent(context, id);
  });
}

Status Experiments::Rename(ExperimentId id, const std::string& name) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const Experiment experiment, Load(context.db, id));
    if (experiment.lifecycle == Lifecycle::kDeleted) return Fail(DeletedError(experiment.name));
    ROOST_ASSIGN(const std::optional<Experiment> known, FindByName(context.db, name));
    if (known && known->id != id) return Fail(NameIsTaken(name));
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE experiments SET name = ?2, updated_at = "
                                    "max(updated_at, ?3) WHERE id = ?1"));
    ROOST_TRY(update.Bind(1, id.value()).Bind(2, name).Bind(3, context.now).Run());
    return AddExperimentEvent(context, id);
  });
}

Status Experiments::SetLifecycle(ExperimentId id, Lifecycle lifecycle) {
  bool moves_runs = false;
  const Status written = database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const Experiment experiment, Load(context.db, id));
    if (experiment.lifecycle == lifecycle) return {};
    if (lifecycle == Lifecycle::kDeleted) {
      if (id.value() == 0) {
        return Fail(ErrorCode::kConflict,
                    "The default experiment cannot be deleted; archive it instead.");
      }
      ROOST_TRY(RequireNoActiveRuns(context.db, experiment));
    } else if (experiment.lifecycle == Lifecycle::kDeleted && lifecycle == Lifecycle::kArchived) {
      return Fail(DeletedError(experiment.name));
    }
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE experiments SET lifecycle = ?2, updated_at = "
                                    "max(updated_at, ?3), moving_runs = max(moving_runs, ?4) "
                                    "WHERE id = ?1"));
    update.Bind(1, id.value()).Bind(2, spec::ToString(lifecycle)).Bind(3, context.now);
    moves_runs = lifecycle == Lifecycle::kDeleted || experiment.lifecycle == Lifecycle::kDeleted;
    update.Bind(4, moves_runs ? 1 : 0);
    ROOST_TRY(update.Run());
    return AddExperimentEvent(context, id);
  });
  ROOST_TRY(written);
  return moves_runs ? MoveRunsAlong(id, lifecycle) : Status();
}

// In steps, so that other writes get their turn. From the first write on the experiment takes no
// new runs; a stop in between is made good at the next start.
Status Experiments::MoveRunsAlong(ExperimentId id, Lifecycle lifecycle) {
  const bool deletes = lifecycle == Lifecycle::kDeleted;
  bool is_done = false;
  while (!is_done) {
    const Status written = database_.Write(Lane::kBulk, [&](WriteContext& context) -> Status {
      // Someone may have restored it, or deleted it again, in the meantime: their steps count.
      ROOST_ASSIGN(const Experiment experiment, Load(context.db, id));
      if ((experiment.lifecycle == Lifecycle::kDeleted) != deletes) {
        is_done = true;
        return {};
      }
      ROOST_ASSIGN(
          Statement update,
          context.db.Prepare(
              deletes ? "UPDATE runs SET lifecycle_before = lifecycle, lifecycle = 'deleted', "
                        "lifecycle_changed_at = ?3 WHERE key IN (SELECT key FROM runs WHERE "
                        "experiment = ?1 AND lifecycle <> 'deleted' LIMIT ?2)"
                      : "UPDATE runs SET lifecycle = lifecycle_before, lifecycle_before = NULL, "
                        "lifecycle_changed_at = ?3 WHERE key IN (SELECT key FROM runs WHERE "
                        "experiment = ?1 AND lifecycle_before IS NOT NULL LIMIT ?2)"));
      ROOST_TRY(update.Bind(1, id.value()).Bind(2, kRunsPerStep).Bind(3, context.now).Run());
      if (context.db.Changes() == kRunsPerStep) return {};
      is_done = true;
      ROOST_ASSIGN(Statement finish,
                   context.db.Prepare("UPDATE experiments SET moving_runs = 0 WHERE id = ?"));
      ROOST_TRY(finish.Bind(1, id.value()).Run());
      return AddExperimentEvent(context, id);
    });
    ROOST_TRY(written);
  }
  return {};
}

Status Experiments::FinishLifecycleChanges() {
  struct Unfinished {
    ExperimentId id;
    Lifecycle lifecycle;
  };
  using Found = std::vector<Unfinished>;
  const auto read = [](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query, db.Prepare("SELECT id, lifecycle FROM experiments WHERE "
                                             "moving_runs = 1"));
    Found found;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return found;
      const auto lifecycle = spec::ParseLifecycle(query.TextView(1));
      found.push_back({ExperimentId(query.Int(0)), lifecycle.value_or(Lifecycle::kActive)});
    }
  };
  ROOST_ASSIGN(const Found unfinished, database_.Read<Found>(read));
  for (const auto& [id, lifecycle] : unfinished) ROOST_TRY(MoveRunsAlong(id, lifecycle));
  return {};
}

}  // namespace roost::store
