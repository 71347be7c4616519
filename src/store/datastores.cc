#include "store/datastores.h"

#include <algorithm>
#include <unordered_set>

#include "spec/data_definition.h"
#include "store/blobs.h"
#include "store/database.h"
#include "store/rows.h"

namespace roost::store {
namespace {

#define ROOST_SELECT_DATASTORE \
  "SELECT name, folder, is_default, read_only, created_at FROM datastores "

constexpr std::size_t kConflictsNamed = 100;

Datastore ReadDatastore(const Statement& row) {
  return {row.Text(0), row.Text(1), row.Int(2) != 0, row.Int(3) != 0, row.Int(4)};
}

Result<std::vector<Datastore>> ReadDatastores(Statement& query) {
  std::vector<Datastore> all;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return all;
    all.push_back(ReadDatastore(query));
  }
}

Error NoSuchDatastore(const std::string& name) {
  return {ErrorCode::kNotFound, "There is no datastore '" + name + "'.", {}};
}

Error NoSuchFile(const std::string& name, const std::string& path) {
  return {ErrorCode::kNotFound, "The datastore " + name + " has no file '" + path + "'.", {}};
}

Result<Datastore> Load(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_DATASTORE "WHERE name = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).Step());
  if (!row) return Fail(NoSuchDatastore(name));
  return ReadDatastore(query);
}

// The key of a datastore of type "store".
Result<std::int64_t> StoreKey(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT key, folder FROM datastores WHERE name = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).Step());
  if (!row) return Fail(NoSuchDatastore(name));
  if (!query.TextView(1).empty()) {
    return Fail(ErrorCode::kInternal, "The datastore " + name + " is a folder and has no rows.");
  }
  return query.Int(0);
}

DatastoreFile ReadFileRow(const Statement& row) {
  return {row.Text(0), ReadDigest(row, 1), static_cast<std::uint64_t>(row.Int(2)), row.Int(3)};
}

// Compares files with the rows that are there, and tells which paths cannot be taken.
class Comparison {
 public:
  Comparison(Connection& db, std::int64_t key, Datastores::Overwrite overwrite)
      : db_(db), key_(key), overwrite_(overwrite) {}

  Status Look(const DatastoreFile& file) {
    ROOST_ASSIGN(Statement known, db_.Prepare("SELECT digest FROM datastore_files WHERE "
                                              "datastore = ? AND path = ?"));
    ROOST_ASSIGN(const bool row, known.Bind(1, key_).Bind(2, file.path).Step());
    if (row && ReadDigest(known, 0) == file.digest) {
      ++unchanged;
      return {};
    }
    if (row && overwrite_ == Datastores::Overwrite::kRefuse) {
      Conflict(file.path, "is there with another content");
      return {};
    }
    if (!row) {
      ROOST_TRY(LookAbove(file.path));
      ROOST_TRY(LookBelow(file.path));
    }
    to_write.push_back(&file);
    return {};
  }

  Error ToError(const std::string& name) {
    Error error{ErrorCode::kConflict, {}, std::move(conflicts_)};
    const Problem& first = error.details.front();
    error.message = "The datastore " + name + " cannot take '" + first.field + "': it " +
                    first.message + ". Choose another path, or ask to overwrite.";
    if (count_ > 1) error.message += " " + std::to_string(count_) + " paths are concerned.";
    return error;
  }

  bool HasConflicts() const { return count_ > 0; }

  std::size_t unchanged = 0;
  std::vector<const DatastoreFile*> to_write;

 private:
  void Conflict(const std::string& path, std::string message) {
    if (++count_ <= kConflictsNamed) conflicts_.push_back({path, std::move(message)});
  }

  // Is one of its folders a file?
  Status LookAbove(const std::string& path) {
    for (auto slash = path.rfind('/'); slash != std::string::npos && slash > 0;
         slash = path.rfind('/', slash - 1)) {
      std::string folder = path.substr(0, slash);
      if (!folders_.insert(folder).second) return {};  // looked at, and so were those above it
      ROOST_ASSIGN(Statement query, db_.Prepare("SELECT 1 FROM datastore_files WHERE datastore = ? "
                                                "AND path = ?"));
      ROOST_ASSIGN(const bool row, query.Bind(1, key_).Bind(2, folder).Step());
      if (row) Conflict(path, "would lie below '" + folder + "', which is a file");
    }
    return {};
  }

