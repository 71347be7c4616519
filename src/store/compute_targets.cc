#include "store/compute_targets.h"

#include "store/database.h"
#include "store/rows.h"

namespace roost::store {
namespace {

#define ROOST_SELECT_TARGET                                                                     \
  "SELECT name, vm_size, cpus, gpus, memory_mb, vm_priority, min_nodes, max_nodes, "            \
  "idle_seconds, description, tags, deleting, created_at, updated_at, state_since, resized_at " \
  "FROM compute_targets "

Result<std::vector<ComputeNode>> ReadNodes(Connection& db, const std::string& target) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT id, run_id, since FROM compute_nodes WHERE "
                                           "target = ? ORDER BY length(id), id"));
  query.Bind(1, target);
  std::vector<ComputeNode> nodes;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return nodes;
    nodes.push_back({query.Text(0), query.Text(1), query.Int(2)});
  }
}

Result<ComputeTarget> ReadTarget(Connection& db, const Statement& row) {
  ComputeTarget target;
  spec::ClusterSettings& settings = target.settings;
  settings.name = row.Text(0);
  settings.size = {row.Text(1), static_cast<int>(row.Int(2)), static_cast<int>(row.Int(3)),
                   row.Int(4)};
  settings.priority = spec::ParseVmPriority(row.TextView(5)).value_or(spec::VmPriority::kDedicated);
  settings.min_nodes = static_cast<int>(row.Int(6));
  settings.max_nodes = static_cast<int>(row.Int(7));
  settings.idle_seconds = row.Int(8);
  settings.description = row.Text(9);
  settings.tags = ReadJsonMap(row.TextView(10));
  target.deleting = row.Int(11) != 0;
  target.created_at = row.Int(12);
  target.updated_at = row.Int(13);
  target.state_since = row.Int(14);
  target.resized_at = row.Int(15);
  ROOST_ASSIGN(target.nodes, ReadNodes(db, settings.name));
  return target;
}

Result<ComputeTarget> Load(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_TARGET "WHERE name = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).Step());
  if (row) return ReadTarget(db, query);
  return Fail(ErrorCode::kNotFound, "There is no compute target named '" + name + "'.");
}

}  // namespace

Result<std::vector<ComputeTarget>> ComputeTargets::List() const {
  using Found = std::vector<ComputeTarget>;
  return database_.Read<Found>([](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_TARGET "ORDER BY name"));
    Found targets;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return targets;
      ROOST_ASSIGN(ComputeTarget target, ReadTarget(db, query));
      targets.push_back(std::move(target));
    }
  });
}

Result<ComputeTarget> ComputeTargets::Get(const std::string& name) const {
  return database_.Read<ComputeTarget>([&](Connection& db) { return Load(db, name); });
}

Result<ComputeTarget> ComputeTargets::Create(const spec::ClusterSettings& settings) {
  return database_.Write<ComputeTarget>(
      Lane::kState, [&](WriteContext& context) -> Result<ComputeTarget> {
        ROOST_ASSIGN(
            Statement insert,
            context.db.Prepare("INSERT OR IGNORE INTO compute_targets(name, vm_size, cpus, gpus, "
                               "memory_mb, vm_priority, min_nodes, max_nodes, idle_seconds, "
                               "description, tags, created_at, updated_at, state_since, "
                               "resized_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
                               "?12, ?12, ?12, ?12)"));
        insert.Bind(1, settings.name).Bind(2, settings.size.name).Bind(3, settings.size.cpus);
        insert.Bind(4, settings.size.gpus).Bind(5, settings.size.memory_mb);
        insert.Bind(6, spec::ToString(settings.priority)).Bind(7, settings.min_nodes);
        insert.Bind(8, settings.max_nodes).Bind(9, settings.idle_seconds);
        insert.Bind(10, settings.description).Bind(11, JsonOf(settings.tags));
        ROOST_TRY(insert.Bind(12, context.now).Run());
        if (context.db.Changes() == 0) {
          return Fail(ErrorCode::kConflict,
                      "A compute target named '" + settings.name + "' exists already.");
        }
        return Load(context.db, settings.name);
      });
}

Result<ComputeTarget> ComputeTargets::Update(const spec::ClusterSettings& settings) {
  return database_.Write<ComputeTarget>(
      Lane::kState, [&](WriteContext& context) -> Result<ComputeTarget> {
        ROOST_ASSIGN(Statement update,
                     context.db.Prepare("UPDATE compute_targets SET min_nodes = ?2, max_nodes = "
                                        "?3, idle_seconds = ?4, description = ?5, tags = ?6, "
                                        "updated_at = max(updated_at, ?7) WHERE name = ?1"));
        update.Bind(1, settings.name).Bind(2, settings.min_nodes).Bind(3, settings.max_nodes);
        update.Bind(4, settings.idle_seconds).Bind(5, settings.description);
        ROOST_TRY(update.Bind(6, JsonOf(settings.tags)).Bind(7, context.now).Run());
        return Load(context.db, settings.name);
      });
}

Result<ComputeTarget> ComputeTargets::SetDeleting(const std::string& name) {
  return database_.Write<ComputeTarget>(
      Lane::kState, [&](WriteContext& context) -> Result<ComputeTarget> {
        ROOST_ASSIGN(Statement update,
                     context.db.Prepare("UPDATE compute_targets SET deleting = 1, state_since = ?2 "
                                        "WHERE name = ?1 AND deleting = 0"));
        ROOST_TRY(update.Bind(1, name).Bind(2, context.now).Run());
        return Load(context.db, name);
      });
}

Status ComputeTargets::Remove(const std::string& name) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement remove,
                 context.db.Prepare("DELETE FROM compute_targets WHERE name = ?"));
    return remove.Bind(1, name).Run();
  });
}

Status ComputeTargets::Resize(const std::string& name, const std::vector<ComputeNode>& added,
                              const std::vector<std::string>& removed, Micros at) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    // A try whose answer was an error may have been kept.
    ROOST_ASSIGN(Statement insert,
                 context.db.Prepare("INSERT OR REPLACE INTO compute_nodes(target, id, run_id, "
                                    "since) VALUES(?, ?, ?, ?)"));
    ROOST_ASSIGN(Statement remove, context.db.Prepare("DELETE FROM compute_nodes WHERE target = ? "
                                                      "AND id = ?"));
    for (const std::string& id : removed) ROOST_TRY(remove.Bind(1, name).Bind(2, id).Run());
    for (const ComputeNode& node : added) {
      insert.Bind(1, name).Bind(2, node.id).Bind(3, node.run_id).Bind(4, node.since);
      ROOST_TRY(insert.Run());
    }
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE compute_targets SET resized_at = ?2 WHERE name = ?1"));
    return update.Bind(1, name).Bind(2, at).Run();
  });
}

Status ComputeTargets::SetUse(const std::string& name, const ComputeNode& node) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE compute_nodes SET run_id = ?3, since = ?4 WHERE target "
                                    "= ?1 AND id = ?2"));
    update.Bind(1, name).Bind(2, node.id).Bind(3, node.run_id).Bind(4, node.since);
    ROOST_TRY(update.Run());
    if (context.db.Changes() > 0) return {};
    return Fail(ErrorCode::kNotFound,
                "The compute target '" + name + "' has no node '" + node.id + "'.");
  });
}

}  // namespace roost::store
