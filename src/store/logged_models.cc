#include "store/logged_models.h"

#include <cmath>

#include "store/database.h"
#include "store/logged_model_rows.h"
#include "store/rows.h"

namespace roost::store {
namespace {

Error NoSuchModel(const std::string& id) {
  return {ErrorCode::kNotFound, "Logged model with ID '" + id + "' not found.", {}};
}

Error NoSuchFile(const std::string& id, const std::string& path) {
  return {ErrorCode::kNotFound, "The logged model " + id + " has no file '" + path + "'.", {}};
}

// Of a model that may be changed: a deleted one may too, until it is collected.
Result<std::int64_t> KeyOf(Connection& db, const std::string& id) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT key FROM logged_models WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, id).Step());
  if (!row) return Fail(NoSuchModel(id));
  return query.Int(0);
}

Status RequireExperiment(Connection& db, ExperimentId experiment) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT name, lifecycle FROM experiments WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, experiment.value()).Step());
  if (!row) {
    return Fail(ErrorCode::kNotFound,
                "There is no experiment with the id " + std::to_string(experiment.value()) + ".");
  }
  if (query.TextView(1) != "deleted") return {};
  return Fail(ErrorCode::kConflict, "The experiment '" + query.Text(0) +
                                        "' is deleted. Restore it, or choose another one.");
}

Status PutTags(Connection& db, std::int64_t key, const std::map<std::string, std::string>& tags) {
  ROOST_ASSIGN(
      Statement put,
      db.Prepare("INSERT OR REPLACE INTO logged_model_tags(model, key, value) VALUES(?, ?, ?)"));
  for (const auto& [name, value] : tags) {
    ROOST_TRY(put.Bind(1, key).Bind(2, name).Bind(3, value).Run());
  }
  return {};
}

Status PutParams(Connection& db, std::int64_t key, const std::string& id,
                 const std::map<std::string, std::string>& params) {
  ROOST_ASSIGN(Statement known,
               db.Prepare("SELECT value FROM logged_model_params WHERE model = ? AND key = ?"));
  ROOST_ASSIGN(Statement put,
               db.Prepare("INSERT INTO logged_model_params(model, key, value) VALUES(?, ?, ?)"));
  for (const auto& [name, value] : params) {
    ROOST_ASSIGN(const bool row, known.Bind(1, key).Bind(2, name).Step());
    if (row && known.TextView(0) != value) {
      return Fail(ErrorCode::kConflict, "The parameter '" + name + "' of the logged model " + id +
                                            " is '" + known.Text(0) +
                                            "' already; a parameter never changes.");
    }
    known.Reset();
    if (!row) ROOST_TRY(put.Bind(1, key).Bind(2, name).Bind(3, value).Run());
  }
  return {};
}

Status Touch(WriteContext& context, std::int64_t key) {
  ROOST_ASSIGN(Statement update, context.db.Prepare("UPDATE logged_models SET updated_at = "
                                                    "max(updated_at, ?2) WHERE key = ?1"));
  return update.Bind(1, key).Bind(2, context.now).Run();
}

LoggedModelFile ReadFileRow(const Statement& row) {
  return {row.Text(0), ReadDigest(row, 1), static_cast<std::uint64_t>(row.Int(2)), row.Int(3)};
}

}  // namespace

std::string_view ToString(LoggedModelStatus status) {
  switch (status) {
    case LoggedModelStatus::kUnspecified:
      return "UNSPECIFIED";
    case LoggedModelStatus::kPending:
      return "PENDING";
    case LoggedModelStatus::kReady:
      return "READY";
    case LoggedModelStatus::kUploadFailed:
      return "UPLOAD_FAILED";
  }
  return "UNSPECIFIED";
}

Result<LoggedModel> LoggedModels::Create(const NewLoggedModel& asked) {
  return database_.Write<LoggedModel>(
      Lane::kState, [&](WriteContext& context) -> Result<LoggedModel> {
        ROOST_TRY(RequireExperiment(context.db, asked.experiment));
        const std::string id = "m-" + RandomHex(16);
        ROOST_ASSIGN(Statement insert,
                     context.db.Prepare("INSERT INTO logged_models(id, experiment, name, status, "
                                        "status_message, model_type, source_run_id, created_at, "
                                        "updated_at) VALUES(?1, ?2, ?3, ?4, '', ?5, ?6, ?7, ?7)"));
        insert.Bind(1, id).Bind(2, asked.experiment.value()).Bind(3, asked.name);
        insert.Bind(4, ToString(LoggedModelStatus::kPending)).Bind(5, asked.model_type);
        ROOST_TRY(insert.Bind(6, asked.source_run_id).Bind(7, context.now).Run());
        const std::int64_t key = context.db.LastInsertId();
        ROOST_TRY(PutTags(context.db, key, asked.tags));
        ROOST_TRY(PutParams(context.db, key, id, asked.params));
        ROOST_ASSIGN(auto made, LoadLoggedModel(context.db, id));
        return std::move(*made);
      });
}

Result<LoggedModel> LoggedModels::Get(const std::string& id, Deleted deleted) const {
  return database_.Read<LoggedModel>([&](Connection& db) -> Result<LoggedModel> {
    ROOST_ASSIGN(auto model, LoadLoggedModel(db, id));
    const bool hidden =
        model && model->lifecycle == spec::Lifecycle::kDeleted && deleted == Deleted::kHidden;
    if (!model || hidden) return Fail(NoSuchModel(id));
    return std::move(*model);
  });
}

Status LoggedModels::SetStatus(const std::string& id, LoggedModelStatus status,
                               const std::string& message) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, KeyOf(context.db, id));
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE logged_models SET status = ?2, status_message = ?3, "
                                    "updated_at = max(updated_at, ?4) WHERE key = ?1"));
    update.Bind(1, key).Bind(2, ToString(status)).Bind(3, message);
    return update.Bind(4, context.now).Run();
  });
}

