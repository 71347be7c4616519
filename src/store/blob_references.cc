#include "store/blob_references.h"

#include <algorithm>

#include "store/rows.h"

namespace roost::store {

namespace {

constexpr const char* kInUse =
    "SELECT digest FROM snapshot_files "
    "UNION ALL SELECT digest FROM artifacts "
    "UNION ALL SELECT digest FROM model_files "
    "UNION ALL SELECT digest FROM datastore_files "
    "UNION ALL SELECT digest FROM file_tree_files "
    "UNION ALL SELECT digest FROM logged_model_files "
    "UNION ALL SELECT digest FROM file_upload_parts";

constexpr const char* kInUseAfterGc =
    "SELECT f.digest FROM snapshots s JOIN snapshot_files f ON f.snapshot = s.key "
    "WHERE s.used_at >= ?1 "
    "OR EXISTS(SELECT 1 FROM runs WHERE snapshot = s.id AND lifecycle <> 'deleted') "
    "OR EXISTS(SELECT 1 FROM model_versions WHERE snapshot = s.id) "
    "UNION ALL SELECT a.digest FROM runs r JOIN artifacts a ON a.run = r.key "
    "WHERE r.lifecycle <> 'deleted' "
    "UNION ALL SELECT digest FROM model_files "
    "UNION ALL SELECT digest FROM datastore_files "
    "UNION ALL SELECT f.digest FROM file_trees t JOIN file_tree_files f ON f.tree = t.key "
    "WHERE EXISTS(SELECT 1 FROM datasets d WHERE d.tree = t.id AND (d.name IS NOT NULL "
    "OR d.used_at >= ?1 OR EXISTS(SELECT 1 FROM run_data u JOIN runs r ON r.key = u.run "
    "WHERE u.dataset = d.id AND r.lifecycle <> 'deleted'))) "
    "UNION ALL SELECT f.digest FROM logged_models m JOIN experiments e ON e.id = m.experiment "
    "JOIN logged_model_files f ON f.model = m.key "
    "WHERE m.lifecycle <> 'deleted' AND e.lifecycle <> 'deleted' "
    "UNION ALL SELECT p.digest FROM file_uploads u JOIN file_upload_parts p ON p.upload = u.id "
    "WHERE u.used_at >= ?1";

Result<std::vector<Digest>> Collect(Statement& query) {
  std::vector<Digest> digests;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) break;
    digests.push_back(ReadDigest(query, 0));
  }
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  return digests;
}

}  // namespace

Result<std::vector<Digest>> DigestsInUse(Connection& db) {
  ROOST_ASSIGN(Statement query, db.PrepareOnce(kInUse));
  return Collect(query);
}

Result<std::vector<Digest>> DigestsInUseAfterGc(Connection& db, Micros used_since) {
  ROOST_ASSIGN(Statement query, db.PrepareOnce(kInUseAfterGc));
  query.Bind(1, used_since);
  return Collect(query);
}

}  // namespace roost::store
