#include "store/run_data.h"

#include <limits>

#include "store/database.h"
#include "store/rows.h"

namespace roost::store {

Status RunData::Put(RunKey run, const std::vector<RunDataItem>& items) {
  if (items.empty()) return {};
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement put,
                 context.db.Prepare("INSERT OR REPLACE INTO run_data(run, is_output, name, "
                                    "dataset, dataset_name, version, mode, mechanism, "
                                    "path_on_compute, datastore, path, tree) VALUES(?, ?, ?, ?, ?, "
                                    "?, ?, ?, ?, ?, ?, ?)"));
    for (const RunDataItem& item : items) {
      put.Bind(1, run.value()).Bind(2, item.is_output ? 1 : 0).Bind(3, item.name);
      put.Bind(4, item.dataset_id).Bind(5, item.dataset_name);
      if (item.version == 0) {
        put.BindNull(6);
      } else {
        put.Bind(6, item.version);
      }
      put.Bind(7, item.mode).Bind(8, item.mechanism).Bind(9, item.path_on_compute);
      ROOST_TRY(put.Bind(10, item.datastore).Bind(11, item.path).Bind(12, item.tree).Run());
    }
    return {};
  });
}

Result<std::vector<RunDataItem>> RunData::Of(RunKey run) const {
  using Found = std::vector<RunDataItem>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare("SELECT is_output, name, dataset, dataset_name, version, mode, "
                            "mechanism, path_on_compute, datastore, path, tree FROM run_data WHERE "
                            "run = ? ORDER BY is_output, name"));
    query.Bind(1, run.value());
    Found items;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return items;
      items.push_back({query.Int(0) != 0, query.Text(1), query.Text(2), query.Text(3),
                       query.IsNull(4) ? 0 : query.Int(4), query.Text(5), query.Text(6),
                       query.Text(7), query.Text(8), query.Text(9), query.Text(10)});
    }
  });
}

Result<std::vector<RunKey>> RunData::RunsWith(const std::string& dataset_id,
                                              std::optional<RunKey> before,
                                              std::size_t limit) const {
  using Found = std::vector<RunKey>;
  if (dataset_id.empty()) return Found();
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    // `<> ''` is the condition of the index by dataset.
    ROOST_ASSIGN(
        Statement query,
        db.Prepare("SELECT DISTINCT run FROM run_data WHERE dataset = ?1 AND dataset <> '' "
                   "AND run < ?2 AND EXISTS (SELECT 1 FROM runs WHERE key = run AND "
                   "lifecycle <> 'deleted') ORDER BY run DESC LIMIT ?3"));
    query.Bind(1, dataset_id);
    query.Bind(2, before ? before->value() : std::numeric_limits<std::int64_t>::max());
    query.Bind(3, static_cast<std::int64_t>(limit));
    Found runs;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return runs;
      runs.emplace_back(query.Int(0));
    }
  });
}

}  // namespace roost::store
