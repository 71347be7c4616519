#include "store/tokens.h"

#include "store/database.h"
#include "store/rows.h"

namespace roost::store {
namespace {

constexpr std::size_t kSecretBytes = 32;
// A server has a few users' tokens and those of its live runs; a store full of old ones must not
// fill the memory.
constexpr std::size_t kMostKnown = 4096;

Token ReadToken(const Statement& row) {
  Token token;
  token.name = row.Text(0);
  if (!row.IsNull(1)) token.run = RunKey(row.Int(1));
  token.attempt = static_cast<int>(row.Int(2));
  token.created_at = row.Int(3);
  return token;
}

Status InsertUserToken(WriteContext& context, const std::string& name, const std::string& secret) {
  const Digest digest = DigestOf(secret);
  ROOST_ASSIGN(Statement insert, context.db.Prepare("INSERT INTO tokens(digest, name, attempt, "
                                                    "created_at) VALUES(?, ?, 0, ?)"));
  return insert.BindBlob(1, BytesOf(digest)).Bind(2, name).Bind(3, context.now).Run();
}

}  // namespace

Result<std::string> Tokens::Create(const std::string& name) {
  const std::string secret = RandomHex(kSecretBytes);
  const Status written = database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement query,
                 context.db.Prepare("SELECT 1 FROM tokens WHERE name = ? AND run IS NULL"));
    ROOST_ASSIGN(const bool taken, query.Bind(1, name).Step());
    if (taken) {
      return Fail(ErrorCode::kConflict, "A token named '" + name +
                                            "' exists already. Delete it first, or choose "
                                            "another name.");
    }
    return InsertUserToken(context, name, secret);
  });
  ROOST_TRY(written);
  return secret;
}

Status Tokens::Put(const std::string& name, const std::string& secret) {
  const Status written = database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    const Digest digest = DigestOf(secret);
    ROOST_ASSIGN(Statement remove,
                 context.db.Prepare("DELETE FROM tokens WHERE (name = ? AND run IS NULL) OR "
                                    "digest = ?"));
    ROOST_TRY(remove.Bind(1, name).BindBlob(2, BytesOf(digest)).Run());
    return InsertUserToken(context, name, secret);
  });
  ROOST_TRY(written);
  Forget();
  return {};
}

Result<std::string> Tokens::CreateForRun(RunKey run, int attempt) {
  const std::string secret = RandomHex(kSecretBytes);
  const Status written = database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    const Digest digest = DigestOf(secret);
    ROOST_ASSIGN(Statement insert,
                 context.db.Prepare("INSERT INTO tokens(digest, name, run, attempt, created_at) "
                                    "SELECT ?, id, key, ?, ? FROM runs WHERE key = ?"));
    insert.BindBlob(1, BytesOf(digest)).Bind(2, attempt).Bind(3, context.now).Bind(4, run.value());
    ROOST_TRY(insert.Run());
    if (context.db.Changes() > 0) return {};
    return Fail(ErrorCode::kNotFound, "The run that needs a token is not there any more.");
  });
  ROOST_TRY(written);
  return secret;
}

Result<Token> Tokens::Find(const std::string& secret) const {
  const Digest digest = DigestOf(secret);
  std::uint64_t changes_before = 0;
  {
    std::lock_guard lock(mutex_);
    const auto known = known_.find(digest);
    if (known != known_.end()) return known->second;
    changes_before = changes_;
  }
  const auto read = [&](Connection& db) -> Result<Token> {
    ROOST_ASSIGN(Statement query,
                 db.Prepare("SELECT name, run, attempt, created_at FROM tokens WHERE digest = ?"));
    ROOST_ASSIGN(const bool row, query.BindBlob(1, BytesOf(digest)).Step());
    if (row) return ReadToken(query);
    return Fail(ErrorCode::kUnauthenticated,
                "The token is not known to this server. Use the link that the server printed, or "
                "ask for a token of your own.");
  };
  ROOST_ASSIGN(Token token, database_.Read<Token>(read));
  std::lock_guard lock(mutex_);
  if (changes_ == changes_before) {
    if (known_.size() >= kMostKnown) known_.clear();
    known_.emplace(digest, token);
  }
  return token;
}

Result<std::vector<Token>> Tokens::List() const {
  using Found = std::vector<Token>;
  return database_.Read<Found>([](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query, db.Prepare("SELECT name, run, attempt, created_at FROM tokens "
                                             "WHERE run IS NULL ORDER BY name"));
    Found tokens;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return tokens;
      tokens.push_back(ReadToken(query));
    }
  });
}

Status Tokens::Delete(const std::string& name) {
  const Status written = database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement remove,
                 context.db.Prepare("DELETE FROM tokens WHERE name = ? AND run IS NULL"));
    ROOST_TRY(remove.Bind(1, name).Run());
    if (context.db.Changes() > 0) return {};
    return Fail(ErrorCode::kNotFound, "There is no token named '" + name + "'.");
  });
  ROOST_TRY(written);
  Forget();
  return {};
}

Status Tokens::DeleteOfRun(RunKey run) {
  const Status written = database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement remove, context.db.Prepare("DELETE FROM tokens WHERE run = ?"));
    return remove.Bind(1, run.value()).Run();
  });
  ROOST_TRY(written);
  Forget();
  return {};
}

// Changes are rare; asking the database once more for each token costs nothing.
void Tokens::Forget() {
  std::lock_guard lock(mutex_);
  ++changes_;
  known_.clear();
}

}  // namespace roost::store