Status LoggedModels::SetTags(const std::string& id,
                             const std::map<std::string, std::string>& tags) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, KeyOf(context.db, id));
    return PutTags(context.db, key, tags);
  });
}

Status LoggedModels::RemoveTag(const std::string& id, const std::string& tag) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, KeyOf(context.db, id));
    ROOST_ASSIGN(Statement remove,
                 context.db.Prepare("DELETE FROM logged_model_tags WHERE model = ? AND key = ?"));
    ROOST_TRY(remove.Bind(1, key).Bind(2, tag).Run());
    if (context.db.Changes() > 0) return {};
    return Fail(ErrorCode::kNotFound,
                "No tag with key '" + tag + "' found for model with ID '" + id + "'.");
  });
}

Status LoggedModels::AddParams(const std::string& id,
                               const std::map<std::string, std::string>& params) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, KeyOf(context.db, id));
    return PutParams(context.db, key, id, params);
  });
}

Status LoggedModels::Delete(const std::string& id) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, KeyOf(context.db, id));
    ROOST_ASSIGN(
        Statement update,
        context.db.Prepare("UPDATE logged_models SET lifecycle = 'deleted' WHERE key = ?"));
    ROOST_TRY(update.Bind(1, key).Run());
    return Touch(context, key);
  });
}

Status LoggedModels::AddPoints(WriteContext& context, RunKey run, const std::string& model_id,
                               const std::vector<LoggedModelPoint>& points) {
  ROOST_ASSIGN(const std::int64_t key, KeyOf(context.db, model_id));
  ROOST_ASSIGN(Statement put,
               context.db.Prepare("INSERT OR IGNORE INTO logged_model_metrics(model, name, time, "
                                  "step, run, dataset_name, dataset_digest, is_nan, value) "
                                  "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const LoggedModelPoint& point : points) {
    const bool is_nan = std::isnan(point.value);
    put.Bind(1, key).Bind(2, point.name).Bind(3, point.time == 0 ? context.now : point.time);
    put.Bind(4, point.step).Bind(5, run.value());
    put.Bind(6, point.dataset_name).Bind(7, point.dataset_digest);
    ROOST_TRY(put.Bind(8, is_nan ? 1 : 0).Bind(9, is_nan ? 0.0 : point.value).Run());
  }
  return {};
}

Status LoggedModels::AddFile(const std::string& id, const LoggedModelFile& file) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, KeyOf(context.db, id));
    ROOST_ASSIGN(Statement put,
                 context.db.Prepare("INSERT OR REPLACE INTO logged_model_files(model, path, "
                                    "digest, size, created_at) VALUES(?, ?, ?, ?, ?)"));
    put.Bind(1, key).Bind(2, file.path).BindBlob(3, BytesOf(file.digest));
    return put.Bind(4, static_cast<std::int64_t>(file.size)).Bind(5, context.now).Run();
  });
}

Result<LoggedModelFile> LoggedModels::GetFile(const std::string& id,
                                              const std::string& path) const {
  return database_.Read<LoggedModelFile>([&](Connection& db) -> Result<LoggedModelFile> {
    ROOST_ASSIGN(const std::int64_t key, KeyOf(db, id));
    ROOST_ASSIGN(Statement query,
                 db.Prepare("SELECT path, digest, size, created_at FROM logged_model_files WHERE "
                            "model = ? AND path = ?"));
    ROOST_ASSIGN(const bool row, query.Bind(1, key).Bind(2, path).Step());
    if (!row) return Fail(NoSuchFile(id, path));
    return ReadFileRow(query);
  });
}

Result<std::vector<LoggedModelFile>> LoggedModels::ListFiles(const std::string& id,
                                                             const std::string& prefix,
                                                             const std::string& after,
                                                             std::size_t limit) const {
  using Found = std::vector<LoggedModelFile>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(const std::int64_t key, KeyOf(db, id));
    const std::string end = UpperBoundOfPrefix(prefix);
    ROOST_ASSIGN(
        Statement query,
        db.Prepare(end.empty()
                       ? "SELECT path, digest, size, created_at FROM logged_model_files WHERE "
                         "model = ?1 AND path >= ?2 AND path > ?3 ORDER BY path LIMIT ?4"
                       : "SELECT path, digest, size, created_at FROM logged_model_files WHERE "
                         "model = ?1 AND path >= ?2 AND path > ?3 AND path < ?5 ORDER BY path "
                         "LIMIT ?4"));
    query.Bind(1, key).Bind(2, prefix).Bind(3, after);
    query.Bind(4, static_cast<std::int64_t>(limit));
    if (!end.empty()) query.Bind(5, end);
    Found files;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return files;
      files.push_back(ReadFileRow(query));
    }
  });
}

Result<std::size_t> LoggedModels::RemoveFiles(const std::string& id, const std::string& path) {
  return database_.Write<std::size_t>(
      Lane::kState, [&](WriteContext& context) -> Result<std::size_t> {
        ROOST_ASSIGN(const std::int64_t key, KeyOf(context.db, id));
        ROOST_ASSIGN(Statement remove,
                     context.db.Prepare("DELETE FROM logged_model_files WHERE model = ?1 AND "
                                        "(path = ?2 OR (path >= ?3 AND path < ?4))"));
        const std::string below = path + "/";
        remove.Bind(1, key).Bind(2, path).Bind(3, below).Bind(4, UpperBoundOfPrefix(below));
        ROOST_TRY(remove.Run());
        return static_cast<std::size_t>(context.db.Changes());
      });
}

}  // namespace roost::store