  Status LookBelow(const std::string& path) {
    const std::string inside = path + "/";
    ROOST_ASSIGN(Statement query, db_.Prepare("SELECT path FROM datastore_files WHERE datastore = "
                                              "? AND path > ? ORDER BY path LIMIT 1"));
    ROOST_ASSIGN(const bool row, query.Bind(1, key_).Bind(2, inside).Step());
    if (row && query.TextView(0).starts_with(inside)) Conflict(path, "is a folder there");
    return {};
  }

  Connection& db_;
  const std::int64_t key_;
  const Datastores::Overwrite overwrite_;
  std::unordered_set<std::string> folders_;
  std::vector<Problem> conflicts_;
  std::size_t count_ = 0;
};

// Within one request: a path twice, or one that is both file and folder.
Status CheckAmongThemselves(const std::vector<DatastoreFile>& files) {
  std::unordered_set<std::string_view> paths;
  for (const DatastoreFile& file : files) {
    if (!paths.insert(file.path).second) {
      return Invalid("files", "The path '" + file.path + "' stands twice in the list.");
    }
  }
  for (const DatastoreFile& file : files) {
    const std::string_view path = file.path;
    for (auto slash = path.rfind('/'); slash != std::string_view::npos && slash > 0;
         slash = path.rfind('/', slash - 1)) {
      if (!paths.contains(path.substr(0, slash))) continue;
      return Invalid("files", "The path '" + std::string(path.substr(0, slash)) +
                                  "' is both a file and a folder in the list.");
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Datastore>> Datastores::List() const {
  using Found = std::vector<Datastore>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_DATASTORE "ORDER BY name"));
    return ReadDatastores(query);
  });
}

Result<Datastore> Datastores::Get(const std::string& name) const {
  return database_.Read<Datastore>([&](Connection& db) { return Load(db, name); });
}

Result<Datastore> Datastores::Default() const {
  return database_.Read<Datastore>([&](Connection& db) -> Result<Datastore> {
    ROOST_ASSIGN(Statement query, db.Prepare(ROOST_SELECT_DATASTORE "WHERE is_default = 1"));
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return Fail(ErrorCode::kInternal, "There is no default datastore.");
    return ReadDatastore(query);
  });
}

Result<Datastores::Created> Datastores::Create(const Datastore& asked) {
  return database_.Write<Created>(Lane::kState, [&](WriteContext& context) -> Result<Created> {
    const Result<Datastore> known = Load(context.db, asked.name);
    if (!known && known.error().code != ErrorCode::kNotFound) return Fail(known.error());
    if (known) {
      if (known->folder == asked.folder && known->read_only == asked.read_only &&
          (known->is_default || !asked.is_default)) {
        return Created{*known, false};
      }
      return Fail(ErrorCode::kConflict, "There is a datastore '" + asked.name +
                                            "' with other settings already. Choose another name, "
                                            "or remove that one first.");
    }
    if (asked.is_default) ROOST_TRY(context.db.Execute("UPDATE datastores SET is_default = 0"));
    ROOST_ASSIGN(Statement insert, context.db.Prepare("INSERT INTO datastores(name, folder, "
                                                      "is_default, read_only, created_at) "
                                                      "VALUES(?, ?, ?, ?, ?)"));
    insert.Bind(1, asked.name).Bind(2, asked.folder.string()).Bind(3, asked.is_default ? 1 : 0);
    ROOST_TRY(insert.Bind(4, asked.read_only ? 1 : 0).Bind(5, context.now).Run());
    ROOST_ASSIGN(Datastore made, Load(context.db, asked.name));
    return Created{std::move(made), true};
  });
}

Status Datastores::SetDefault(const std::string& name) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_TRY(Load(context.db, name));
    ROOST_ASSIGN(Statement update,
                 context.db.Prepare("UPDATE datastores SET is_default = (name = ?)"));
    return update.Bind(1, name).Run();
  });
}

Status Datastores::Remove(const std::string& name) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const Datastore known, Load(context.db, name));
    if (!known.is_folder()) {
      return Fail(ErrorCode::kConflict,
                  "The datastore " + name + " belongs to the server and cannot be removed.");
    }
    if (known.is_default) {
      return Fail(ErrorCode::kConflict, "The datastore " + name +
                                            " is the default one. Make another one the default "
                                            "first.");
    }
    ROOST_ASSIGN(Statement remove, context.db.Prepare("DELETE FROM datastores WHERE name = ?"));
    return remove.Bind(1, name).Run();
  });
}

