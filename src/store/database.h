#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/result.h"
#include "store/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace roost::store {

// A prepared statement out of a connection's cache; reset and given back when it goes out of scope,
// so it must not outlive its connection. Parameters are bound by position from 1, columns read by
// position from 0. A bound NaN would become NULL in SQLite: Bind(double) must not be given one
// (metrics keep the kind beside the value). A failed Bind is told by the next Step.
class Statement {
 public:
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(int index, std::int64_t value);
  Statement& Bind(int index, int value) { return Bind(index, static_cast<std::int64_t>(value)); }
  Statement& Bind(int index, double value);
  Statement& Bind(int index, std::string_view text);       // copied
  Statement& BindBlob(int index, std::string_view bytes);  // must live until the statement is done
  Statement& BindNull(int index);

  Result<bool> Step();  // true: a row
  Status Run();         // steps to the end and resets, ready to be bound again
  void Reset();         // the same for a query that is not read to its end
  std::int64_t Int(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  std::string_view TextView(int column) const;  // until the next Step
  std::string_view Blob(int column) const;      // until the next Step
  bool IsNull(int column) const;

 private:
  friend class Connection;
  // The list that takes the statement back; none: it is finalized.
  using Home = std::vector<sqlite3_stmt*>;
  Statement(sqlite3_stmt* statement, sqlite3* db, Home* home)
      : statement_(statement), db_(db), home_(home) {}

  sqlite3_stmt* statement_;
  sqlite3* db_;
  Home* home_;
  int bind_error_ = 0;
};

// One SQLite connection with its statement cache. Used by one thread at a time.
class Connection {
 public:
  enum class Mode { kReadWrite, kReadOnly };
  static Result<std::unique_ptr<Connection>> Open(const fs::path& file, Mode mode);
  ~Connection();
  Connection(const Connection&) = delete;

  Result<Statement> Prepare(std::string_view sql);      // cached by its text
  Result<Statement> PrepareOnce(std::string_view sql);  // for texts that are put together
  Status Execute(std::string_view sql);                 // one or several statements without results
  std::int64_t LastInsertId() const;
  std::int64_t Changes() const;
  sqlite3* raw() { return db_; }

 private:
  explicit Connection(sqlite3* db);
  Result<sqlite3_stmt*> Compile(std::string_view sql, unsigned flags);
  sqlite3* db_;
  struct Cache;
  std::unique_ptr<Cache> cache_;
};

// Order in which the writer serves waiting writes; bulk work yields every 5 ms.
enum class Lane { kState, kLogging, kBulk };

// What a write is given, on the writer's thread, inside the group's transaction.
struct WriteContext {
  Connection& db;
  CommitNotice& notice;
  Micros now;
  // A row in `events`, in this transaction; told to listeners after the commit.
  Status AddEvent(std::string_view kind, std::string_view run_id, std::string_view body_json);
};

// The connections of one store: a single writer thread that commits waiting writes together
// (synchronous=FULL, one savepoint a write, so that one that fails takes no other with it), a pool
// of read-only connections, and a background checkpointer. WAL mode.
class Database {
 public:
  using WriteFunction = std::function<Status(WriteContext&)>;
  using Done = std::function<void(Status)>;

  // Makes the file when it is missing and brings its schema up to date. A file that is damaged, of
  // a newer program or of another one is an error that names it; it is not touched.
  static Result<std::unique_ptr<Database>> Open(const fs::path& file, Clock& clock,
                                                std::size_t readers);
  ~Database();

  // `done` is called on the writer's thread after the group's commit is durable, or with the error.
  void Submit(Lane lane, WriteFunction write, Done done);

  template <class T>
  Result<T> Write(Lane lane, std::function<Result<T>(WriteContext&)> write) {
    std::promise<Result<T>> promise;
    auto future = promise.get_future();
    std::optional<Result<T>> result;
    Submit(
        lane,
        [&](WriteContext& context) -> Status {
          result.emplace(write(context));
          if (!*result) return tl::unexpected<Error>(result->error());
          return {};
        },
        [&](Status status) {
          if (!status) {
            promise.set_value(tl::unexpected<Error>(status.error()));
          } else {
            promise.set_value(std::move(*result));
          }
        });
    return future.get();
  }
  Status Write(Lane lane, WriteFunction write);

  // Runs `read` with a connection of the pool, in one read transaction (a consistent snapshot).
  // Must not be nested: a read that waits for a second connection may wait for itself.
  template <class T>
  Result<T> Read(const std::function<Result<T>(Connection&)>& read) const {
    Lease lease(*this);
    if (!lease.connection()) return tl::unexpected<Error>(lease.error());
    return read(*lease.connection());
  }

  // Hooks. An empty one takes the old one away; when the function returns, the old one runs no
  // more.

  // Called on the writer's thread once for each group, before its commit: where summaries that many
  // writes touch are written once.
  void SetBeforeCommit(std::function<Status(WriteContext&)> hook);
  // Called on the writer's thread once for each group, after its commit or its rollback: where what
  // was kept in memory beside the group's writes is confirmed or forgotten.
  void SetAfterGroup(std::function<void(bool committed)> hook);
  void SetCommitListener(std::function<void(const CommitNotice&)> listener);
  Status Health() const;  // the last commit's outcome
  Micros Now() const;     // of the store's clock
  const fs::path& file() const;

 private:
  void WaitForOldHooks();

  class Lease {
   public:
    explicit Lease(const Database& database);
    ~Lease();
    Lease(const Lease&) = delete;
    Connection* connection() { return connection_; }
    const Error& error() const { return error_; }

   private:
    const Database& database_;
    Connection* connection_ = nullptr;
    Error error_;
  };
  struct State;
  explicit Database(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Refuses a database of a newer program or of another one. Only reads.
Status CheckIdentity(Connection& connection);
// Brings the schema to this program's version inside one transaction.
Status Migrate(Connection& connection);
inline constexpr int kSchemaVersion = 8;

}  // namespace roost::store
