#include <algorithm>
#include <iterator>

#include "store/database.h"
#include "store/model_rows.h"
#include "store/models.h"

// What models have of their own, apart from their versions.
namespace roost::store {
namespace {

Status CheckThere(Connection& db, const std::string& name) {
  ROOST_ASSIGN(const bool is_there, IsModelThere(db, name));
  if (!is_there) return Fail(NoSuchModel(name));
  return {};
}

Status CheckFree(Connection& db, const std::string& name) {
  ROOST_ASSIGN(const bool is_there, IsModelThere(db, name));
  if (!is_there) return {};
  return Fail(ErrorCode::kConflict,
              "There is a model named '" + name + "' already; choose another name.");
}

Status PutTag(Connection& db, const std::string& name, const std::string& key,
              const std::string& value) {
  ROOST_ASSIGN(Statement put, db.Prepare("INSERT INTO model_tags(name, key, value) VALUES(?1, ?2, "
                                         "?3) ON CONFLICT DO UPDATE SET value = ?3"));
  return put.Bind(1, name).Bind(2, key).Bind(3, value).Run();
}

// Moves all rows of `table` that belong to the model.
Status MoveRows(Connection& db, const std::string& table, const std::string& name,
                const std::string& new_name) {
  ROOST_ASSIGN(Statement move, db.Prepare("UPDATE " + table + " SET name = ?2 WHERE name = ?1"));
  return move.Bind(1, name).Bind(2, new_name).Run();
}

Status DeleteRow(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement remove, db.Prepare("DELETE FROM models WHERE name = ?"));
  return remove.Bind(1, name).Run();
}

// The rows that name the model follow it, so the new row comes first and the old one goes last.
Status MoveModel(WriteContext& context, const std::string& name, const std::string& new_name) {
  ROOST_TRY(DeleteRow(context.db, new_name));  // the last number of a model that is gone
  ROOST_ASSIGN(Statement copy,
               context.db.Prepare("INSERT INTO models(name, last_version, registered, description, "
                                  "submitter, created_at, updated_at) SELECT ?2, last_version, "
                                  "1, description, submitter, created_at, updated_at FROM models "
                                  "WHERE name = ?1"));
  ROOST_TRY(copy.Bind(1, name).Bind(2, new_name).Run());
  for (const char* table : {"model_versions", "model_tags", "model_aliases"}) {
    ROOST_TRY(MoveRows(context.db, table, name, new_name));
  }
  ROOST_ASSIGN(Statement touch, context.db.Prepare("UPDATE model_versions SET updated_at = "
                                                   "max(updated_at, ?2) WHERE name = ?1"));
  ROOST_TRY(touch.Bind(1, new_name).Bind(2, context.now).Run());
  return DeleteRow(context.db, name);
}

}  // namespace

Result<Model> Models::Create(const NewModel& model) {
  return database_.Write<Model>(Lane::kState, [&](WriteContext& context) -> Result<Model> {
    ROOST_TRY(CheckFree(context.db, model.name));
    ROOST_ASSIGN(Statement make,
                 context.db.Prepare("INSERT INTO models(name, last_version, registered, "
                                    "description, submitter, created_at, updated_at) VALUES(?1, 0, "
                                    "1, ?2, ?3, ?4, ?4) ON CONFLICT(name) DO UPDATE SET registered "
                                    "= 1, description = ?2, submitter = ?3, created_at = ?4, "
                                    "updated_at = ?4"));
    make.Bind(1, model.name).Bind(2, model.description).Bind(3, model.submitter);
    ROOST_TRY(make.Bind(4, context.now).Run());
    for (const auto& [key, value] : model.tags) {
      ROOST_TRY(PutTag(context.db, model.name, key, value));
    }
    ROOST_TRY(AddModelEvent(context, model.name, {}));
    return LoadModel(context.db, model.name);
  });
}

Result<Model> Models::GetModel(const std::string& name) const {
  return database_.Read<Model>([&](Connection& db) { return LoadModel(db, name); });
}

Result<std::vector<Model>> Models::List(const std::string& after_name, std::size_t limit) const {
  using Found = std::vector<Model>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    static const std::string sql = kSelectModels + "AND m.name > ? ORDER BY m.name LIMIT ?";
    ROOST_ASSIGN(Statement query, db.Prepare(sql));
    return ReadModels(query.Bind(1, after_name).Bind(2, static_cast<std::int64_t>(limit)));
  });
}

