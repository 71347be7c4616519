#include "store/run_log.h"

#include "store/database.h"
#include "store/rows.h"
#include "store/run_rows.h"

namespace roost::store {
namespace {

struct ChangedParam {
  std::string key;
  std::string old_value;
  std::string new_value;
};

// MLflow's words, which its clients compare: one form for one parameter, another for several.
Error Refused(const std::vector<ChangedParam>& changed, const RunLog& log,
              const std::string& run_id) {
  std::string text = "Changing param values is not allowed. ";
  if (log.params.size() == 1) {
    const ChangedParam& param = changed.front();
    text += "Param with key='" + param.key + "' was already logged with value='" + param.old_value +
            "' for run ID='" + run_id + "'. Attempted logging new value '" + param.new_value + "'.";
    return {ErrorCode::kConflict, std::move(text), {}};
  }
  std::string list;
  for (const ChangedParam& param : changed) {
    list += (list.empty() ? "{'key': '" : ", {'key': '") + param.key + "', 'old_value': '" +
            param.old_value + "', 'new_value': '" + param.new_value + "'}";
  }
  text += "Params were already logged='[" + list + "]' for run ID='" + run_id + "'.";
  return {ErrorCode::kConflict, std::move(text), {}};
}

Status WriteParams(Connection& db, RunKey run, const std::string& run_id, const RunLog& log) {
  ROOST_ASSIGN(Statement add, db.Prepare("INSERT OR IGNORE INTO run_params(run, key, value) "
                                         "VALUES(?, ?, ?)"));
  ROOST_ASSIGN(Statement known,
               db.Prepare("SELECT value FROM run_params WHERE run = ? AND key = ?"));
  std::vector<ChangedParam> changed;
  for (const auto& [key, value] : log.params) {
    ROOST_TRY(add.Bind(1, run.value()).Bind(2, key).Bind(3, value).Run());
    if (db.Changes() > 0) continue;
    ROOST_ASSIGN(const bool row, known.Bind(1, run.value()).Bind(2, key).Step());
    std::string old = row ? known.Text(0) : "";
    known.Reset();
    if (old != value) changed.push_back({key, std::move(old), value});
  }
  if (changed.empty()) return {};
  return Fail(Refused(changed, log, run_id));
}

Status WriteTag(Connection& db, RunKey run, const std::string& key, const std::string& value) {
  ROOST_ASSIGN(Statement put,
               db.Prepare("INSERT INTO run_tags(run, key, value) VALUES(?, ?, ?) ON CONFLICT(run, "
                          "key) DO UPDATE SET value = excluded.value"));
  return put.Bind(1, run.value()).Bind(2, key).Bind(3, value).Run();
}

Status WriteColumn(Connection& db, RunKey run, std::string_view sql, const std::string& value) {
  ROOST_ASSIGN(Statement update, db.Prepare(sql));
  return update.Bind(1, run.value()).Bind(2, value).Run();
}

Status RemoveTag(Connection& db, RunKey run, const std::string& key) {
  ROOST_ASSIGN(Statement remove, db.Prepare("DELETE FROM run_tags WHERE run = ? AND key = ?"));
  return remove.Bind(1, run.value()).Bind(2, key).Run();
}

// The parent is the column or the tag, never both.
Status WriteParent(Connection& db, RunKey run, const std::string& run_id, const RunLog& log) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT 1 FROM runs WHERE id = ? AND lifecycle <> 'deleted'"));
  ROOST_ASSIGN(const bool there, query.Bind(1, *log.parent_id).Step());
  const bool is_run = there && *log.parent_id != run_id;
  ROOST_ASSIGN(Statement update,
               db.Prepare("UPDATE runs SET parent_id = ?2 WHERE key = ?1 AND (kind = 'tracked' OR "
                          "parent_id IS NULL OR parent_id = ?2)"));
  update.Bind(1, run.value());
  is_run ? update.Bind(2, *log.parent_id) : update.BindNull(2);
  ROOST_TRY(update.Run());
  if (db.Changes() == 0) {
    return Fail(ErrorCode::kConflict, "A run that this server started keeps its parent: " +
                                          log.parent_tag + " cannot be changed.");
  }
  return is_run ? RemoveTag(db, run, log.parent_tag)
                : WriteTag(db, run, log.parent_tag, *log.parent_id);
}

}  // namespace

Status WriteRunLog(WriteContext& context, RunKey run, const RunLog& log) {
  ROOST_ASSIGN(const std::string run_id, RequireNotDeleted(context.db, run));
  ROOST_TRY(WriteParams(context.db, run, run_id, log));
  for (const auto& [key, value] : log.tags) ROOST_TRY(WriteTag(context.db, run, key, value));
  for (const auto& [model_id, points] : log.model_points) {
    ROOST_TRY(LoggedModels::AddPoints(context, run, model_id, points));
  }
  if (log.display_name) {
    ROOST_TRY(WriteColumn(context.db, run, "UPDATE runs SET display_name = ?2 WHERE key = ?1",
                          *log.display_name));
  }
  if (log.description) {
    ROOST_TRY(WriteColumn(context.db, run, "UPDATE runs SET description = ?2 WHERE key = ?1",
                          *log.description));
  }
  if (log.parent_id) ROOST_TRY(WriteParent(context.db, run, run_id, log));
  return context.AddEvent("run_changed", run_id, JsonOf({{"run_id", run_id}}));
}

}  // namespace roost::store
