#include "store/events.h"

#include "store/database.h"

namespace roost::store {
namespace {

std::int64_t ReadId(const Database& database, std::string_view sql) {
  const auto id = database.Read<std::int64_t>([&](Connection& db) -> Result<std::int64_t> {
    ROOST_ASSIGN(Statement query, db.Prepare(sql));
    ROOST_TRY(query.Step());
    return query.Int(0);
  });
  return id.value_or(0);
}

}  // namespace

Result<std::vector<Event>> Events::After(std::int64_t id, const std::string& run_id_or_empty,
                                         std::size_t limit) const {
  using Found = std::vector<Event>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    const bool of_run = !run_id_or_empty.empty();
    ROOST_ASSIGN(Statement query,
                 db.Prepare(of_run ? "SELECT id, time, kind, run_id, body FROM events WHERE id > "
                                     "?1 AND run_id = ?3 AND run_id <> '' ORDER BY id LIMIT ?2"
                                   : "SELECT id, time, kind, run_id, body FROM events WHERE id > "
                                     "?1 ORDER BY id LIMIT ?2"));
    query.Bind(1, id).Bind(2, static_cast<std::int64_t>(limit));
    if (of_run) query.Bind(3, run_id_or_empty);
    Found events;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return events;
      events.push_back({query.Int(0), query.Int(1), query.Text(2), query.Text(3), query.Text(4)});
    }
  });
}

// The counter and not the table's end: after a prune of everything the last id is still the last.
std::int64_t Events::LastId() const {
  return ReadId(database_, "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'");
}

std::int64_t Events::OldestId() const {
  return ReadId(database_, "SELECT ifnull(min(id), 0) FROM events");
}

Status Events::Prune(std::size_t keep) {
  return database_.Write(Lane::kBulk, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement prune,
                 context.db.Prepare("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) "
                                    "- ?"));
    return prune.Bind(1, static_cast<std::int64_t>(keep)).Run();
  });
}

}  // namespace roost::store
