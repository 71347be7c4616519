#include "store/model_rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/rows.h"

namespace roost::store {

const std::string kSelectVersions =
    "SELECT v.name, v.version, v.description, v.properties, v.framework, v.framework_version, "
    "v.source, v.location, v.run_id, v.run_link, v.logged_model_id, v.experiment_name, v.snapshot, "
    "v.submitter, v.stage, v.tree, v.bytes, v.file_count, v.created_at, v.updated_at, "
    "(SELECT json_group_object(t.key, t.value) FROM model_version_tags t "
    "WHERE t.model_version = v.key), "
    "(SELECT json_group_array(a.alias) FROM model_aliases a WHERE a.model_version = v.key) "
    "FROM model_versions v ";

const std::string kSelectModels =
    "SELECT m.name, m.description, m.submitter, m.created_at, m.updated_at, "
    "ifnull((SELECT max(v.version) FROM model_versions v WHERE v.name = m.name), 0), "
    "(SELECT json_group_object(t.key, t.value) FROM model_tags t WHERE t.name = m.name), "
    "(SELECT json_group_object(a.alias, v.version) FROM model_aliases a "
    "JOIN model_versions v ON v.key = a.model_version WHERE a.name = m.name) "
    "FROM models m WHERE (m.registered OR EXISTS(SELECT 1 FROM model_versions v "
    "WHERE v.name = m.name)) ";

namespace {

using Json = nlohmann::json;

// SQLite wrote it, so it is well formed; bytes that are no UTF-8 must not throw all the same.
Json ParseOwnJson(std::string_view text) { return Json::parse(text, nullptr, false); }

ModelVersion ReadVersion(const Statement& row) {
  ModelVersion version;
  version.name = row.Text(0);
  version.version = row.Int(1);
  version.description = row.Text(2);
  version.properties = ReadJsonMap(row.TextView(3));
  version.framework = row.Text(4);
  version.framework_version = row.Text(5);
  version.source = row.Text(6);
  version.location = row.Text(7);
  version.run_id = row.Text(8);
  version.run_link = row.Text(9);
  version.logged_model_id = row.Text(10);
  version.experiment_name = row.Text(11);
  version.snapshot = ReadOptionalDigest(row, 12);
  version.submitter = row.Text(13);
  version.stage = spec::ParseModelStage(row.TextView(14)).value_or(spec::ModelStage::kNone);
  version.tree = ReadDigest(row, 15);
  version.bytes = static_cast<std::uint64_t>(row.Int(16));
  version.file_count = row.Int(17);
  version.created_at = row.Int(18);
  version.updated_at = row.Int(19);
  version.tags = ReadJsonMap(row.TextView(20));
  for (const Json& alias : ParseOwnJson(row.TextView(21))) {
    if (alias.is_string()) version.aliases.push_back(alias.get<std::string>());
  }
  std::sort(version.aliases.begin(), version.aliases.end());
  return version;
}

Model ReadModel(const Statement& row) {
  Model model;
  model.name = row.Text(0);
  model.description = row.Text(1);
  model.submitter = row.Text(2);
  model.created_at = row.Int(3);
  model.updated_at = row.Int(4);
  model.latest_version = row.Int(5);
  model.tags = ReadJsonMap(row.TextView(6));
  const Json aliases = ParseOwnJson(row.TextView(7));
  for (const auto& [alias, version] : aliases.items()) {
    if (version.is_number_integer()) model.aliases.push_back({alias, version.get<std::int64_t>()});
  }
  return model;
}

Error NoSuchVersion(const std::string& name, std::int64_t version) {
  return {ErrorCode::kNotFound,
          "The model '" + name + "' has no version " + std::to_string(version) + ".",
          {}};
}

}  // namespace

Error NoSuchModel(const std::string& name) {
  return {ErrorCode::kNotFound, "There is no model named '" + name + "'.", {}};
}

Result<std::vector<ModelVersion>> ReadVersions(Statement& query) {
  std::vector<ModelVersion> versions;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return versions;
    versions.push_back(ReadVersion(query));
  }
}

Result<ModelVersion> LoadVersion(Connection& db, const std::string& name,
                                 std::optional<std::int64_t> version) {
  static const std::string one = kSelectVersions + "WHERE v.name = ?1 AND v.version = ?2";
  static const std::string latest =
      kSelectVersions + "WHERE v.name = ?1 ORDER BY v.version DESC LIMIT 1";
  ROOST_ASSIGN(Statement query, db.Prepare(version ? one : latest));
  query.Bind(1, name);
  if (version) query.Bind(2, *version);
  ROOST_ASSIGN(const bool row, query.Step());
  if (row) return ReadVersion(query);
  if (version) return Fail(NoSuchVersion(name, *version));
  ROOST_ASSIGN(const bool is_there, IsModelThere(db, name));
  if (!is_there) return Fail(NoSuchModel(name));
  return Fail(ErrorCode::kNotFound, "The model '" + name + "' has no version yet.");
}

Result<std::int64_t> VersionKey(Connection& db, const std::string& name, std::int64_t version) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT key FROM model_versions WHERE name = ? AND version = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).Bind(2, version).Step());
  if (!row) return Fail(NoSuchVersion(name, version));
  return query.Int(0);
}

Result<std::vector<Model>> ReadModels(Statement& query) {
  std::vector<Model> models;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return models;
    models.push_back(ReadModel(query));
  }
}

Result<Model> LoadModel(Connection& db, const std::string& name) {
  static const std::string sql = kSelectModels + "AND m.name = ?";
  ROOST_ASSIGN(Statement query, db.Prepare(sql));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).Step());
  if (!row) return Fail(NoSuchModel(name));
  return ReadModel(query);
}

Result<bool> IsModelThere(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT 1 FROM models m WHERE m.name = ? AND (m.registered OR "
                          "EXISTS(SELECT 1 FROM model_versions v WHERE v.name = m.name))"));
  return query.Bind(1, name).Step();
}

Status TouchModel(WriteContext& context, const std::string& name) {
  ROOST_ASSIGN(Statement touch, context.db.Prepare("UPDATE models SET updated_at = max(updated_at, "
                                                   "?) WHERE name = ?"));
  return touch.Bind(1, context.now).Bind(2, name).Run();
}

Status KeepModel(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement keep, db.Prepare("UPDATE models SET registered = 1 WHERE name = ?"));
  return keep.Bind(1, name).Run();
}

Status AddModelEvent(WriteContext& context, const std::string& name,
                     std::optional<std::int64_t> version) {
  if (!version) return context.AddEvent("model", "", JsonOf({{"name", name}}));
  return context.AddEvent("model", "",
                          JsonOf({{"name", name}, {"version", std::to_string(*version)}}));
}

}  // namespace roost::store
