#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>
#include <vector>

#include "base/log.h"
#include "store/blob_parts.h"
#include "store/blob_references.h"
#include "store/blobs.h"
#include "store/data_folder.h"
#include "store/database.h"
#include "store/datastores.h"
#include "store/maintenance.h"
#include "store/maintenance_lock.h"
#include "store/mount_trees.h"
#include "store/rows.h"
#include "store/run_removal.h"
#include "store/small_blobs.h"
#include "store/store.h"

// Garbage collection: deleted runs and logged models, then snapshots, datasets and uploads that
// nothing uses, then blobs that nothing names.
//
// A blob may gain a user at any moment. Whoever is about to name one looks for it first (Blobs::Has
// and the like), which makes it young; so a blob is safe when it is young or when a row names it.
// Between reading all rows and removing a blob both may have changed, therefore both are looked at
// again when it is removed, on the writer's thread, where no row can come in between: rows since
// the reading are known from triggers, the age is read after the blob was taken out of its place.
namespace roost::store {

namespace {

constexpr std::chrono::milliseconds kStepLimit(4);
// Few enough that the writer's thread is held up for milliseconds only.
constexpr std::size_t kSmallAtOnce = 256;
constexpr std::int64_t kFolderPartSeconds = 24 * 3600;
constexpr std::int64_t kLongestGraceSeconds = 1'000'000'000;

struct Candidate {
  Digest digest;
  fs::path file;
};

// Notes each digest that a row of the writer's connection begins to name, while it lives.
class ReferenceWatch {
 public:
  static Result<std::unique_ptr<ReferenceWatch>> Start(Database& database) {
    const Status started = database.Write(Lane::kBulk, [](WriteContext& context) -> Status {
      ROOST_TRY(context.db.Execute(kDrop));
      return context.db.Execute(kCreate);
    });
    ROOST_TRY(started);
    return std::unique_ptr<ReferenceWatch>(new ReferenceWatch(database));
  }
  ~ReferenceWatch() {
    const Status dropped = database_.Write(
        Lane::kBulk, [](WriteContext& context) { return context.db.Execute(kDrop); });
    if (!dropped) LogWarning("gc_watch_stays", {{"error", dropped.error().message}});
  }
  ReferenceWatch(const ReferenceWatch&) = delete;

  // On the writer's thread.
  static Result<bool> WasNamed(Connection& db, const Digest& digest) {
    ROOST_ASSIGN(auto query, db.Prepare("SELECT 1 FROM temp.gc_named WHERE digest = ?1"));
    return query.BindBlob(1, BytesOf(digest)).Step();
  }

 private:
  explicit ReferenceWatch(Database& database) : database_(database) {}

  static constexpr const char* kCreate =
      "CREATE TEMP TABLE gc_named(digest BLOB PRIMARY KEY) WITHOUT ROWID;"
      "CREATE TEMP TRIGGER gc_on_snapshot AFTER INSERT ON main.snapshot_files "
      "BEGIN INSERT OR IGNORE INTO gc_named VALUES(new.digest); END;"
      "CREATE TEMP TRIGGER gc_on_artifact AFTER INSERT ON main.artifacts "
      "BEGIN INSERT OR IGNORE INTO gc_named VALUES(new.digest); END;"
      "CREATE TEMP TRIGGER gc_on_artifact_change AFTER UPDATE OF digest ON main.artifacts "
      "BEGIN INSERT OR IGNORE INTO gc_named VALUES(new.digest); END;"
      "CREATE TEMP TRIGGER gc_on_model AFTER INSERT ON main.model_files "
      "BEGIN INSERT OR IGNORE INTO gc_named VALUES(new.digest); END;"
      "CREATE TEMP TRIGGER gc_on_datastore AFTER INSERT ON main.datastore_files "
      "BEGIN INSERT OR IGNORE INTO gc_named VALUES(new.digest); END;"
      "CREATE TEMP TRIGGER gc_on_dataset AFTER INSERT ON main.file_tree_files "
      "BEGIN INSERT OR IGNORE INTO gc_named VALUES(new.digest); END;"
      "CREATE TEMP TRIGGER gc_on_logged_model AFTER INSERT ON main.logged_model_files "
      "BEGIN INSERT OR IGNORE INTO gc_named VALUES(new.digest); END;"
      "CREATE TEMP TRIGGER gc_on_upload_part AFTER INSERT ON main.file_upload_parts "
      "BEGIN INSERT OR IGNORE INTO gc_named VALUES(new.digest); END;";
  static constexpr const char* kDrop =
      "DROP TRIGGER IF EXISTS temp.gc_on_snapshot; DROP TRIGGER IF EXISTS temp.gc_on_artifact;"
      "DROP TRIGGER IF EXISTS temp.gc_on_artifact_change;"
      "DROP TRIGGER IF EXISTS temp.gc_on_model; DROP TRIGGER IF EXISTS temp.gc_on_datastore;"
      "DROP TRIGGER IF EXISTS temp.gc_on_dataset; DROP TRIGGER IF EXISTS temp.gc_on_logged_model;"
      "DROP TRIGGER IF EXISTS temp.gc_on_upload_part; DROP TABLE IF EXISTS temp.gc_named;";

