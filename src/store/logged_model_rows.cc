#include "store/logged_model_rows.h"

#include <limits>

#include "store/rows.h"

namespace roost::store {
namespace {

#define ROOST_SELECT_LOGGED_MODEL                                                         \
  "SELECT key, id, experiment, name, status, status_message, model_type, source_run_id, " \
  "lifecycle, created_at, updated_at FROM logged_models "

LoggedModelStatus ParseStatus(std::string_view word) {
  for (const auto status :
       {LoggedModelStatus::kPending, LoggedModelStatus::kReady, LoggedModelStatus::kUploadFailed}) {
    if (ToString(status) == word) return status;
  }
  return LoggedModelStatus::kUnspecified;
}

LoggedModel ReadRow(const Statement& row) {
  LoggedModel model;
  model.key = row.Int(0);
  model.id = row.Text(1);
  model.experiment = ExperimentId(row.Int(2));
  model.name = row.Text(3);
  model.status = ParseStatus(row.TextView(4));
  model.status_message = row.Text(5);
  model.model_type = row.Text(6);
  model.source_run_id = row.Text(7);
  model.lifecycle =
      row.TextView(8) == "deleted" ? spec::Lifecycle::kDeleted : spec::Lifecycle::kActive;
  model.created_at = row.Int(9);
  model.updated_at = row.Int(10);
  return model;
}

Status ReadPairs(Connection& db, std::string_view sql, std::int64_t key,
                 std::map<std::string, std::string>* to) {
  ROOST_ASSIGN(Statement query, db.Prepare(sql));
  query.Bind(1, key);
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return {};
    to->emplace(query.Text(0), query.Text(1));
  }
}

Status ReadPoints(Connection& db, std::int64_t key, std::vector<LoggedModelPoint>* to) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT m.name, m.value, m.time, m.step, m.dataset_name, "
                          "m.dataset_digest, r.id, m.is_nan FROM logged_model_metrics m JOIN runs "
                          "r ON r.key = m.run WHERE m.model = ? ORDER BY m.name, m.time, m.step"));
  query.Bind(1, key);
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return {};
    const double value =
        query.Int(7) != 0 ? std::numeric_limits<double>::quiet_NaN() : query.Real(1);
    to->push_back({query.Text(0), value, query.Int(2), query.Int(3), query.Text(4), query.Text(5),
                   query.Text(6)});
  }
}

Status ReadRest(Connection& db, LoggedModel* model) {
  ROOST_TRY(ReadPairs(db, "SELECT key, value FROM logged_model_tags WHERE model = ?", model->key,
                      &model->tags));
  ROOST_TRY(ReadPairs(db, "SELECT key, value FROM logged_model_params WHERE model = ?", model->key,
                      &model->params));
  return ReadPoints(db, model->key, &model->metrics);
}

}  // namespace

Result<std::optional<LoggedModel>> LoadLoggedModel(Connection& db, const std::string& id) {
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_LOGGED_MODEL "WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, id).Step());
  if (!row) return std::optional<LoggedModel>();
  LoggedModel model = ReadRow(query);
  ROOST_TRY(ReadRest(db, &model));
  return std::optional<LoggedModel>(std::move(model));
}

Result<std::vector<LoggedModel>> LoadLoggedModels(Connection& db,
                                                  const std::vector<std::int64_t>& keys) {
  std::vector<LoggedModel> models;
  models.reserve(keys.size());
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_LOGGED_MODEL "WHERE key = ?"));
  for (const std::int64_t key : keys) {
    ROOST_ASSIGN(const bool row, query.Bind(1, key).Step());
    if (row) models.push_back(ReadRow(query));
    query.Reset();
    if (row) ROOST_TRY(ReadRest(db, &models.back()));
  }
  return models;
}

}  // namespace roost::store
