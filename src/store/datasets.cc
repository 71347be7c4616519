#include "store/datasets.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "spec/run_definition.h"
#include "spec/snapshot.h"
#include "store/database.h"
#include "store/rows.h"

namespace roost::store {
namespace {

using nlohmann::json;

#define ROOST_SELECT_DATASET                                                      \
  "SELECT id, name, version, description, tags, paths, tree, file_count, bytes, " \
  "single_file, created_at FROM datasets "

std::string PathsToJson(const std::vector<DatasetPath>& paths) {
  json all = json::array();
  for (const DatasetPath& path : paths) {
    json item = spec::ToJson(path.place);
    item["base"] = path.base;
    if (path.digest) {
      item["digest"] = path.digest->ToText();
      item["size"] = path.size;
    }
    all.push_back(std::move(item));
  }
  return all.dump();
}

std::vector<DatasetPath> PathsFromJson(std::string_view text) {
  std::vector<DatasetPath> paths;
  const json all = json::parse(text, nullptr, false);
  if (!all.is_array()) return paths;
  for (const json& item : all) {
    DatasetPath path;
    path.place.datastore = item.value("datastore", "");
    path.place.path = item.value("path", "");
    path.place.url = item.value("url", "");
    path.base = item.value("base", "");
    if (const auto digest = Digest::Parse(item.value("digest", ""))) path.digest = *digest;
    path.size = item.value("size", std::uint64_t{0});
    paths.push_back(std::move(path));
  }
  return paths;
}

Dataset ReadDataset(const Statement& row) {
  Dataset dataset;
  dataset.id = row.Text(0);
  if (!row.IsNull(1)) dataset.name = row.Text(1);
  if (!row.IsNull(2)) dataset.version = row.Int(2);
  dataset.description = row.Text(3);
  dataset.tags = ReadJsonMap(row.TextView(4));
  dataset.paths = PathsFromJson(row.TextView(5));
  dataset.tree = ReadOptionalDigest(row, 6);
  dataset.file_count = row.Int(7);
  dataset.bytes = static_cast<std::uint64_t>(row.Int(8));
  dataset.single_file = row.Int(9) != 0;
  dataset.created_at = row.Int(10);
  return dataset;
}

Result<std::vector<Dataset>> ReadAll(Statement& query) {
  std::vector<Dataset> datasets;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return datasets;
    datasets.push_back(ReadDataset(query));
  }
}

Error NoSuchDataset(const std::string& name, std::optional<std::int64_t> version) {
  if (version) {
    return {ErrorCode::kNotFound,
            "The dataset '" + name + "' has no version " + std::to_string(*version) + ".",
            {}};
  }
  return {ErrorCode::kNotFound, "There is no dataset '" + name + "'.", {}};
}

Result<std::optional<Dataset>> Newest(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement query,
               db.Prepare(ROOST_SELECT_DATASET "WHERE name = ? ORDER BY version DESC LIMIT 1"));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).Step());
  if (!row) return std::nullopt;
  return ReadDataset(query);
}

Result<std::optional<Dataset>> Unnamed(Connection& db, const Digest& fingerprint) {
  ROOST_ASSIGN(Statement query,
               db.Prepare(ROOST_SELECT_DATASET "WHERE fingerprint = ? AND name IS NULL LIMIT 1"));
  ROOST_ASSIGN(const bool row, query.BindBlob(1, BytesOf(fingerprint)).Step());
  if (!row) return std::nullopt;
  return ReadDataset(query);
}

Result<bool> HasFingerprint(Connection& db, const std::string& id, const Digest& fingerprint) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT 1 FROM datasets WHERE id = ? AND fingerprint = ?"));
  return query.Bind(1, id).BindBlob(2, BytesOf(fingerprint)).Step();
}

Status TouchRow(WriteContext& context, const std::string& id) {
  ROOST_ASSIGN(Statement touch, context.db.Prepare("UPDATE datasets SET used_at = ? WHERE id = ?"));
  return touch.Bind(1, context.now).Bind(2, id).Run();
}

spec::SnapshotManifest TreeOf(const std::vector<DatasetFile>& files) {
  spec::SnapshotManifest tree;
  tree.files.reserve(files.size());
  for (const DatasetFile& file : files) {
    tree.files.push_back({file.path, file.digest, file.size, false});
  }
  return tree;
}

