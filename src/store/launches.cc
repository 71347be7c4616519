#include "store/launches.h"

#include "store/database.h"
#include "store/rows.h"
#include "store/run_rows.h"

namespace roost::store {
namespace {

#define ROOST_SELECT_LAUNCH                                                                \
  "SELECT id, run, attempt, target, token_digest, exit_record, created_at, ended_at FROM " \
  "launches "

Launch ReadLaunch(const Statement& row) {
  Launch launch;
  launch.id = row.Text(0);
  launch.run = RunKey(row.Int(1));
  launch.attempt = static_cast<int>(row.Int(2));
  launch.target = row.Text(3);
  launch.token_digest = row.Text(4);
  launch.exit_json = row.Text(5);
  launch.created_at = row.Int(6);
  launch.ended = !row.IsNull(7);
  launch.ended_at = row.Int(7);
  return launch;
}

}  // namespace

Status Launches::Create(const Launch& launch) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::string run_id, RequireNotDeleted(context.db, launch.run));
    ROOST_ASSIGN(Statement insert,
                 context.db.Prepare("INSERT OR IGNORE INTO launches(id, run, attempt, target, "
                                    "token_digest, created_at) VALUES(?, ?, ?, ?, ?, ?)"));
    insert.Bind(1, launch.id).Bind(2, launch.run.value()).Bind(3, launch.attempt);
    insert.Bind(4, launch.target).Bind(5, launch.token_digest);
    insert.Bind(6, launch.created_at == 0 ? context.now : launch.created_at);
    ROOST_TRY(insert.Run());
    if (context.db.Changes() == 0) {
      return Fail(ErrorCode::kConflict, "The run '" + run_id + "' has an attempt " +
                                            std::to_string(launch.attempt) + " already.");
    }
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE runs SET attempt = ?2 WHERE key = ?1"));
    ROOST_TRY(update.Bind(1, launch.run.value()).Bind(2, launch.attempt).Run());
    return context.AddEvent("run_changed", run_id, JsonOf({{"run_id", run_id}}));
  });
}

Status Launches::End(const std::string& id, const std::string& exit_json) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    // The first record counts: taking one in again after a restart changes nothing.
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE launches SET ended_at = ifnull(ended_at, max(?2, "
                                    "created_at)), exit_record = ifnull(exit_record, ?3) WHERE "
                                    "id = ?1"));
    update.Bind(1, id).Bind(2, context.now);
    BindOptionalText(update, 3, exit_json);
    ROOST_TRY(update.Run());
    if (context.db.Changes() > 0) return {};
    return Fail(ErrorCode::kNotFound, "There is no launch with the id '" + id + "'.");
  });
}

Result<Launch> Launches::Newest(RunKey run) const {
  return database_.Read<Launch>([&](Connection& db) -> Result<Launch> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare(ROOST_SELECT_LAUNCH "WHERE run = ? ORDER BY attempt DESC LIMIT 1"));
    ROOST_ASSIGN(const bool row, query.Bind(1, run.value()).Step());
    if (row) return ReadLaunch(query);
    return Fail(ErrorCode::kNotFound, "The run has not been launched yet.");
  });
}

Result<std::vector<Launch>> Launches::OfRun(RunKey run) const {
  using Found = std::vector<Launch>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_LAUNCH "WHERE run = ? ORDER BY attempt"));
    query.Bind(1, run.value());
    Found launches;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return launches;
      launches.push_back(ReadLaunch(query));
    }
  });
}

}  // namespace roost::store