Result<Model> Models::Describe(const std::string& name, const std::string& description) {
  return database_.Write<Model>(Lane::kState, [&](WriteContext& context) -> Result<Model> {
    ROOST_TRY(CheckThere(context.db, name));
    ROOST_ASSIGN(Statement update, context.db.Prepare("UPDATE models SET description = ?, "
                                                      "registered = 1 WHERE name = ?"));
    ROOST_TRY(update.Bind(1, description).Bind(2, name).Run());
    ROOST_TRY(TouchModel(context, name));
    ROOST_TRY(AddModelEvent(context, name, {}));
    return LoadModel(context.db, name);
  });
}

Result<Model> Models::Rename(const std::string& name, const std::string& new_name) {
  return database_.Write<Model>(Lane::kState, [&](WriteContext& context) -> Result<Model> {
    ROOST_TRY(CheckThere(context.db, name));
    if (new_name != name) {
      ROOST_TRY(CheckFree(context.db, new_name));
      ROOST_TRY(MoveModel(context, name, new_name));
      ROOST_TRY(AddModelEvent(context, name, {}));
    }
    ROOST_TRY(TouchModel(context, new_name));
    ROOST_TRY(AddModelEvent(context, new_name, {}));
    return LoadModel(context.db, new_name);
  });
}

Status Models::DeleteModel(const std::string& name) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_TRY(CheckThere(context.db, name));
    ROOST_ASSIGN(Statement versions,
                 context.db.Prepare("DELETE FROM model_versions WHERE name = ?"));
    ROOST_TRY(versions.Bind(1, name).Run());
    ROOST_TRY(DeleteRow(context.db, name));
    return AddModelEvent(context, name, {});
  });
}

Status Models::SetTag(const std::string& name, const std::string& key, const std::string& value) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_TRY(CheckThere(context.db, name));
    ROOST_TRY(KeepModel(context.db, name));
    ROOST_TRY(PutTag(context.db, name, key, value));
    return AddModelEvent(context, name, {});
  });
}

Status Models::DeleteTag(const std::string& name, const std::string& key) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_TRY(CheckThere(context.db, name));
    ROOST_ASSIGN(Statement remove,
                 context.db.Prepare("DELETE FROM model_tags WHERE name = ? AND key = ?"));
    ROOST_TRY(remove.Bind(1, name).Bind(2, key).Run());
    return AddModelEvent(context, name, {});
  });
}

Status Models::SetAlias(const std::string& name, const std::string& alias, std::int64_t version) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, VersionKey(context.db, name, version));
    ROOST_ASSIGN(Statement put,
                 context.db.Prepare("INSERT INTO model_aliases(name, alias, model_version) "
                                    "VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET model_version = "
                                    "?3"));
    ROOST_TRY(put.Bind(1, name).Bind(2, alias).Bind(3, key).Run());
    return AddModelEvent(context, name, version);
  });
}

Status Models::DeleteAlias(const std::string& name, const std::string& alias) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_TRY(CheckThere(context.db, name));
    ROOST_ASSIGN(Statement remove,
                 context.db.Prepare("DELETE FROM model_aliases WHERE name = ? AND alias = ?"));
    ROOST_TRY(remove.Bind(1, name).Bind(2, alias).Run());
    return AddModelEvent(context, name, {});
  });
}

Result<std::vector<ModelVersion>> Models::LatestOfStages(
    const std::vector<std::string>& names) const {
  using Found = std::vector<ModelVersion>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    static const std::string sql =
        kSelectVersions +
        "JOIN (SELECT max(version) AS newest, min(version) AS oldest FROM model_versions WHERE "
        "name = ?1 GROUP BY stage) s ON s.newest = v.version WHERE v.name = ?1 ORDER BY s.oldest";
    ROOST_ASSIGN(Statement query, db.Prepare(sql));
    Found all;
    for (const std::string& name : names) {
      ROOST_ASSIGN(Found latest, ReadVersions(query.Bind(1, name)));
      std::move(latest.begin(), latest.end(), std::back_inserter(all));
      query.Reset();
    }
    return all;
  });
}

}  // namespace roost::store
