#include "store/artifacts.h"

#include "store/database.h"
#include "store/rows.h"
#include "store/run_rows.h"

namespace roost::store {
namespace {

// Of a folder with thousands of files not each is news: who is told of one reads the list anew.
constexpr std::int64_t kMostEventsOfOneAdd = 32;

Artifact ReadArtifact(const Statement& row) {
  return {row.Text(0), ReadDigest(row, 1), static_cast<std::uint64_t>(row.Int(2)), row.Int(3)};
}

Result<std::optional<Digest>> ReadKnownDigest(Connection& db, RunKey run, const std::string& path) {
  ROOST_ASSIGN(Statement query,
               db.Prepare("SELECT digest FROM artifacts WHERE run = ? AND path = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, run.value()).Bind(2, path).Step());
  if (!row) return std::nullopt;
  return ReadDigest(query, 0);
}

Error NoSuchArtifact(const std::string& path) {
  return {ErrorCode::kNotFound, "The run has no file '" + path + "'.", {}};
}

}  // namespace

Status Artifacts::Add(RunKey run, const std::vector<Artifact>& artifacts, Overwrite overwrite) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::string run_id, RequireNotDeleted(context.db, run));
    ROOST_ASSIGN(Statement put,
                 context.db.Prepare("INSERT OR REPLACE INTO artifacts(run, path, digest, size, "
                                    "created_at) VALUES(?, ?, ?, ?, ?)"));
    std::int64_t events = 0;
    for (const Artifact& artifact : artifacts) {
      ROOST_ASSIGN(const std::optional<Digest> known,
                   ReadKnownDigest(context.db, run, artifact.path));
      if (known == artifact.digest) continue;
      if (known && overwrite == Overwrite::kRefuse) {
        return Fail(ErrorCode::kConflict, "The run '" + run_id + "' has a file '" + artifact.path +
                                              "' with another content already. Choose another "
                                              "name, or ask to overwrite it.");
      }
      put.Bind(1, run.value()).Bind(2, artifact.path).BindBlob(3, BytesOf(artifact.digest));
      put.Bind(4, static_cast<std::int64_t>(artifact.size));
      put.Bind(5, artifact.created_at == 0 ? context.now : artifact.created_at);
      ROOST_TRY(put.Run());
      if (++events > kMostEventsOfOneAdd) continue;
      ROOST_TRY(context.AddEvent("artifact", run_id,
                                 JsonOf({{"run_id", run_id}, {"path", artifact.path}})));
    }
    return {};
  });
}

Result<Artifact> Artifacts::Get(RunKey run, const std::string& path) const {
  return database_.Read<Artifact>([&](Connection& db) -> Result<Artifact> {
    ROOST_ASSIGN(Statement query, db.Prepare("SELECT path, digest, size, created_at FROM artifacts "
                                             "WHERE run = ? AND path = ?"));
    ROOST_ASSIGN(const bool row, query.Bind(1, run.value()).Bind(2, path).Step());
    if (!row) return Fail(NoSuchArtifact(path));
    return ReadArtifact(query);
  });
}

Result<std::vector<Artifact>> Artifacts::List(RunKey run, const std::string& prefix,
                                              const std::string& after_path,
                                              std::size_t limit) const {
  using Found = std::vector<Artifact>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    const std::string end = UpperBoundOfPrefix(prefix);
    ROOST_ASSIGN(
        Statement query,
        db.Prepare(end.empty()
                       ? "SELECT path, digest, size, created_at FROM artifacts WHERE run = ?1 AND "
                         "path >= ?2 AND path > ?3 ORDER BY path LIMIT ?4"
                       : "SELECT path, digest, size, created_at FROM artifacts WHERE run = ?1 AND "
                         "path >= ?2 AND path > ?3 AND path < ?5 ORDER BY path LIMIT ?4"));
    query.Bind(1, run.value()).Bind(2, prefix).Bind(3, after_path);
    query.Bind(4, static_cast<std::int64_t>(limit));
    if (!end.empty()) query.Bind(5, end);
    Found artifacts;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return artifacts;
      artifacts.push_back(ReadArtifact(query));
    }
  });
}

Status Artifacts::Remove(RunKey run, const std::string& path) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::string run_id, RequireNotDeleted(context.db, run));
    ROOST_ASSIGN(Statement remove,
                 context.db.Prepare("DELETE FROM artifacts WHERE run = ? AND path = ?"));
    ROOST_TRY(remove.Bind(1, run.value()).Bind(2, path).Run());
    if (context.db.Changes() == 0) return Fail(NoSuchArtifact(path));
    return context.AddEvent("artifact", run_id, JsonOf({{"run_id", run_id}, {"path", path}}));
  });
}

}  // namespace roost::store
