#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/result.h"

namespace roost::store {

class Database;

// Who may speak to the server. Only digests of secrets are kept. A user token may do everything; a
// run token may only read and write its own run (and children that it makes) in its own attempt.
struct Token {
  std::string name;           // unique; kept as submitter of what it makes. Of a run: its id
  std::optional<RunKey> run;  // a run token
  int attempt = 0;
  Micros created_at = 0;
};

class Tokens {
 public:
  explicit Tokens(Database& database) : database_(database) {}

  // Gives the secret, this once. kConflict when the name is taken.
  Result<std::string> Create(const std::string& name);
  // Keeps a given secret under a name, replacing it: the first start's token file.
  Status Put(const std::string& name, const std::string& secret);
  Result<std::string> CreateForRun(RunKey run, int attempt);
  // A secret's token; kUnauthenticated when unknown. Answered from memory after the first time.
  Result<Token> Find(const std::string& secret) const;
  Result<std::vector<Token>> List() const;  // user tokens
  Status Delete(const std::string& name);
  Status DeleteOfRun(RunKey run);

 private:
  void Forget();

  Database& database_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::unordered_map<Digest, Token> known_;
  std::uint64_t changes_ = 0;  // a look-up that began before a change must not be remembered
};

}  // namespace roost::store