Status KeepTree(WriteContext& context, const Digest& id, const std::vector<DatasetFile>& files,
                std::uint64_t bytes) {
  ROOST_ASSIGN(Statement insert,
               context.db.Prepare("INSERT OR IGNORE INTO file_trees(id, file_count, bytes) "
                                  "VALUES(?, ?, ?)"));
  insert.BindBlob(1, BytesOf(id)).Bind(2, static_cast<std::int64_t>(files.size()));
  ROOST_TRY(insert.Bind(3, static_cast<std::int64_t>(bytes)).Run());
  if (context.db.Changes() == 0) return {};  // another dataset has the same files
  const std::int64_t key = context.db.LastInsertId();
  ROOST_ASSIGN(Statement file, context.db.Prepare("INSERT INTO file_tree_files(tree, path, digest, "
                                                  "size) VALUES(?, ?, ?, ?)"));
  for (const DatasetFile& entry : files) {
    file.Bind(1, key).Bind(2, entry.path).BindBlob(3, BytesOf(entry.digest));
    ROOST_TRY(file.Bind(4, static_cast<std::int64_t>(entry.size)).Run());
  }
  return {};
}

Result<std::int64_t> NextVersion(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement next,
               db.Prepare("INSERT INTO dataset_names(name, last_version) VALUES(?, 1) ON "
                          "CONFLICT(name) DO UPDATE SET last_version = last_version + 1 "
                          "RETURNING last_version"));
  ROOST_TRY(next.Bind(1, name).Step());
  return next.Int(0);
}

Result<Dataset> LoadById(Connection& db, const std::string& id) {
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_DATASET "WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, id).Step());
  if (!row) return Fail(ErrorCode::kNotFound, "There is no dataset with the id " + id + ".");
  return ReadDataset(query);
}

Result<Dataset> LoadVersion(Connection& db, const std::string& name,
                            std::optional<std::int64_t> version) {
  if (!version) {
    ROOST_ASSIGN(std::optional<Dataset> newest, Newest(db, name));
    if (!newest) return Fail(NoSuchDataset(name, std::nullopt));
    return std::move(*newest);
  }
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_DATASET "WHERE name = ? AND version = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).Bind(2, *version).Step());
  if (!row) return Fail(NoSuchDataset(name, version));
  return ReadDataset(query);
}

Result<Dataset> Insert(WriteContext& context, const NewDataset& dataset,
                       const std::optional<Digest>& tree, const Digest& fingerprint) {
  const std::string id = spec::MakeTrackedRunId();  // a random uuid
  if (tree) ROOST_TRY(KeepTree(context, *tree, *dataset.files, dataset.bytes));
  ROOST_ASSIGN(Statement insert,
               context.db.Prepare("INSERT INTO datasets(id, name, version, fingerprint, "
                                  "description, tags, paths, tree, file_count, bytes, single_file, "
                                  "created_at, used_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                                  "?10, ?11, ?12, ?12)"));
  insert.Bind(1, id);
  BindOptionalText(insert, 2, dataset.name);
  insert.BindNull(3);
  if (!dataset.name.empty()) {
    ROOST_ASSIGN(const std::int64_t version, NextVersion(context.db, dataset.name));
    insert.Bind(3, version);
  }
  insert.BindBlob(4, BytesOf(fingerprint)).Bind(5, dataset.description);
  insert.Bind(6, JsonOf(dataset.tags)).Bind(7, PathsToJson(dataset.paths));
  BindOptionalDigest(insert, 8, tree);
  insert.Bind(9, dataset.file_count).Bind(10, static_cast<std::int64_t>(dataset.bytes));
  ROOST_TRY(insert.Bind(11, dataset.single_file ? 1 : 0).Bind(12, context.now).Run());
  return LoadById(context.db, id);
}

}  // namespace

Result<Datasets::Created> Datasets::Create(const NewDataset& asked) {
  std::optional<Digest> tree;
  if (asked.files) tree = TreeOf(*asked.files).Id();
  const Digest fingerprint =
      DigestOf(PathsToJson(asked.paths) + "\n" + (tree ? tree->Hex() : "read anew"));
  return database_.Write<Created>(Lane::kBulk, [&](WriteContext& context) -> Result<Created> {
    if (asked.name.empty()) {
      ROOST_ASSIGN(std::optional<Dataset> known, Unnamed(context.db, fingerprint));
      if (known) {
        ROOST_TRY(TouchRow(context, known->id));
        return Created{std::move(*known), false};
      }
    } else {
      ROOST_ASSIGN(std::optional<Dataset> newest, Newest(context.db, asked.name));
      if (newest) {
        ROOST_ASSIGN(const bool same, HasFingerprint(context.db, newest->id, fingerprint));
        if (same) return Created{std::move(*newest), false};
        if (!asked.create_new_version) {
          return Fail(ErrorCode::kConflict,
                      "There is a dataset '" + asked.name +
                          "' with another definition already. Ask for a new version of it "
                          "(create_new_version), or choose another name.");
        }
      }
    }
    ROOST_ASSIGN(Dataset made, Insert(context, asked, tree, fingerprint));
    return Created{std::move(made), true};
  });
}

