#pragma once

#include "base/files.h"
#include "base/result.h"

struct sqlite3;

namespace roost::store {

// What SQLite's last failure on `db` means to a user: a full disk is kExhausted, a lock that is not
// given kUnavailable, a damaged file kInternal with the way out. Names the database's file.
Error SqliteError(sqlite3* db);
Error DamagedDatabase(const fs::path& file, std::string_view detail);

}  // namespace roost::store
