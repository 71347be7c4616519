#include "store/models.h"

#include <algorithm>

#include "spec/snapshot.h"
#include "store/database.h"
#include "store/rows.h"

namespace roost::store {
namespace {

#define ROOST_SELECT_VERSION                                                                    \
  "SELECT name, version, description, tags, properties, framework, framework_version, source, " \
  "run_id, experiment_name, snapshot, submitter, tree, bytes, file_count, created_at, "         \
  "updated_at, key FROM model_versions "

ModelVersion ReadVersion(const Statement& row) {
  ModelVersion version;
  version.name = row.Text(0);
  version.version = row.Int(1);
  version.description = row.Text(2);
  version.tags = ReadJsonMap(row.TextView(3));
  version.properties = ReadJsonMap(row.TextView(4));
  version.framework = row.Text(5);
  version.framework_version = row.Text(6);
  version.source = row.Text(7);
  version.run_id = row.Text(8);
  version.experiment_name = row.Text(9);
  version.snapshot = ReadOptionalDigest(row, 10);
  version.submitter = row.Text(11);
  version.tree = ReadDigest(row, 12);
  version.bytes = static_cast<std::uint64_t>(row.Int(13));
  version.file_count = row.Int(14);
  version.created_at = row.Int(15);
  version.updated_at = row.Int(16);
  return version;
}

Result<std::vector<ModelVersion>> ReadVersions(Statement& query) {
  std::vector<ModelVersion> versions;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return versions;
    versions.push_back(ReadVersion(query));
  }
}

Error NoSuchVersion(const std::string& name, std::optional<std::int64_t> version) {
  std::string what = "There is no model named '" + name + "'.";
  if (version) {
    what = "The model '" + name + "' has no version " + std::to_string(*version) + ".";
  }
  return {ErrorCode::kNotFound, std::move(what), {}};
}

// What the version comes from, copied, so that deleting the run leaves the lineage readable.
struct Lineage {
  std::string experiment_name;
  std::optional<Digest> snapshot;
};

Result<Lineage> ReadLineage(Connection& db, const std::string& run_id) {
  if (run_id.empty()) return Lineage{};
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT e.name, r.snapshot FROM runs r JOIN experiments "
                                           "e ON e.id = r.experiment WHERE r.id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, run_id).Step());
  if (!row) {
    return Fail(ErrorCode::kNotFound, "There is no run with the id '" + run_id + "'.");
  }
  return Lineage{query.Text(0), ReadOptionalDigest(query, 1)};
}

// The file list in the form of a snapshot's, whose id is the digest of its content.
Result<spec::SnapshotManifest> SortedFiles(const NewModelVersion& model) {
  if (model.files.empty()) {
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

Result<std::int64_t> NextVersion(Connection& db, const std::string& name) {
  ROOST_ASSIGN(
      Statement next,
      db.Prepare("INSERT INTO models(name, last_version) VALUES(?, 1) ON CONFLICT(name) DO "
                 "UPDATE SET last_version = last_version + 1 RETURNING last_version"));
  ROOST_TRY(next.Bind(1, name).Step());
  return next.Int(0);
}

Status InsertVersion(WriteContext& context, const NewModelVersion& model, std::int64_t version,
                     const spec::SnapshotManifest& tree, const Lineage& lineage) {
  const Digest tree_id = tree.Id();
  ROOST_ASSIGN(
      Statement insert,
      context.db.Prepare("INSERT INTO model_versions(name, version, description, tags, properties, "
                         "framework, framework_version, source, run_id, experiment_name, snapshot, "
                         "submitter, tree, bytes, file_count, idempotency_key, created_at, "
                         "updated_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
                         "?13, ?14, ?15, ?16, ?17, ?17)"));
  insert.Bind(1, model.name).Bind(2, version).Bind(3, model.description);
  insert.Bind(4, JsonOf(model.tags)).Bind(5, JsonOf(model.properties));
  insert.Bind(6, model.framework).Bind(7, model.framework_version).Bind(8, model.source);
  insert.Bind(9, model.run_id).Bind(10, lineage.experiment_name);
  BindOptionalDigest(insert, 11, lineage.snapshot);
  insert.Bind(12, model.submitter).BindBlob(13, BytesOf(tree_id));
  insert.Bind(14, static_cast<std::int64_t>(tree.TotalBytes()));
  insert.Bind(15, static_cast<std::int64_t>(tree.files.size()));
  BindOptionalText(insert, 16, model.idempotency_key);
  ROOST_TRY(insert.Bind(17, context.now).Run());

  const std::int64_t key = context.db.LastInsertId();
  ROOST_ASSIGN(Statement file, context.db.Prepare("INSERT INTO model_files(model_version, path, "
                                                  "digest, size) VALUES(?, ?, ?, ?)"));
  for (const spec::SnapshotFile& entry : tree.files) {
    file.Bind(1, key).Bind(2, entry.path).BindBlob(3, BytesOf(entry.digest));
    ROOST_TRY(file.Bind(4, static_cast<std::int64_t>(entry.size)).Run());
  }
  return {};
}

Result<ModelVersion> LoadVersion(Connection& db, const std::string& name,
                                 std::optional<std::int64_t> version) {
  ROOST_ASSIGN(
      Statement query,
      db.Prepare(version ? ROOST_SELECT_VERSION "WHERE name = ?1 AND version = ?2"
                         : ROOST_SELECT_VERSION "WHERE name = ?1 ORDER BY version DESC LIMIT 1"));
  query.Bind(1, name);
  if (version) query.Bind(2, *version);
  ROOST_ASSIGN(const bool row, query.Step());
  if (!row) return Fail(NoSuchVersion(name, version));
  return ReadVersion(query);
}

Status AddModelEvent(WriteContext& context, const std::string& name, std::int64_t version) {
  return context.AddEvent("model", "",
                          JsonOf({{"name", name}, {"version", std::to_string(version)}}));
}

}  // namespace

Result<Models::Registered> Models::Register(const NewModelVersion& model) {
  ROOST_ASSIGN(const spec::SnapshotManifest tree, SortedFiles(model));
  using Made = Registered;
  return database_.Write<Made>(Lane::kState, [&](WriteContext& context) -> Result<Made> {
    if (!model.idempotency_key.empty()) {
      ROOST_ASSIGN(Statement known,
                   context.db.Prepare(ROOST_SELECT_VERSION "WHERE idempotency_key = ?"));
      ROOST_ASSIGN(const bool row, known.Bind(1, model.idempotency_key).Step());
      if (row) return Made{ReadVersion(known), false};
    }
    ROOST_ASSIGN(const Lineage lineage, ReadLineage(context.db, model.run_id));
    ROOST_ASSIGN(const std::int64_t version, NextVersion(context.db, model.name));
    ROOST_TRY(InsertVersion(context, model, version, tree, lineage));
    ROOST_TRY(AddModelEvent(context, model.name, version));
    ROOST_ASSIGN(ModelVersion made, LoadVersion(context.db, model.name, version));
    return Made{std::move(made), true};
  });
}

Result<std::vector<Model>> Models::List(const std::string& after_name, std::size_t limit) const {
  using Found = std::vector<Model>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare("SELECT name, max(version), min(created_at), max(updated_at) FROM "
                            "model_versions WHERE name > ? GROUP BY name ORDER BY name LIMIT ?"));
    query.Bind(1, after_name).Bind(2, static_cast<std::int64_t>(limit));
    Found models;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return models;
      models.push_back({query.Text(0), query.Int(1), query.Int(2), query.Int(3)});
    }
  });
}

