#include "store/models.h"

#include <algorithm>

#include "spec/snapshot.h"
#include "store/database.h"
#include "store/model_rows.h"
#include "store/rows.h"

namespace roost::store {
namespace {

// What the version comes from, copied, so that deleting the run leaves the lineage readable.
struct Lineage {
  std::string experiment_name;
  std::optional<Digest> snapshot;
};

Result<Lineage> ReadLineage(Connection& db, const NewModelVersion& model) {
  const std::string& run_id = model.run_id;
  if (run_id.empty()) return Lineage{};
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT e.name, r.snapshot FROM runs r JOIN experiments "
                                           "e ON e.id = r.experiment WHERE r.id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, run_id).Step());
  if (!row && model.origin == Origin::kMlflow) return Lineage{};
  if (!row) {
    return Fail(ErrorCode::kNotFound, "There is no run with the id '" + run_id + "'.");
  }
  return Lineage{query.Text(0), ReadOptionalDigest(query, 1)};
}

// The file list in the form of a snapshot's, whose id is the digest of its content.
Result<spec::SnapshotManifest> SortedFiles(const NewModelVersion& model) {
  if (model.files.empty() && model.origin == Origin::kNative) {
    return Invalid("files", "A model version needs at least one file.");
  }
  spec::SnapshotManifest tree;
  for (const ModelFile& file : model.files) {
    tree.files.push_back({file.path, file.digest, file.size, false});
  }
  std::sort(tree.files.begin(), tree.files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  const auto twice =
      std::adjacent_find(tree.files.begin(), tree.files.end(),
                         [](const auto& a, const auto& b) { return a.path == b.path; });
  if (twice == tree.files.end()) return tree;
  return Invalid("files", "The path '" + twice->path + "' stands twice in the model's files.");
}

Result<std::int64_t> NextVersion(WriteContext& context, const NewModelVersion& model) {
  ROOST_ASSIGN(const bool is_there, IsModelThere(context.db, model.name));
  if (!is_there && model.origin == Origin::kMlflow) return Fail(NoSuchModel(model.name));
  if (!is_there) {
    ROOST_ASSIGN(Statement make,
                 context.db.Prepare("INSERT INTO models(name, last_version, submitter, created_at, "
                                    "updated_at) VALUES(?1, 0, ?2, ?3, ?3) ON CONFLICT(name) DO "
                                    "UPDATE SET submitter = ?2, created_at = ?3, updated_at = ?3"));
    ROOST_TRY(make.Bind(1, model.name).Bind(2, model.submitter).Bind(3, context.now).Run());
  }
  ROOST_ASSIGN(Statement next,
               context.db.Prepare("UPDATE models SET last_version = last_version + 1, updated_at = "
                                  "max(updated_at, ?2) WHERE name = ?1 RETURNING last_version"));
  ROOST_TRY(next.Bind(1, model.name).Bind(2, context.now).Step());
  return next.Int(0);
}

Status PutVersionTag(Connection& db, std::int64_t version_key, const std::string& key,
                     const std::string& value) {
  ROOST_ASSIGN(Statement put,
               db.Prepare("INSERT INTO model_version_tags(model_version, key, value) VALUES(?1, "
                          "?2, ?3) ON CONFLICT DO UPDATE SET value = ?3"));
  return put.Bind(1, version_key).Bind(2, key).Bind(3, value).Run();
}

Status RemoveVersionTag(Connection& db, std::int64_t version_key, const std::string& key) {
  ROOST_ASSIGN(Statement remove, db.Prepare("DELETE FROM model_version_tags WHERE model_version = "
                                            "? AND key = ?"));
  return remove.Bind(1, version_key).Bind(2, key).Run();
}

Status AddVersionProperties(Connection& db, std::int64_t version_key,
                            const std::map<std::string, std::string>& properties) {
  std::map<std::string, std::string> kept;
  {
    ROOST_ASSIGN(Statement query,
                 db.Prepare("SELECT properties FROM model_versions WHERE key = ?"));
    ROOST_TRY(query.Bind(1, version_key).Step());
    kept = ReadJsonMap(query.TextView(0));
  }
  for (const auto& [name, value] : properties) {
    if (kept.emplace(name, value).first->second == value) continue;
    return Fail(ErrorCode::kConflict, "The model version's property '" + name +
                                          "' has a value already; properties never change. Use a "
                                          "tag for what may.");
  }
  ROOST_ASSIGN(Statement update,
               db.Prepare("UPDATE model_versions SET properties = ?2 WHERE key = ?1"));
  return update.Bind(1, version_key).Bind(2, JsonOf(kept)).Run();
}

Status InsertVersion(WriteContext& context, const NewModelVersion& model, std::int64_t version,
                     const spec::SnapshotManifest& tree, const Lineage& lineage) {
  const Digest tree_id = tree.Id();
  ROOST_ASSIGN(
      Statement insert,
      context.db.Prepare(
          "INSERT INTO model_versions(name, version, description, properties, framework, "
          "framework_version, source, location, run_id, run_link, logged_model_id, "
          "experiment_name, snapshot, submitter, tree, bytes, file_count, idempotency_key, "
          "created_at, updated_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
          "?14, ?15, ?16, ?17, ?18, ?19, ?19)"));
  insert.Bind(1, model.name).Bind(2, version).Bind(3, model.description);
  insert.Bind(4, JsonOf(model.properties)).Bind(5, model.framework);
  insert.Bind(6, model.framework_version).Bind(7, model.source).Bind(8, model.location);
  insert.Bind(9, model.run_id).Bind(10, model.run_link).Bind(11, model.logged_model_id);
  insert.Bind(12, lineage.experiment_name);
  BindOptionalDigest(insert, 13, lineage.snapshot);
  insert.Bind(14, model.submitter).BindBlob(15, BytesOf(tree_id));
  insert.Bind(16, static_cast<std::int64_t>(tree.TotalBytes()));
  insert.Bind(17, static_cast<std::int64_t>(tree.files.size()));
  BindOptionalText(insert, 18, model.idempotency_key);
  ROOST_TRY(insert.Bind(19, context.now).Run());

  const std::int64_t key = context.db.LastInsertId();
  for (const auto& [tag, value] : model.tags) {
    ROOST_TRY(PutVersionTag(context.db, key, tag, value));
  }
  ROOST_ASSIGN(Statement file, context.db.Prepare("INSERT INTO model_files(model_version, path, "
                                                  "digest, size) VALUES(?, ?, ?, ?)"));
  for (const spec::SnapshotFile& entry : tree.files) {
    file.Bind(1, key).Bind(2, entry.path).BindBlob(3, BytesOf(entry.digest));
    ROOST_TRY(file.Bind(4, static_cast<std::int64_t>(entry.size)).Run());
  }
  return {};
}

Status ChangeVersion(WriteContext& context, std::int64_t key,
                     const std::optional<std::string>& description) {
  ROOST_ASSIGN(Statement update,
               context.db.Prepare("UPDATE model_versions SET description = ifnull(?1, "
                                  "description), updated_at = max(updated_at, ?2) WHERE key = ?3"));
  if (description) {
    update.Bind(1, *description);
  } else {
    update.BindNull(1);
  }
  return update.Bind(2, context.now).Bind(3, key).Run();
}

}  // namespace

Result<Models::Registered> Models::Register(const NewModelVersion& model) {
  ROOST_ASSIGN(const spec::SnapshotManifest tree, SortedFiles(model));
  using Made = Registered;
  return database_.Write<Made>(Lane::kState, [&](WriteContext& context) -> Result<Made> {
    if (!model.idempotency_key.empty()) {
      static const std::string sql = kSelectVersions + "WHERE v.idempotency_key = ?";
      ROOST_ASSIGN(Statement query, context.db.Prepare(sql));
      ROOST_ASSIGN(auto known, ReadVersions(query.Bind(1, model.idempotency_key)));
      if (!known.empty()) return Made{std::move(known.front()), false};
    }
    ROOST_ASSIGN(const Lineage lineage, ReadLineage(context.db, model));
    ROOST_ASSIGN(const std::int64_t version, NextVersion(context, model));
    ROOST_TRY(InsertVersion(context, model, version, tree, lineage));
    ROOST_TRY(AddModelEvent(context, model.name, version));
    ROOST_ASSIGN(ModelVersion made, LoadVersion(context.db, model.name, version));
    return Made{std::move(made), true};
  });
}

Result<std::vector<ModelVersion>> Models::Versions(const std::string& name) const {
  using Found = std::vector<ModelVersion>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    static const std::string sql = kSelectVersions + "WHERE v.name = ? ORDER BY v.version DESC";
    ROOST_ASSIGN(Statement query, db.Prepare(sql));
    ROOST_ASSIGN(Found versions, ReadVersions(query.Bind(1, name)));
    if (!versions.empty()) return versions;
    ROOST_ASSIGN(const bool is_there, IsModelThere(db, name));
    if (!is_there) return Fail(NoSuchModel(name));
    return versions;
  });
}

