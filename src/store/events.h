#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

namespace roost::store {

class Database;

// What happened, in the order it happened; written in the transaction of the change itself. Ids
// never repeat. Kinds: run_created, run_state, run_reason, run_changed (name, tags, properties...),
// run_lifecycle, artifact, model, experiment.
struct Event {
  std::int64_t id = 0;
  Micros time = 0;
  std::string kind;
  std::string run_id;  // empty: not about a run
  std::string body_json;
};

class Events {
 public:
  explicit Events(Database& database) : database_(database) {}

  Result<std::vector<Event>> After(std::int64_t id, const std::string& run_id_or_empty,
                                   std::size_t limit) const;
  std::int64_t LastId() const;
  std::int64_t OldestId() const;  // a token before it gets a reset
  Status Prune(std::size_t keep);

 private:
  Database& database_;
};

}  // namespace roost::store