  Database& database_;
};

// The first snapshot after `after` that nothing has used since `since`, removed; 0: none is left.
Result<std::int64_t> RemoveNextSnapshot(WriteContext& context, std::int64_t after, Micros since) {
  ROOST_ASSIGN(auto query, context.db.Prepare(
                               "SELECT key FROM snapshots s WHERE key > ?1 AND used_at < ?2 "
                               "AND NOT EXISTS(SELECT 1 FROM runs WHERE snapshot = s.id) "
                               "AND NOT EXISTS(SELECT 1 FROM model_versions WHERE snapshot = s.id) "
                               "ORDER BY key LIMIT 1"));
  ROOST_ASSIGN(const bool found, query.Bind(1, after).Bind(2, since).Step());
  if (!found) return 0;
  const std::int64_t key = query.Int(0);
  ROOST_ASSIGN(auto remove, context.db.Prepare("DELETE FROM snapshots WHERE key = ?1"));
  ROOST_TRY(remove.Bind(1, key).Run());
  return key;
}

Status RemoveUnusedSnapshots(Database& database, Micros since) {
  std::int64_t key = 0;
  do {
    const std::int64_t after = key;
    ROOST_ASSIGN(key, database.Write<std::int64_t>(Lane::kBulk, [&](WriteContext& context) {
      return RemoveNextSnapshot(context, after, since);
    }));
  } while (key != 0);
  return {};
}

// Datasets without a name that nothing has used since `since`, then lists of files that no dataset
// has. One at a time, because a list may be long.
Status RemoveUnusedDatasets(Database& database, Micros since) {
  const Status forgotten = database.Write(Lane::kBulk, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(auto remove,
                 context.db.Prepare("DELETE FROM datasets WHERE name IS NULL AND used_at < ?1 AND "
                                    "NOT EXISTS(SELECT 1 FROM run_data WHERE dataset = id)"));
    return remove.Bind(1, since).Run();
  });
  ROOST_TRY(forgotten);
  bool removed = true;
  while (removed) {
    const Status written = database.Write(Lane::kBulk, [&](WriteContext& context) -> Status {
      ROOST_ASSIGN(auto remove,
                   context.db.Prepare("DELETE FROM file_trees WHERE key = (SELECT key FROM "
                                      "file_trees t WHERE NOT EXISTS(SELECT 1 FROM datasets d "
                                      "WHERE d.tree = t.id) LIMIT 1)"));
      ROOST_TRY(remove.Run());
      removed = context.db.Changes() > 0;
      return {};
    });
    ROOST_TRY(written);
  }
  return {};
}

// Deleted ones, and those of deleted experiments. One at a time, because it may have many files.
Status RemoveDeletedLoggedModels(Database& database) {
  bool removed = true;
  while (removed) {
    const Status written = database.Write(Lane::kBulk, [&](WriteContext& context) -> Status {
      ROOST_ASSIGN(auto remove,
                   context.db.Prepare(
                       "DELETE FROM logged_models WHERE key = (SELECT m.key FROM logged_models m "
                       "JOIN experiments e ON e.id = m.experiment WHERE m.lifecycle = 'deleted' "
                       "OR e.lifecycle = 'deleted' LIMIT 1)"));
      ROOST_TRY(remove.Run());
      removed = context.db.Changes() > 0;
      return {};
    });
    ROOST_TRY(written);
  }
  return {};
}

// Descriptions of data that no run is left to have used, and uploads that nobody goes on with.
Status RemoveUnusedInputs(Database& database, Micros since) {
  return database.Write(Lane::kBulk, [&](WriteContext& context) -> Status {
    ROOST_TRY(
        context.db.Execute("DELETE FROM input_datasets WHERE NOT EXISTS(SELECT 1 FROM "
                           "run_inputs WHERE dataset = key)"));
    ROOST_ASSIGN(auto remove, context.db.Prepare("DELETE FROM file_uploads WHERE used_at < ?1"));
    return remove.Bind(1, since).Run();
  });
}

bool IsOld(const struct stat& info, std::time_t before) { return info.st_mtim.tv_sec < before; }

// Blobs of one folder that are old and that nothing names; their sizes go to the report.
void FindGarbage(const fs::path& folder, const std::vector<Digest>& in_use, std::time_t before,
                 std::vector<Candidate>* to, GcReport* report) {
  DIR* const listing = opendir(folder.c_str());
  if (listing == nullptr) return;
  while (const dirent* entry = readdir(listing)) {
    const auto digest = Digest::Parse("b2:" + folder.filename().string() + entry->d_name);
    if (!digest || std::binary_search(in_use.begin(), in_use.end(), *digest)) continue;
    Candidate candidate{*digest, folder / entry->d_name};
    struct stat info {};
    if (stat(candidate.file.c_str(), &info) != 0 || !IsOld(info, before)) continue;
    ++report->blobs_removed;
    report->bytes_freed += static_cast<std::uint64_t>(info.st_size);
    to->push_back(std::move(candidate));
  }
  closedir(listing);
}

std::vector<Candidate> FindAllGarbage(const fs::path& blobs, const std::vector<Digest>& in_use,
                                      std::time_t before, GcReport* report) {
  std::vector<Candidate> garbage;
  std::error_code error;
  for (fs::directory_iterator entry(blobs, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().string().size() == 2) {
      FindGarbage(entry->path(), in_use, before, &garbage, report);
    }
  }
  return garbage;
}

// Taken out of its place first: who looks for it from then on sends it anew, and who has looked
// before has made it young. Gives the bytes, or nothing when it was spared.
std::optional<std::uint64_t> RemoveIfStillOld(const fs::path& file, const fs::path& aside,
                                              std::time_t before) {
  if (std::rename(file.c_str(), aside.c_str()) != 0) return std::nullopt;
  struct stat info {};
  if (stat(aside.c_str(), &info) != 0 || !IsOld(info, before)) {
    if (std::rename(aside.c_str(), file.c_str()) != 0) {
      LogError("gc_blob_not_put_back", {{"blob", file.string()}});
    }
    return std::nullopt;
  }
  if (unlink(aside.c_str()) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(info.st_size);
}

Status RemoveBlobs(Store& store, const std::vector<Candidate>& garbage, std::time_t before,
                   GcReport* report) {
  const fs::path aside = store.blobs().folder() / "tmp" / ("gc-" + RandomHex(8));
  std::size_t next = 0;
  while (next < garbage.size()) {
    ROOST_TRY(store.database().Write(Lane::kBulk, [&](WriteContext& context) -> Status {
      const auto end = std::chrono::steady_clock::now() + kStepLimit;
      while (next < garbage.size() && std::chrono::steady_clock::now() < end) {
        const Candidate& candidate = garbage[next++];
        ROOST_ASSIGN(const bool named, ReferenceWatch::WasNamed(context.db, candidate.digest));
        if (named) continue;
        const auto bytes = RemoveIfStillOld(candidate.file, aside, before);
        if (!bytes) continue;
        ++report->blobs_removed;
        report->bytes_freed += *bytes;
      }
      return {};
    }));
  }
  return {};
}

// The small ones of `in_use` aside; sizes go to the report.
Result<std::vector<Digest>> FindSmallGarbage(SmallBlobs& small, const std::vector<Digest>& in_use,
                                             std::time_t before, GcReport* report) {
  ROOST_ASSIGN(const std::vector<SmallBlobs::Entry> old, small.SeenBefore(before));
  std::vector<Digest> garbage;
  for (const SmallBlobs::Entry& entry : old) {
    if (std::binary_search(in_use.begin(), in_use.end(), entry.digest)) continue;
    ++report->blobs_removed;
    report->bytes_freed += entry.size;
    garbage.push_back(entry.digest);
  }
  return garbage;
}

// As RemoveBlobs. The delete looks at the age itself.
Status RemoveSmallBlobs(Store& store, const std::vector<Digest>& garbage, std::time_t before,
                        GcReport* report) {
  SmallBlobs& small = store.blobs().small();
  for (std::size_t next = 0; next < garbage.size(); next += kSmallAtOnce) {
    ROOST_TRY(store.database().Write(Lane::kBulk, [&](WriteContext& context) -> Status {
      std::vector<Digest> unnamed;
      const std::size_t end = std::min(garbage.size(), next + kSmallAtOnce);
      for (std::size_t i = next; i < end; ++i) {
        ROOST_ASSIGN(const bool named, ReferenceWatch::WasNamed(context.db, garbage[i]));
        if (!named) unnamed.push_back(garbage[i]);
      }
      ROOST_ASSIGN(const std::vector<SmallBlobs::Entry> removed,
                   small.RemoveIfStillOld(unnamed, before));
      for (const SmallBlobs::Entry& entry : removed) {
        ++report->blobs_removed;
        report->bytes_freed += entry.size;
      }
      return {};
    }));
  }
  return small.Compact();
}

// Contents of which only a part came, and that nobody goes on with.
void RemoveParts(Store& store, std::time_t before, bool dry_run, GcReport* report) {
  BlobParts& parts = store.blobs().parts();
  for (const BlobParts::Old& old : parts.NotWrittenSince(before)) {
    if (!dry_run && !parts.RemoveIfStillOld(old.file, before)) continue;
    ++report->blobs_removed;
    report->bytes_freed += old.size;
  }
}

// Files that uploads into folders were writing when the server was killed. Another server may be
// writing into the same folder, for which the grace time of contents is no measure.
Status RemoveFolderParts(Store& store, std::time_t before, bool dry_run, GcReport* report) {
  ROOST_ASSIGN(const std::vector<Datastore> datastores, store.datastores().List());
  const std::time_t a_day_ago = std::time(nullptr) - kFolderPartSeconds;
  for (const Datastore& datastore : datastores) {
    if (!datastore.is_folder() || datastore.read_only) continue;
    const OldParts old = RemoveOldParts(datastore, std::min(before, a_day_ago), dry_run);
    report->blobs_removed += old.count;
    report->bytes_freed += old.bytes;
  }
  return {};
}

Result<Micros> StoreNow(Database& database) {
  return database.Write<Micros>(
      Lane::kBulk, [](WriteContext& context) -> Result<Micros> { return context.now; });
}

Result<GcReport> CountGarbage(Store& store, Micros snapshots_since, std::time_t before) {
  GcReport report;
  ROOST_ASSIGN(report.runs_removed,
               store.database().Read<std::int64_t>([](Connection& db) -> Result<std::int64_t> {
                 ROOST_ASSIGN(auto query,
                              db.Prepare("SELECT count(*) FROM runs WHERE lifecycle = 'deleted'"));
                 ROOST_TRY(query.Step());
                 return query.Int(0);
               }));
  ROOST_ASSIGN(const std::vector<Digest> in_use,
               store.database().Read<std::vector<Digest>>(
                   [&](Connection& db) { return DigestsInUseAfterGc(db, snapshots_since); }));
  FindAllGarbage(store.blobs().folder(), in_use, before, &report);
  ROOST_TRY(FindSmallGarbage(store.blobs().small(), in_use, before, &report));
  RemoveParts(store, before, true, &report);
  ROOST_TRY(RemoveFolderParts(store, before, true, &report));
  return report;
}

}  // namespace

Result<GcReport> CollectGarbage(Store& store, std::int64_t grace_seconds, bool dry_run) {
  if (grace_seconds < 0 || grace_seconds > kLongestGraceSeconds) {
    return Invalid("grace_seconds", "The grace time must be 0 to 1000000000 seconds.");
  }
  ROOST_ASSIGN(const FileLock lock, LockForMaintenance(store));
  ROOST_ASSIGN(const Micros now, StoreNow(store.database()));
  const Micros snapshots_since = now - grace_seconds * 1'000'000;
  const std::time_t before = std::time(nullptr) - grace_seconds;
  if (dry_run) return CountGarbage(store, snapshots_since, before);

  ROOST_ASSIGN(const RunRemoval removed, RemoveDeletedRuns(store));
  ROOST_TRY(RemoveUnusedSnapshots(store.database(), snapshots_since));
  ROOST_TRY(RemoveUnusedDatasets(store.database(), snapshots_since));
  ROOST_TRY(RemoveDeletedLoggedModels(store.database()));
  ROOST_TRY(RemoveUnusedInputs(store.database(), snapshots_since));
  ROOST_TRY(RemoveUnusedTrees(store, before));

  ROOST_ASSIGN(const auto watch, ReferenceWatch::Start(store.database()));
  ROOST_ASSIGN(const std::vector<Digest> in_use,
               store.database().Read<std::vector<Digest>>(DigestsInUse));
  GcReport found;
  const std::vector<Candidate> garbage =
      FindAllGarbage(store.blobs().folder(), in_use, before, &found);
  ROOST_ASSIGN(const std::vector<Digest> small_garbage,
               FindSmallGarbage(store.blobs().small(), in_use, before, &found));
  GcReport report{.runs_removed = removed.runs, .blobs_removed = 0, .bytes_freed = removed.bytes};
  ROOST_TRY(RemoveBlobs(store, garbage, before, &report));
  ROOST_TRY(RemoveSmallBlobs(store, small_garbage, before, &report));
  RemoveParts(store, before, false, &report);
  ROOST_TRY(RemoveFolderParts(store, before, false, &report));
  LogInfo("gc_done", {{"runs", std::to_string(report.runs_removed)},
                      {"blobs", std::to_string(report.blobs_removed)},
                      {"bytes", std::to_string(report.bytes_freed)}});
  return report;
}

}  // namespace roost::store