Result<std::vector<ModelVersion>> Models::OfRun(const std::string& run_id) const {
  using Found = std::vector<ModelVersion>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    static const std::string sql =
        kSelectVersions + "WHERE v.run_id = ? AND v.run_id <> '' ORDER BY v.key";
    ROOST_ASSIGN(Statement query, db.Prepare(sql));
    return ReadVersions(query.Bind(1, run_id));
  });
}

Result<ModelVersion> Models::Get(const std::string& name,
                                 std::optional<std::int64_t> version) const {
  return database_.Read<ModelVersion>(
      [&](Connection& db) { return LoadVersion(db, name, version); });
}

Result<std::vector<ModelFile>> Models::Files(const std::string& name, std::int64_t version) const {
  using Found = std::vector<ModelFile>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_TRY(LoadVersion(db, name, version));
    ROOST_ASSIGN(
        Statement query,
        db.Prepare("SELECT f.path, f.digest, f.size FROM model_versions v JOIN model_files "
                   "f ON f.model_version = v.key WHERE v.name = ? AND v.version = ? ORDER "
                   "BY f.path"));
    query.Bind(1, name).Bind(2, version);
    Found files;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return files;
      files.push_back(
          {query.Text(0), ReadDigest(query, 1), static_cast<std::uint64_t>(query.Int(2))});
    }
  });
}

