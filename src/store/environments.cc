#include "store/environments.h"

#include <nlohmann/json.hpp>

#include "store/database.h"
#include "store/rows.h"

namespace roost::store {
namespace {

#define ROOST_SELECT_ENVIRONMENT \
  "SELECT name, version, definition, created_at FROM environment_versions "

Result<EnvironmentVersion> ReadVersion(const Statement& row) {
  EnvironmentVersion version;
  version.name = row.Text(0);
  version.version = row.Int(1);
  const auto body = nlohmann::json::parse(row.TextView(2), nullptr, false);
  ROOST_ASSIGN(version.definition, spec::ParseEnvironmentDefinition(body));
  version.definition.name = version.name;
  version.definition.version = std::to_string(version.version);
  version.created_at = row.Int(3);
  return version;
}

Result<std::vector<EnvironmentVersion>> ReadVersions(Statement& query) {
  std::vector<EnvironmentVersion> versions;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return versions;
    ROOST_ASSIGN(versions.emplace_back(), ReadVersion(query));
  }
}

Error NoSuchEnvironment(const std::string& name, std::optional<std::int64_t> version) {
  std::string what = "There is no environment named '" + name + "'.";
  if (version) {
    what = "The environment '" + name + "' has no version " + std::to_string(*version) + ".";
  }
  return {ErrorCode::kNotFound, std::move(what), {}};
}

Result<std::optional<EnvironmentVersion>> FindContent(Connection& db, const std::string& name,
                                                      const Digest& digest) {
  ROOST_ASSIGN(Statement query,
               db.Prepare(ROOST_SELECT_ENVIRONMENT "WHERE name = ? AND digest = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).BindBlob(2, BytesOf(digest)).Step());
  if (!row) return std::nullopt;
  ROOST_ASSIGN(EnvironmentVersion found, ReadVersion(query));
  return found;
}

}  // namespace

Result<Environments::Registered> Environments::Register(
    const spec::EnvironmentDefinition& definition) {
  const Digest digest = definition.Id();
  // Most submits name what is there; those need no commit.
  ROOST_ASSIGN(auto found, database_.Read<std::optional<EnvironmentVersion>>([&](Connection& db) {
    return FindContent(db, definition.name, digest);
  }));
  if (found) return Registered{std::move(*found), false};
  return database_.Write<Registered>(
      Lane::kState, [&](WriteContext& context) -> Result<Registered> {
        ROOST_ASSIGN(auto meanwhile, FindContent(context.db, definition.name, digest));
        if (meanwhile) return Registered{std::move(*meanwhile), false};
        EnvironmentVersion made{definition.name, 1, definition, context.now};
        ROOST_ASSIGN(Statement last, context.db.Prepare("SELECT max(version) FROM "
                                                        "environment_versions WHERE name = ?"));
        ROOST_TRY(last.Bind(1, definition.name).Step());
        if (!last.IsNull(0)) made.version = last.Int(0) + 1;
        made.definition.version = std::to_string(made.version);
        ROOST_ASSIGN(Statement insert,
                     context.db.Prepare("INSERT INTO environment_versions(name, version, digest, "
                                        "definition, created_at) VALUES(?, ?, ?, ?, ?)"));
        insert.Bind(1, made.name).Bind(2, made.version).BindBlob(3, BytesOf(digest));
        insert.Bind(4, spec::ToJson(made.definition).dump()).Bind(5, made.created_at);
        ROOST_TRY(insert.Run());
        return Registered{std::move(made), true};
      });
}

Result<std::vector<EnvironmentVersion>> Environments::List(const std::string& after_name,
                                                           std::size_t limit) const {
  return database_.Read<std::vector<EnvironmentVersion>>(
      [&](Connection& db) -> Result<std::vector<EnvironmentVersion>> {
        ROOST_ASSIGN(
            Statement query,
            db.Prepare(ROOST_SELECT_ENVIRONMENT
                       "AS outside WHERE name > ?1 AND version = (SELECT max(version) FROM "
                       "environment_versions WHERE name = outside.name) ORDER BY name LIMIT ?2"));
        query.Bind(1, after_name).Bind(2, static_cast<std::int64_t>(limit));
        return ReadVersions(query);
      });
}

Result<std::vector<EnvironmentVersion>> Environments::Versions(const std::string& name) const {
  return database_.Read<std::vector<EnvironmentVersion>>(
      [&](Connection& db) -> Result<std::vector<EnvironmentVersion>> {
        ROOST_ASSIGN(Statement query,
                     db.Prepare(ROOST_SELECT_ENVIRONMENT "WHERE name = ? ORDER BY version DESC"));
        query.Bind(1, name);
        ROOST_ASSIGN(auto versions, ReadVersions(query));
        if (versions.empty()) return Fail(NoSuchEnvironment(name, {}));
        return versions;
      });
}

Result<EnvironmentVersion> Environments::Get(const std::string& name,
                                             std::optional<std::int64_t> version) const {
  return database_.Read<EnvironmentVersion>([&](Connection& db) -> Result<EnvironmentVersion> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare(version ? ROOST_SELECT_ENVIRONMENT "WHERE name = ?1 AND version = ?2"
                                    : ROOST_SELECT_ENVIRONMENT
                                "WHERE name = ?1 ORDER BY version DESC LIMIT 1"));
    query.Bind(1, name);
    if (version) query.Bind(2, *version);
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return Fail(NoSuchEnvironment(name, version));
    return ReadVersion(query);
  });
}

}  // namespace roost::store