Result<Datastores::Added> Datastores::AddFiles(const std::string& name,
                                               const std::vector<DatastoreFile>& files,
                                               Overwrite overwrite) {
  ROOST_TRY(CheckAmongThemselves(files));
  // Conflicts before contents, so that nobody sends what will be refused.
  Added added;
  std::vector<Digest> digests;
  digests.reserve(files.size());
  const Result<bool> compared = database_.Read<bool>([&](Connection& db) -> Result<bool> {
    ROOST_ASSIGN(const std::int64_t key, StoreKey(db, name));
    Comparison comparison(db, key, overwrite);
    for (const DatastoreFile& file : files) ROOST_TRY(comparison.Look(file));
    if (comparison.HasConflicts()) return Fail(comparison.ToError(name));
    for (const DatastoreFile* file : comparison.to_write) digests.push_back(file->digest);
    added.unchanged = comparison.unchanged;
    return true;
  });
  ROOST_TRY(compared);
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  if (digests.empty()) return added;
  added.missing = blobs_.Missing(digests);
  if (!added.missing.empty()) return added;

  return database_.Write<Added>(Lane::kBulk, [&](WriteContext& context) -> Result<Added> {
    ROOST_ASSIGN(const std::int64_t key, StoreKey(context.db, name));
    Comparison comparison(context.db, key, overwrite);
    for (const DatastoreFile& file : files) ROOST_TRY(comparison.Look(file));
    if (comparison.HasConflicts()) return Fail(comparison.ToError(name));
    ROOST_ASSIGN(Statement put, context.db.Prepare("INSERT OR REPLACE INTO datastore_files("
                                                   "datastore, path, digest, size, modified_at) "
                                                   "VALUES(?, ?, ?, ?, ?)"));
    for (const DatastoreFile* file : comparison.to_write) {
      put.Bind(1, key).Bind(2, file->path).BindBlob(3, BytesOf(file->digest));
      put.Bind(4, static_cast<std::int64_t>(file->size)).Bind(5, context.now);
      ROOST_TRY(put.Run());
    }
    return Added{comparison.to_write.size(), comparison.unchanged, {}};
  });
}

Result<DatastoreFile> Datastores::GetFile(const std::string& name, const std::string& path) const {
  return database_.Read<DatastoreFile>([&](Connection& db) -> Result<DatastoreFile> {
    ROOST_ASSIGN(const std::int64_t key, StoreKey(db, name));
    ROOST_ASSIGN(Statement query, db.Prepare("SELECT path, digest, size, modified_at FROM "
                                             "datastore_files WHERE datastore = ? AND path = ?"));
    ROOST_ASSIGN(const bool row, query.Bind(1, key).Bind(2, path).Step());
    if (!row) return Fail(NoSuchFile(name, path));
    return ReadFileRow(query);
  });
}

Result<std::vector<DatastoreFile>> Datastores::ListFiles(const std::string& name,
                                                         const std::string& prefix,
                                                         const std::string& after,
                                                         std::size_t limit) const {
  using Found = std::vector<DatastoreFile>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(const std::int64_t key, StoreKey(db, name));
    const std::string end = UpperBoundOfPrefix(prefix);
    ROOST_ASSIGN(
        Statement query,
        db.Prepare(end.empty()
                       ? "SELECT path, digest, size, modified_at FROM datastore_files WHERE "
                         "datastore = ?1 AND path >= ?2 AND path > ?3 ORDER BY path LIMIT ?4"
                       : "SELECT path, digest, size, modified_at FROM datastore_files WHERE "
                         "datastore = ?1 AND path >= ?2 AND path > ?3 AND path < ?5 ORDER BY path "
                         "LIMIT ?4"));
    query.Bind(1, key).Bind(2, prefix).Bind(3, after);
    query.Bind(4, static_cast<std::int64_t>(std::min<std::size_t>(limit, INT64_MAX)));
    if (!end.empty()) query.Bind(5, end);
    Found files;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return files;
      files.push_back(ReadFileRow(query));
    }
  });
}

Status Datastores::RemoveFile(const std::string& name, const std::string& path) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(const std::int64_t key, StoreKey(context.db, name));
    ROOST_ASSIGN(Statement remove, context.db.Prepare("DELETE FROM datastore_files WHERE datastore "
                                                      "= ? AND path = ?"));
    ROOST_TRY(remove.Bind(1, key).Bind(2, path).Run());
    if (context.db.Changes() == 0) return Fail(NoSuchFile(name, path));
    return {};
  });
}

}  // namespace roost::store
