#include <sqlite3.h>

#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "store/database.h"
#include "store/sqlite_error.h"

namespace roost::store {
namespace {

// Debian's SQLite overwrites deleted content with zeros unless told not to, which makes every
// delete and update write more pages. Page caches are small because the operating system caches
// the file as well: the server promises a small footprint.
constexpr const char* kWriterSettings =
    "PRAGMA auto_vacuum=NONE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA foreign_keys=ON; PRAGMA secure_delete=OFF; PRAGMA wal_autocheckpoint=0;"
    "PRAGMA cache_size=-4000;";
constexpr const char* kReaderSettings =
    "PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-2000;";
// Long enough for the moment in which another connection recovers or resets the log.
constexpr int kBusyTimeoutMs = 5000;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

}  // namespace

// --- Statement ---

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)),
      db_(other.db_),
      home_(other.home_),
      bind_error_(other.bind_error_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  if (home_ == nullptr) {
    sqlite3_finalize(statement_);
    return;
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  home_->push_back(statement_);
}

Statement& Statement::Bind(int index, std::int64_t value) {
  bind_error_ |= sqlite3_bind_int64(statement_, index, value);
  return *this;
}

Statement& Statement::Bind(int index, double value) {
  bind_error_ |= sqlite3_bind_double(statement_, index, value);
  return *this;
}

Statement& Statement::Bind(int index, std::string_view text) {
  // A null pointer would bind NULL instead of an empty text.
  bind_error_ |= sqlite3_bind_text64(statement_, index, text.data() ? text.data() : "", text.size(),
                                     SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::BindBlob(int index, std::string_view bytes) {
  bind_error_ |= sqlite3_bind_blob64(statement_, index, bytes.data() ? bytes.data() : "",
                                     bytes.size(), SQLITE_STATIC);
  return *this;
}

Statement& Statement::BindNull(int index) {
  bind_error_ |= sqlite3_bind_null(statement_, index);
  return *this;
}

Result<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) return Fail(SqliteError(db_));
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Fail(SqliteError(db_));
}

Status Statement::Run() {
  while (true) {
    ROOST_ASSIGN(const bool row, Step());
    if (!row) break;
  }
  Reset();
  return {};
}

void Statement::Reset() { sqlite3_reset(statement_); }

std::int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::Real(int column) const { return sqlite3_column_double(statement_, column); }
std::string Statement::Text(int column) const { return std::string(TextView(column)); }

std::string_view Statement::TextView(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view Statement::Blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

// --- Connection ---

// Statements that nobody uses now, by their text. Nodes keep their address, so a statement knows
// the list that it goes home to.
struct Connection::Cache {
  std::unordered_map<std::string, Statement::Home, TextHash, std::equal_to<>> idle;
};

Connection::Connection(sqlite3* db) : db_(db), cache_(std::make_unique<Cache>()) {}

Connection::~Connection() {
  for (auto& [sql, statements] : cache_->idle) {
    for (sqlite3_stmt* statement : statements) sqlite3_finalize(statement);
  }
  ROOST_CHECK(sqlite3_close(db_) == SQLITE_OK);  // fails only while a statement is still in use
}

Result<std::unique_ptr<Connection>> Connection::Open(const fs::path& file, Mode mode) {
  const int flags =
      mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (db == nullptr) {
    return Fail(ErrorCode::kExhausted, "There is no memory to open " + file.string() + ".");
  }
  std::unique_ptr<Connection> connection(new Connection(db));
  if (code != SQLITE_OK) return Fail(SqliteError(db));
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  ROOST_TRY(connection->Execute(mode == Mode::kReadWrite ? kWriterSettings : kReaderSettings));
  return connection;
}

Result<sqlite3_stmt*> Connection::Compile(std::string_view sql, unsigned flags) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), flags, &statement, nullptr);
  if (code != SQLITE_OK) return Fail(SqliteError(db_));
  ROOST_CHECK(statement != nullptr);  // an empty text is a mistake of ours
  return statement;
}

Result<Statement> Connection::Prepare(std::string_view sql) {
  auto entry = cache_->idle.find(sql);
  if (entry == cache_->idle.end()) {
    entry = cache_->idle.emplace(std::string(sql), Statement::Home{}).first;
  }
  Statement::Home& home = entry->second;
  if (!home.empty()) {
    sqlite3_stmt* statement = home.back();
    home.pop_back();
    return Statement(statement, db_, &home);
  }
  ROOST_ASSIGN(sqlite3_stmt * statement, Compile(sql, SQLITE_PREPARE_PERSISTENT));
  return Statement(statement, db_, &home);
}

Result<Statement> Connection::PrepareOnce(std::string_view sql) {
  ROOST_ASSIGN(sqlite3_stmt * statement, Compile(sql, 0));
  return Statement(statement, db_, nullptr);
}

Status Connection::Execute(std::string_view sql) {
  if (sqlite3_exec(db_, std::string(sql).c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Fail(SqliteError(db_));
  }
  return {};
}

std::int64_t Connection::LastInsertId() const { return sqlite3_last_insert_rowid(db_); }
std::int64_t Connection::Changes() const { return sqlite3_changes64(db_); }

}  // namespace roost::store
