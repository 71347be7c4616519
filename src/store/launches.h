#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

namespace roost::store {

class Database;

// One attempt to execute a run. The row is written before anything starts.
struct Launch {
  std::string id;  // random hex
  RunKey run;
  int attempt = 1;
  std::string target;        // "local"
  std::string token_digest;  // of the attempt's own token; see Tokens
  bool ended = false;
  std::string exit_json;  // the exit record once it was taken in
  Micros created_at = 0;
  Micros ended_at = 0;
};

class Launches {
 public:
  explicit Launches(Database& database) : database_(database) {}

  // Also sets the run's attempt, in the same transaction.
  Status Create(const Launch& launch);
  Status End(const std::string& id, const std::string& exit_json);
  Result<Launch> Newest(RunKey run) const;  // kNotFound when the run never had one
  Result<std::vector<Launch>> OfRun(RunKey run) const;

 private:
  Database& database_;
};

}  // namespace roost::store
