#include "store/snapshots.h"

#include <algorithm>
#include <optional>

#include "store/blobs.h"
#include "store/database.h"
#include "store/rows.h"

namespace roost::store {
namespace {

Result<std::optional<std::int64_t>> FindKey(Connection& db, const Digest& id) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT key FROM snapshots WHERE id = ?"));
  ROOST_ASSIGN(const bool row, query.BindBlob(1, BytesOf(id)).Step());
  if (!row) return std::nullopt;
  return query.Int(0);
}

Status InsertFiles(Connection& db, std::int64_t key, const spec::SnapshotManifest& manifest) {
  ROOST_ASSIGN(Statement insert,
               db.Prepare("INSERT INTO snapshot_files(snapshot, path, digest, size, executable) "
                          "VALUES(?, ?, ?, ?, ?)"));
  for (const spec::SnapshotFile& file : manifest.files) {
    insert.Bind(1, key).Bind(2, file.path).BindBlob(3, BytesOf(file.digest));
    insert.Bind(4, static_cast<std::int64_t>(file.size)).Bind(5, file.executable ? 1 : 0);
    ROOST_TRY(insert.Run());
  }
  return {};
}

}  // namespace

Result<Snapshots::Kept> Snapshots::Create(const spec::SnapshotManifest& manifest) {
  std::vector<Digest> digests;
  digests.reserve(manifest.files.size());
  for (const spec::SnapshotFile& file : manifest.files) digests.push_back(file.digest);
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());

  Kept kept;
  kept.id = manifest.Id();
  kept.missing = blobs_.Missing(digests);
  if (!kept.missing.empty()) return kept;

  // Bulk: thousands of rows, while others wait for a single one.
  const Status written = database_.Write(Lane::kBulk, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::optional<std::int64_t> known, FindKey(context.db, kept.id));
    kept.created = !known;
    if (known) {
      ROOST_ASSIGN(Statement touch,
                   context.db.Prepare("UPDATE snapshots SET used_at = ? WHERE key = ?"));
      return touch.Bind(1, context.now).Bind(2, *known).Run();
    }
    ROOST_ASSIGN(Statement insert,
                 context.db.Prepare("INSERT INTO snapshots(id, file_count, bytes, created_at, "
                                    "used_at) VALUES(?1, ?2, ?3, ?4, ?4)"));
    insert.BindBlob(1, BytesOf(kept.id)).Bind(2, static_cast<std::int64_t>(manifest.files.size()));
    insert.Bind(3, static_cast<std::int64_t>(manifest.TotalBytes())).Bind(4, context.now);
    ROOST_TRY(insert.Run());
    return InsertFiles(context.db, context.db.LastInsertId(), manifest);
  });
  ROOST_TRY(written);
  return kept;
}

Result<spec::SnapshotManifest> Snapshots::Get(const Digest& id) const {
  using spec::SnapshotManifest;
  return database_.Read<SnapshotManifest>([&](Connection& db) -> Result<SnapshotManifest> {
    ROOST_ASSIGN(const std::optional<std::int64_t> key, FindKey(db, id));
    if (!key) {
      return Fail(ErrorCode::kNotFound, "There is no snapshot with the id " + id.ToText() + ".");
    }
    SnapshotManifest manifest;
    ROOST_ASSIGN(Statement query, db.Prepare("SELECT path, digest, size, executable FROM "
                                             "snapshot_files WHERE snapshot = ? ORDER BY path"));
    query.Bind(1, *key);
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return manifest;
      manifest.files.push_back({query.Text(0), ReadDigest(query, 1),
                                static_cast<std::uint64_t>(query.Int(2)), query.Int(3) != 0});
    }
  });
}

}  // namespace roost::store
