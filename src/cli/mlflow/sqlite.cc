#include "cli/mlflow/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "cli/mlflow/source.h"

namespace roost::cli::mlflow {
namespace {

// Its server may be writing while we read.
constexpr int kBusyMilliseconds = 10'000;

}  // namespace

Query::~Query() { sqlite3_finalize(statement_); }

Query::Query(Query&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}

Query& Query::Bind(int index, std::string_view text) {
  sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);  // NOLINT: SQLite's macro
  return *this;
}
Query& Query::Bind(int index, std::int64_t number) {
  sqlite3_bind_int64(statement_, index, number);
  return *this;
}
Query& Query::Bind(int index, double number) {
  sqlite3_bind_double(statement_, index, number);
  return *this;
}
Query& Query::BindNull(int index) {
  sqlite3_bind_null(statement_, index);
  return *this;
}

Result<bool> Query::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Fail(ErrorCode::kInternal, std::string("The database says: ") + sqlite3_errmsg(db_));
}

Status Query::Run() {
  while (true) {
    ROOST_ASSIGN(const bool row, Step());
    if (row) continue;
    Reset();
    return {};
  }
}

void Query::Reset() { sqlite3_reset(statement_); }

std::string Query::Text(int column) const {
  const auto* bytes = sqlite3_column_text(statement_, column);
  if (bytes == nullptr) return "";
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  return CleanText(std::string(text));
}
std::int64_t Query::Int(int column) const { return sqlite3_column_int64(statement_, column); }
double Query::Real(int column) const { return sqlite3_column_double(statement_, column); }
bool Query::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<std::unique_ptr<SqliteFile>> SqliteFile::Open(const fs::path& file, Mode mode) {
  const int flags =
      mode == Mode::kRead ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &db, flags, nullptr);
  std::unique_ptr<SqliteFile> opened(new SqliteFile(db, file));
  if (code != SQLITE_OK) return Fail(opened->ErrorOf("opening"));
  sqlite3_busy_timeout(db, kBusyMilliseconds);
  return opened;
}

SqliteFile::~SqliteFile() { sqlite3_close_v2(db_); }

Result<Query> SqliteFile::Prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr);
  if (code != SQLITE_OK) return Fail(ErrorOf("reading"));
  return Query(db_, statement);
}

Status SqliteFile::Execute(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return Fail(ErrorOf("writing"));
}

Result<bool> SqliteFile::HasColumn(const std::string& table, const std::string& column) {
  ROOST_ASSIGN(Query query, Prepare("SELECT 1 FROM pragma_table_info(?) WHERE name = ?"));
  return query.Bind(1, table).Bind(2, column).Step();
}

Result<bool> SqliteFile::HasTable(const std::string& table) {
  ROOST_ASSIGN(Query query,
               Prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"));
  return query.Bind(1, table).Step();
}

Error SqliteFile::ErrorOf(const std::string& doing) const {
  return {ErrorCode::kInternal, doing + " " + file_.string() + ": " + sqlite3_errmsg(db_), {}};
}

}  // namespace roost::cli::mlflow
