#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace roost::cli::mlflow {

// A statement of a database file; columns from 0, parameters from 1. A failed Bind is told by the
// next Step.
class Query {
 public:
  Query(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  ~Query();
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;

  Query& Bind(int index, std::string_view text);  // copied
  Query& Bind(int index, std::int64_t number);
  Query& Bind(int index, double number);
  Query& BindNull(int index);
  Result<bool> Step();  // true: a row
  Status Run();         // to the end, ready for the next bindings
  void Reset();

  // Texts are made clean (CleanText); NULL is "" and 0.
  std::string Text(int column) const;
  std::int64_t Int(int column) const;
  double Real(int column) const;
  bool IsNull(int column) const;

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
};

// A database of MLflow's, read or written by this program alone.
class SqliteFile {
 public:
  enum class Mode { kRead, kMake };
  static Result<std::unique_ptr<SqliteFile>> Open(const fs::path& file, Mode mode);
  ~SqliteFile();
  SqliteFile(const SqliteFile&) = delete;

  Result<Query> Prepare(const std::string& sql);
  Status Execute(const std::string& sql);
  Result<bool> HasColumn(const std::string& table, const std::string& column);
  Result<bool> HasTable(const std::string& table);

 private:
  SqliteFile(sqlite3* db, fs::path file) : db_(db), file_(std::move(file)) {}
  Error ErrorOf(const std::string& doing) const;

  sqlite3* db_;
  const fs::path file_;
};

}  // namespace roost::cli::mlflow