Result<std::vector<ModelVersion>> Models::Versions(const std::string& name) const {
  using Found = std::vector<ModelVersion>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare(ROOST_SELECT_VERSION "WHERE name = ? ORDER BY version DESC"));
    ROOST_ASSIGN(Found versions, ReadVersions(query.Bind(1, name)));
    if (versions.empty()) return Fail(NoSuchVersion(name, std::nullopt));
    return versions;
  });
}

Result<std::vector<ModelVersion>> Models::OfRun(const std::string& run_id) const {
  using Found = std::vector<ModelVersion>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare(ROOST_SELECT_VERSION "WHERE run_id = ? AND run_id <> '' ORDER BY key"));
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
                      const std::map<std::string, std::optional<std::string>>& tags) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(ModelVersion model, LoadVersion(context.db, name, version));
    if (description) model.description = *description;
    for (const auto& [tag, value] : tags) {
      if (value) {
        model.tags[tag] = *value;
      } else {
        model.tags.erase(tag);
      }
    }
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE model_versions SET description = ?, tags = ?, "
                                    "updated_at = max(updated_at, ?) WHERE name = ? AND version = "
                                    "?"));
    update.Bind(1, model.description).Bind(2, JsonOf(model.tags)).Bind(3, context.now);
    ROOST_TRY(update.Bind(4, name).Bind(5, version).Run());
    return AddModelEvent(context, name, version);
  });
}

Status Models::Delete(const std::string& name, std::int64_t version) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement remove, context.db.Prepare("DELETE FROM model_versions WHERE name = ? "
                                                      "AND version = ?"));
    ROOST_TRY(remove.Bind(1, name).Bind(2, version).Run());
    if (context.db.Changes() == 0) return Fail(NoSuchVersion(name, version));
    return AddModelEvent(context, name, version);
  });
}

}  // namespace roost::store
