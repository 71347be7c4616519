#include "store/model_import.h"

#include <algorithm>

#include "spec/snapshot.h"
#include "store/blobs.h"
#include "store/database.h"
#include "store/model_rows.h"
#include "store/rows.h"

namespace roost::store {
namespace {

Result<std::optional<std::int64_t>> FindNumber(Connection& db, std::string_view sql,
                                               const std::string& text) {
  ROOST_ASSIGN(Statement query, db.Prepare(sql));
  ROOST_ASSIGN(const bool row, query.Bind(1, text).Step());
  if (!row) return std::nullopt;
  return query.Int(0);
}

Result<std::optional<std::int64_t>> FindLoggedModel(Connection& db, const std::string& id) {
  return FindNumber(db, "SELECT key FROM logged_models WHERE id = ?", id);
}

Result<std::int64_t> InsertLoggedModel(WriteContext& context, const LoggedModel& model) {
  ROOST_ASSIGN(Statement experiment, context.db.Prepare("SELECT 1 FROM experiments WHERE id = ?"));
  ROOST_ASSIGN(const bool is_there, experiment.Bind(1, model.experiment.value()).Step());
  if (!is_there) {
    return Fail(ErrorCode::kNotFound, "There is no experiment with the id " +
                                          std::to_string(model.experiment.value()) + ".");
  }
  ROOST_ASSIGN(
      Statement insert,
      context.db.Prepare("INSERT INTO logged_models(id, experiment, name, status, status_message, "
                         "model_type, source_run_id, lifecycle, created_at, updated_at) "
                         "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.Bind(1, model.id).Bind(2, model.experiment.value()).Bind(3, model.name);
  insert.Bind(4, ToString(model.status)).Bind(5, model.status_message);
  insert.Bind(6, model.model_type).Bind(7, model.source_run_id);
  insert.Bind(8, spec::ToString(model.lifecycle)).Bind(9, model.created_at);
  ROOST_TRY(insert.Bind(10, model.updated_at).Run());
  return context.db.LastInsertId();
}

// What is there stays. True when something was added.
template <class Key>
Result<bool> PutPairs(Connection& db, const std::string& table, const std::string& owner, Key key,
                      const std::map<std::string, std::string>& pairs) {
  ROOST_ASSIGN(Statement put, db.Prepare("INSERT OR IGNORE INTO " + table + "(" + owner +
                                         ", key, value) VALUES(?, ?, ?)"));
  bool added = false;
  for (const auto& [name, value] : pairs) {
    ROOST_TRY(put.Bind(1, key).Bind(2, name).Bind(3, value).Run());
    added = added || db.Changes() > 0;
  }
  return added;
}

// True: added.
Result<bool> PutPoints(WriteContext& context, const LoggedModel& model, std::int64_t* left_out) {
  bool added = false;
  for (const LoggedModelPoint& point : model.metrics) {
    ROOST_ASSIGN(const auto run,
                 FindNumber(context.db, "SELECT key FROM runs WHERE id = ?", point.run_id));
    if (!run) {
      ++*left_out;
      continue;
    }
    ROOST_TRY(LoggedModels::AddPoints(context, RunKey(*run), model.id, {point}));
    added = added || context.db.Changes() > 0;
  }
  return added;
}

spec::SnapshotManifest TreeOf(const std::vector<ModelFile>& files) {
  spec::SnapshotManifest tree;
  for (const ModelFile& file : files) {
    tree.files.push_back({file.path, file.digest, file.size, false});
  }
  std::sort(tree.files.begin(), tree.files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return tree;
}

Result<bool> PutModel(WriteContext& context, const ImportedModel& model,
                      const std::string& submitter) {
  ROOST_ASSIGN(const bool is_there, IsModelThere(context.db, model.name));
  if (is_there) {
    ROOST_ASSIGN(Statement describe,
                 context.db.Prepare("UPDATE models SET description = ?2 WHERE name = ?1 AND "
                                    "description = '' AND ?2 <> ''"));
    ROOST_TRY(describe.Bind(1, model.name).Bind(2, model.description).Run());
    return context.db.Changes() > 0;
  }
  ROOST_ASSIGN(Statement make,
               context.db.Prepare("INSERT INTO models(name, last_version, registered, "
                                  "description, submitter, created_at, updated_at) VALUES(?1, 0, "
                                  "1, ?2, ?3, ?4, ?5) ON CONFLICT(name) DO UPDATE SET registered "
                                  "= 1, description = ?2, submitter = ?3, created_at = ?4, "
                                  "updated_at = ?5"));
  make.Bind(1, model.name).Bind(2, model.description).Bind(3, submitter);
  ROOST_TRY(make.Bind(4, model.created_at).Bind(5, model.updated_at).Run());
  return true;
}

Status PutFiles(Connection& db, std::int64_t key, const spec::SnapshotManifest& tree) {
  ROOST_ASSIGN(Statement put, db.Prepare("INSERT INTO model_files(model_version, path, digest, "
                                         "size) VALUES(?, ?, ?, ?)"));
  for (const spec::SnapshotFile& file : tree.files) {
    put.Bind(1, key).Bind(2, file.path).BindBlob(3, BytesOf(file.digest));
    ROOST_TRY(put.Bind(4, static_cast<std::int64_t>(file.size)).Run());
  }
  return {};
}

// A version that was imported before its files were here gets them now.
Result<bool> CompleteFiles(Connection& db, std::int64_t key, const ImportedVersion& imported) {
  const spec::SnapshotManifest tree = TreeOf(imported.files);
  const Digest tree_id = tree.Id();
  ROOST_ASSIGN(Statement update,
               db.Prepare("UPDATE model_versions SET tree = ?2, bytes = ?3, file_count = ?4, "
                          "location = ?5 WHERE key = ?1 AND file_count = 0 AND ?4 > 0"));
  update.Bind(1, key).BindBlob(2, BytesOf(tree_id));
  update.Bind(3, static_cast<std::int64_t>(tree.TotalBytes()));
  update.Bind(4, static_cast<std::int64_t>(tree.files.size()));
  ROOST_TRY(update.Bind(5, imported.version.location).Run());
  if (db.Changes() == 0) return false;
  ROOST_TRY(PutFiles(db, key, tree));
  return true;
}

Result<std::int64_t> InsertVersion(WriteContext& context, const ImportedVersion& imported,
                                   const std::string& submitter) {
  const ModelVersion& version = imported.version;
  const spec::SnapshotManifest tree = TreeOf(imported.files);
  const Digest tree_id = tree.Id();
  ROOST_ASSIGN(Statement insert,
               context.db.Prepare(
                   "INSERT INTO model_versions(name, version, description, properties, framework, "
                   "framework_version, source, location, run_id, run_link, logged_model_id, "
                   "experiment_name, snapshot, submitter, tree, bytes, file_count, created_at, "
                   "updated_at, stage) SELECT ?1, ?2, ?3, '{}', '', '', ?4, ?5, ?6, ?7, ?8, "
                   "ifnull((SELECT e.name FROM runs r JOIN experiments e ON e.id = r.experiment "
                   "WHERE r.id = ?6), ''), NULL, ?9, ?10, ?11, ?12, ?13, ?14, ?15"));
  insert.Bind(1, version.name).Bind(2, version.version).Bind(3, version.description);
  insert.Bind(4, version.source).Bind(5, version.location).Bind(6, version.run_id);
  insert.Bind(7, version.run_link).Bind(8, version.logged_model_id);
  insert.Bind(9, version.submitter.empty() ? submitter : version.submitter);
  insert.BindBlob(10, BytesOf(tree_id)).Bind(11, static_cast<std::int64_t>(tree.TotalBytes()));
  insert.Bind(12, static_cast<std::int64_t>(tree.files.size()));
  insert.Bind(13, version.created_at).Bind(14, version.updated_at);
  ROOST_TRY(insert.Bind(15, spec::ToString(version.stage)).Run());
  const std::int64_t key = context.db.LastInsertId();
  ROOST_TRY(PutFiles(context.db, key, tree));
  ROOST_ASSIGN(Statement raise, context.db.Prepare("UPDATE models SET last_version = "
                                                   "max(last_version, ?2) WHERE name = ?1"));
  ROOST_TRY(raise.Bind(1, version.name).Bind(2, version.version).Run());
  return key;
}

Result<bool> PutVersion(WriteContext& context, const ImportedVersion& imported,
                        const std::string& submitter) {
  const ModelVersion& version = imported.version;
  ROOST_ASSIGN(Statement query, context.db.Prepare("SELECT key, source FROM model_versions WHERE "
                                                   "name = ? AND version = ?"));
  ROOST_ASSIGN(const bool is_there, query.Bind(1, version.name).Bind(2, version.version).Step());
  std::int64_t key = is_there ? query.Int(0) : 0;
  const std::string source = is_there ? query.Text(1) : version.source;
  query.Reset();
  if (source != version.source) {
    return Fail(ErrorCode::kConflict, "The model '" + version.name + "' has a version " +
                                          std::to_string(version.version) +
                                          " from another source ('" + source +
                                          "') here. Rename the model here and import again.");
  }
  bool changed = !is_there;
  if (is_there) {
    ROOST_ASSIGN(changed, CompleteFiles(context.db, key, imported));
  } else {
    ROOST_ASSIGN(key, InsertVersion(context, imported, submitter));
  }
  ROOST_ASSIGN(const bool tagged,
               PutPairs(context.db, "model_version_tags", "model_version", key, version.tags));
  return changed || tagged;
}

Result<bool> PutAliases(Connection& db, const ImportedModel& model) {
  ROOST_ASSIGN(Statement put,
               db.Prepare("INSERT OR IGNORE INTO model_aliases(name, alias, model_version) SELECT "
                          "?1, ?2, key FROM model_versions WHERE name = ?1 AND version = ?3"));
  bool added = false;
  for (const auto& [alias, version] : model.aliases) {
    ROOST_TRY(put.Bind(1, model.name).Bind(2, alias).Bind(3, version).Run());
    added = added || db.Changes() > 0;
  }
  return added;
}

}  // namespace

Result<ModelImport::AddedModel> ModelImport::AddLoggedModel(const LoggedModel& model) {
  using Added = AddedModel;
  return database_.Write<Added>(Lane::kBulk, [&](WriteContext& context) -> Result<Added> {
    Added added;
    ROOST_ASSIGN(auto key, FindLoggedModel(context.db, model.id));
    const bool is_new = !key;
    if (is_new) {
      ROOST_ASSIGN(key, InsertLoggedModel(context, model));
    }
    ROOST_ASSIGN(const bool tags,
                 PutPairs(context.db, "logged_model_tags", "model", *key, model.tags));
    ROOST_ASSIGN(const bool params,
                 PutPairs(context.db, "logged_model_params", "model", *key, model.params));
    ROOST_ASSIGN(const bool points, PutPoints(context, model, &added.points_left_out));
    added.outcome = is_new                     ? ImportOutcome::kCreated
                    : tags || params || points ? ImportOutcome::kChanged
                                               : ImportOutcome::kUnchanged;
    return added;
  });
}

Result<RunImport::AddedFiles> ModelImport::AddFiles(const std::string& model_id,
                                                    const std::vector<LoggedModelFile>& files) {
  std::vector<Digest> digests;
  for (const LoggedModelFile& file : files) digests.push_back(file.digest);
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  RunImport::AddedFiles added;
  added.missing = blobs_.Missing(digests);
  if (!added.missing.empty()) return added;

  using Added = RunImport::AddedFiles;
  return database_.Write<Added>(Lane::kBulk, [&](WriteContext& context) -> Result<Added> {
    Added done;
    ROOST_ASSIGN(const auto key, FindLoggedModel(context.db, model_id));
    if (!key) {
      return Fail(ErrorCode::kNotFound, "There is no logged model with the id '" + model_id + "'.");
    }
    ROOST_ASSIGN(
        Statement put,
        context.db.Prepare("INSERT INTO logged_model_files(model, path, digest, size, created_at) "
                           "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET digest = ?3, "
                           "size = ?4 WHERE digest <> ?3"));
    for (const LoggedModelFile& file : files) {
      put.Bind(1, *key).Bind(2, file.path).BindBlob(3, BytesOf(file.digest));
      put.Bind(4, static_cast<std::int64_t>(file.size));
      ROOST_TRY(put.Bind(5, file.created_at == 0 ? context.now : file.created_at).Run());
      context.db.Changes() > 0 ? ++done.added : ++done.unchanged;
    }
    return done;
  });
}

Result<ImportOutcome> ModelImport::AddModel(const ImportedModel& model,
                                            const std::string& submitter) {
  using Outcome = ImportOutcome;
  return database_.Write<Outcome>(Lane::kBulk, [&](WriteContext& context) -> Result<Outcome> {
    ROOST_ASSIGN(const bool was_there, IsModelThere(context.db, model.name));
    ROOST_ASSIGN(bool changed, PutModel(context, model, submitter));
    ROOST_ASSIGN(const bool tagged, PutPairs(context.db, "model_tags", "name",
                                             std::string_view(model.name), model.tags));
    changed = changed || tagged;
    for (const ImportedVersion& version : model.versions) {
      ROOST_ASSIGN(const bool added, PutVersion(context, version, submitter));
      changed = changed || added;
    }
    ROOST_ASSIGN(const bool aliased, PutAliases(context.db, model));
    if (!changed && !aliased) return Outcome::kUnchanged;
    ROOST_TRY(AddModelEvent(context, model.name, {}));
    return was_there ? Outcome::kChanged : Outcome::kCreated;
  });
}

}  // namespace roost::store