Status Models::Update(const std::string& name, std::int64_t version,
                      const std::optional<std::string>& description,
                      const std::map<std::string, std::optional<std::string>>& tags,
                      const std::map<std::string, std::string>& properties) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, VersionKey(context.db, name, version));
    if (!properties.empty()) ROOST_TRY(AddVersionProperties(context.db, key, properties));
    for (const auto& [tag, value] : tags) {
      ROOST_TRY(value ? PutVersionTag(context.db, key, tag, *value)
                      : RemoveVersionTag(context.db, key, tag));
    }
    ROOST_TRY(ChangeVersion(context, key, description));
    ROOST_TRY(TouchModel(context, name));
    return AddModelEvent(context, name, version);
  });
}

Result<ModelVersion> Models::DescribeVersion(const std::string& name, std::int64_t version,
                                             const std::string& description) {
  using Changed = ModelVersion;
  return database_.Write<Changed>(Lane::kState, [&](WriteContext& context) -> Result<Changed> {
    ROOST_ASSIGN(const std::int64_t key, VersionKey(context.db, name, version));
    ROOST_TRY(ChangeVersion(context, key, description));
    ROOST_TRY(AddModelEvent(context, name, version));
    return LoadVersion(context.db, name, version);
  });
}

Status Models::SetVersionTag(const std::string& name, std::int64_t version, const std::string& key,
                             const std::string& value) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t row, VersionKey(context.db, name, version));
    ROOST_TRY(PutVersionTag(context.db, row, key, value));
    return AddModelEvent(context, name, version);
  });
}

Status Models::DeleteVersionTag(const std::string& name, std::int64_t version,
                                const std::string& key) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t row, VersionKey(context.db, name, version));
    ROOST_TRY(RemoveVersionTag(context.db, row, key));
    return AddModelEvent(context, name, version);
  });
}

Result<ModelVersion> Models::MoveToStage(const std::string& name, std::int64_t version,
                                         spec::ModelStage stage, Others others) {
  using Moved = ModelVersion;
  return database_.Write<Moved>(Lane::kState, [&](WriteContext& context) -> Result<Moved> {
    ROOST_ASSIGN(const std::int64_t key, VersionKey(context.db, name, version));
    ROOST_ASSIGN(Statement move,
                 context.db.Prepare("UPDATE model_versions SET stage = ?1, updated_at = "
                                    "max(updated_at, ?2) WHERE name = ?3 AND iif(?4, key <> ?5 AND "
                                    "stage = ?6, key = ?5)"));
    const auto run = [&](spec::ModelStage to, bool is_others) {
      move.Bind(1, spec::ToString(to)).Bind(2, context.now).Bind(3, name);
      return move.Bind(4, is_others ? 1 : 0).Bind(5, key).Bind(6, spec::ToString(stage)).Run();
    };
    if (others == Others::kAreArchived) ROOST_TRY(run(spec::ModelStage::kArchived, true));
    ROOST_TRY(run(stage, false));
    ROOST_TRY(TouchModel(context, name));
    ROOST_TRY(AddModelEvent(context, name, version));
    return LoadVersion(context.db, name, version);
  });
}

Status Models::Delete(const std::string& name, std::int64_t version, LastVersion last) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, VersionKey(context.db, name, version));
    ROOST_ASSIGN(Statement remove, context.db.Prepare("DELETE FROM model_versions WHERE key = ?"));
    ROOST_TRY(remove.Bind(1, key).Run());
    ROOST_TRY(TouchModel(context, name));
    if (last == LastVersion::kLeavesModel) ROOST_TRY(KeepModel(context.db, name));
    return AddModelEvent(context, name, version);
  });
}

}  // namespace roost::store
