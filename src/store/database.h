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

// A prepared statement out of a connection's cache; reset when it goes out of scope. Parameters are
// bound by position from 1, columns read by position from 0. A bound NaN would become NULL in
// SQLite: Bind(double) must not be given one (metrics keep the kind beside the value).
class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement, sqlite3* db) : statement_(statement), db_(db) {}
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement(const Statement&) = delete;

  Statement& Bind(int index, std::int64_t value);
  Statement& Bind(int index, int value) { return Bind(index, static_cast<std::int64_t>(value)); }
  Statement& Bind(int index, double value);
  Statement& Bind(int index, std::string_view text);  // must live until the statement is done
  Statement& BindBlob(int index, std::string_view bytes);
  Statement& BindNull(int index);

  Result<bool> Step();  // true: a row
  Status Run();         // steps to the end
  std::int64_t Int(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  std::string_view TextView(int column) const;  // until the next Step
  std::string_view Blob(int column) const;      // until the next Step
  bool IsNull(int column) const;

 private:
  sqlite3_stmt* statement_;
  sqlite3* db_;
};

// One SQLite connection with its statement cache. Used by one thread at a time.
class Connection {
 public:
  enum class Mode { kReadWrite, kReadOnly };
  static Result<std::unique_ptr<Connection>> Open(const fs::path& file, Mode mode);
  ~Connection();
  Connection(const Connection&) = delete;

  Result<Statement> Prepare(std::string_view sql);  // cached by its text
  Status Execute(std::string_view sql);             // one or several statements without results
  std::int64_t LastInsertId() const;
  std::int64_t Changes() const;
  sqlite3* raw() { return db_; }

 private:
  explicit Connection(sqlite3* db);
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
  template <class T>
  Result<T> Read(const std::function<Result<T>(Connection&)>& read) const {
    Lease lease(*this);
    if (!lease.connection()) return tl::unexpected<Error>(lease.error());
    return read(*lease.connection());
  }

  // Called on the writer's thread once for each group, before its commit: where summaries that many
  // writes touch are written once.
  void SetBeforeCommit(std::function<Status(WriteContext&)> hook);
  void SetCommitListener(std::function<void(const CommitNotice&)> listener);
  Status Health() const;  // the last commit's outcome

 private:
  class Lease {
   public:
    explicit Lease(const Database& database);
    ~Lease();
    Connection* connection() { return connection_; }
    const Error& error() const { return error_; }

   private:
    const Database& database_;
    Connection* connection_ = nullptr;
    Error error_;
  };
  struct State;
  Database();
  std::unique_ptr<State> state_;
};

// Brings the schema to this program's version inside one transaction; refuses a newer one.
Status Migrate(Connection& connection);
inline constexpr int kSchemaVersion = 1;

}  // namespace roost::store