Result<std::vector<Dataset>> Datasets::List(const std::string& after_name,
                                            std::size_t limit) const {
  using Found = std::vector<Dataset>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare(ROOST_SELECT_DATASET
                            "d WHERE name > ?1 AND version = (SELECT max(version) FROM datasets "
                            "WHERE name = d.name) ORDER BY name LIMIT ?2"));
    query.Bind(1, after_name).Bind(2, static_cast<std::int64_t>(limit));
    return ReadAll(query);
  });
}

Result<std::vector<Dataset>> Datasets::Versions(const std::string& name) const {
  using Found = std::vector<Dataset>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare(ROOST_SELECT_DATASET "WHERE name = ? ORDER BY version DESC"));
    ROOST_ASSIGN(Found versions, ReadAll(query.Bind(1, name)));
    if (versions.empty()) return Fail(NoSuchDataset(name, std::nullopt));
    return versions;
  });
}

Result<Dataset> Datasets::Get(const std::string& name, std::optional<std::int64_t> version) const {
  return database_.Read<Dataset>(
      [&](Connection& db) -> Result<Dataset> { return LoadVersion(db, name, version); });
}

Result<Dataset> Datasets::Update(const std::string& name, std::optional<std::int64_t> version,
                                 const std::optional<std::string>& description,
                                 const std::map<std::string, std::optional<std::string>>& tags) {
  return database_.Write<Dataset>(Lane::kState, [&](WriteContext& context) -> Result<Dataset> {
    ROOST_ASSIGN(Dataset dataset, LoadVersion(context.db, name, version));
    if (description) dataset.description = *description;
    for (const auto& [tag, value] : tags) {
      if (value) {
        dataset.tags[tag] = *value;
      } else {
        dataset.tags.erase(tag);
      }
    }
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE datasets SET description = ?, tags = ? WHERE id = ?"));
    update.Bind(1, dataset.description).Bind(2, JsonOf(dataset.tags)).Bind(3, dataset.id);
    ROOST_TRY(update.Run());
    return dataset;
  });
}

Result<Dataset> Datasets::GetById(const std::string& id) const {
  return database_.Read<Dataset>([&](Connection& db) { return LoadById(db, id); });
}

Status Datasets::Unregister(const std::string& name) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE datasets SET name = NULL, version = NULL, used_at = ?2 "
                                    "WHERE name = ?1"));
    ROOST_TRY(update.Bind(1, name).Bind(2, context.now).Run());
    if (context.db.Changes() == 0) return Fail(NoSuchDataset(name, std::nullopt));
    return {};
  });
}

Status Datasets::Touch(const std::string& id) {
  return database_.Write(Lane::kState,
                         [&](WriteContext& context) { return TouchRow(context, id); });
}

Result<std::vector<DatasetFile>> Datasets::Files(const Digest& tree, const std::string& after,
                                                 std::size_t limit) const {
  using Found = std::vector<DatasetFile>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare("SELECT f.path, f.digest, f.size FROM file_trees t JOIN "
                            "file_tree_files f ON f.tree = t.key WHERE t.id = ? AND f.path > ? "
                            "ORDER BY f.path LIMIT ?"));
    query.BindBlob(1, BytesOf(tree)).Bind(2, after);
    query.Bind(3, static_cast<std::int64_t>(std::min<std::size_t>(limit, INT64_MAX)));
    Found files;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return files;
      files.push_back(
          {query.Text(0), ReadDigest(query, 1), static_cast<std::uint64_t>(query.Int(2))});
    }
  });
}

Result<DatasetFile> Datasets::GetFile(const Digest& tree, const std::string& path) const {
  return database_.Read<DatasetFile>([&](Connection& db) -> Result<DatasetFile> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare("SELECT f.path, f.digest, f.size FROM file_trees t JOIN "
                            "file_tree_files f ON f.tree = t.key WHERE t.id = ? AND f.path = ?"));
    ROOST_ASSIGN(const bool row, query.BindBlob(1, BytesOf(tree)).Bind(2, path).Step());
    if (!row) return Fail(ErrorCode::kNotFound, "The dataset has no file '" + path + "'.");
    return DatasetFile{query.Text(0), ReadDigest(query, 1),
                       static_cast<std::uint64_t>(query.Int(2))};
  });
}

}  // namespace roost::store
