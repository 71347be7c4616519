#include "store/sqlite_error.h"

#include <sqlite3.h>

#include <cerrno>

namespace roost::store {
namespace {

bool IsOutOfSpace(int error_number) { return error_number == ENOSPC || error_number == EDQUOT; }

}  // namespace

Error DamagedDatabase(const fs::path& file, std::string_view detail) {
  return {ErrorCode::kInternal,
          "The database " + file.string() + " is damaged or is not a database (" +
              std::string(detail) +
              "). It was left as it is; move it away and restore a backup with 'roost restore'.",
          {}};
}

Error SqliteError(sqlite3* db) {
  const int code = sqlite3_extended_errcode(db);
  const int system_error = sqlite3_system_errno(db);
  const char* name = sqlite3_db_filename(db, "main");
  const fs::path file = name != nullptr ? name : "";
  const std::string detail = sqlite3_errmsg(db);

  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DamagedDatabase(file, detail);
    case SQLITE_FULL:
      return {ErrorCode::kExhausted,
              "The disk is full: the database " + file.string() +
                  " cannot grow. Free some space; nothing has to be started again.",
              {}};
    case SQLITE_IOERR:
      if (IsOutOfSpace(system_error)) {
        return {ErrorCode::kExhausted,
                "The disk is full: a file beside the database " + file.string() +
                    " cannot grow. Free some space; nothing has to be started again.",
                {}};
      }
      break;
    case SQLITE_NOMEM:
      return {ErrorCode::kExhausted, "The database " + file.string() + " ran out of memory.", {}};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::kUnavailable,
              "The database " + file.string() + " is locked by another program.",
              {}};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return {system_error == 0 || !IsOutOfSpace(system_error) ? ErrorCode::kPermissionDenied
                                                               : ErrorCode::kExhausted,
              "The database " + file.string() + " cannot be opened for writing (" + detail + ").",
              {}};
    case SQLITE_TOOBIG:
      return {ErrorCode::kTooLarge, "A value is too large for the database.", {}};
    default:
      break;
  }
  return {ErrorCode::kInternal, "The database " + file.string() + " failed: " + detail + ".", {}};
}

}  // namespace roost::store
