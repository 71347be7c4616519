#include "store/small_blobs.h"

#include "store/blob_files.h"
#include "store/rows.h"

namespace roost::store {
namespace {

constexpr std::int64_t kVersion = 1;

// One transaction; taken back unless `work` succeeds.
template <class Work>
Status InTransaction(Connection& db, const Work& work) {
  ROOST_TRY(db.Execute("BEGIN IMMEDIATE"));
  Status done = work();
  if (done) done = db.Execute("COMMIT");
  if (!done) (void)db.Execute("ROLLBACK");
  return done;
}

Status PrepareSchema(Connection& db, const fs::path& file) {
  std::int64_t version = 0;
  {
    ROOST_ASSIGN(Statement query, db.PrepareOnce("PRAGMA user_version"));
    ROOST_TRY(query.Step());
    version = query.Int(0);
  }
  if (version > kVersion) {
    return Fail(ErrorCode::kConflict,
                file.string() + " was written by a newer version of Roost (format " +
                    std::to_string(version) + ", this program knows " + std::to_string(kVersion) +
                    "). Start that version instead.");
  }
  if (version == kVersion) return {};
  return InTransaction(db, [&] {
    return db.Execute(
        "CREATE TABLE small_blobs(digest BLOB PRIMARY KEY, seen_at INTEGER NOT NULL, content BLOB "
        "NOT NULL); PRAGMA user_version=1;");
  });
}

std::int64_t Now() { return static_cast<std::int64_t>(std::time(nullptr)); }

}  // namespace

Result<std::unique_ptr<SmallBlobs>> SmallBlobs::Open(const fs::path& file) {
  ROOST_ASSIGN(std::unique_ptr<Connection> writer,
               Connection::Open(file, Connection::Mode::kReadWrite));
  // Unlike the store's own log, this one has nobody beside it who would shorten it.
  ROOST_TRY(writer->Execute("PRAGMA wal_autocheckpoint=1000"));
  ROOST_TRY(PrepareSchema(*writer, file));
  std::unique_ptr<SmallBlobs> blobs(new SmallBlobs(file, std::move(writer)));
  ROOST_ASSIGN(blobs->reader_, Connection::Open(file, Connection::Mode::kReadOnly));
  return blobs;
}

Status SmallBlobs::Put(const std::vector<std::pair<Digest, std::string>>& contents) {
  const std::lock_guard lock(write_mutex_);
  return InTransaction(*writer_, [&]() -> Status {
    ROOST_ASSIGN(Statement insert,
                 writer_->Prepare("INSERT INTO small_blobs(digest, seen_at, content) "
                                  "VALUES(?1, ?2, ?3) ON CONFLICT(digest) DO UPDATE SET "
                                  "seen_at = excluded.seen_at"));
    for (const auto& [digest, content] : contents) {
      insert.BindBlob(1, BytesOf(digest)).Bind(2, Now()).BindBlob(3, content);
      ROOST_TRY(insert.Run());
    }
    return {};
  });
}

Result<std::vector<Digest>> SmallBlobs::Missing(const std::vector<Digest>& digests) {
  std::vector<Digest> missing;
  std::vector<Digest> old;
  {
    const std::lock_guard lock(read_mutex_);
    ROOST_ASSIGN(Statement query,
                 reader_->Prepare("SELECT seen_at FROM small_blobs WHERE digest = ?1"));
    const std::int64_t young = Now() - kFreshSeconds;
    for (const Digest& digest : digests) {
      ROOST_ASSIGN(const bool there, query.BindBlob(1, BytesOf(digest)).Step());
      if (!there) {
        missing.push_back(digest);
      } else if (query.Int(0) <= young) {
        old.push_back(digest);
      }
      query.Reset();
    }
  }
  if (!old.empty()) ROOST_TRY(MakeYoung(old, &missing));
  return missing;
}

Status SmallBlobs::MakeYoung(const std::vector<Digest>& digests, std::vector<Digest>* gone) {
  const std::lock_guard lock(write_mutex_);
  return InTransaction(*writer_, [&]() -> Status {
    ROOST_ASSIGN(Statement update,
                 writer_->Prepare("UPDATE small_blobs SET seen_at = ?2 WHERE digest = ?1"));
    for (const Digest& digest : digests) {
      ROOST_TRY(update.BindBlob(1, BytesOf(digest)).Bind(2, Now()).Run());
      // Garbage collection was faster.
      if (writer_->Changes() == 0) gone->push_back(digest);
    }
    return {};
  });
}

Result<std::optional<std::string>> SmallBlobs::Read(const Digest& digest) {
  const std::lock_guard lock(read_mutex_);
  ROOST_ASSIGN(Statement query,
               reader_->Prepare("SELECT content FROM small_blobs WHERE digest = ?1"));
  ROOST_ASSIGN(const bool there, query.BindBlob(1, BytesOf(digest)).Step());
  if (!there) return std::optional<std::string>();
  return std::optional<std::string>(query.Blob(0));
}

Result<std::optional<std::uint64_t>> SmallBlobs::Size(const Digest& digest) {
  const std::lock_guard lock(read_mutex_);
  ROOST_ASSIGN(Statement query,
               reader_->Prepare("SELECT length(content) FROM small_blobs WHERE digest = ?1"));
  ROOST_ASSIGN(const bool there, query.BindBlob(1, BytesOf(digest)).Step());
  if (!there) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(static_cast<std::uint64_t>(query.Int(0)));
}

Result<std::vector<SmallBlobs::Entry>> SmallBlobs::SeenBefore(std::time_t before) {
  const std::lock_guard lock(read_mutex_);
  ROOST_ASSIGN(
      Statement query,
      reader_->Prepare("SELECT digest, length(content) FROM small_blobs WHERE seen_at < ?1"));
  query.Bind(1, static_cast<std::int64_t>(before));
  std::vector<Entry> entries;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return entries;
    entries.push_back({ReadDigest(query, 0), static_cast<std::uint64_t>(query.Int(1))});
  }
}

Result<std::vector<SmallBlobs::Entry>> SmallBlobs::RemoveIfStillOld(
    const std::vector<Digest>& digests, std::time_t before) {
  std::vector<Entry> removed;
  const std::lock_guard lock(write_mutex_);
  const Status done = InTransaction(*writer_, [&]() -> Status {
    ROOST_ASSIGN(Statement remove,
                 writer_->Prepare("DELETE FROM small_blobs WHERE digest = ?1 AND seen_at < ?2 "
                                  "RETURNING length(content)"));
    for (const Digest& digest : digests) {
      remove.BindBlob(1, BytesOf(digest)).Bind(2, static_cast<std::int64_t>(before));
      ROOST_ASSIGN(const bool gone, remove.Step());
      if (gone) removed.push_back({digest, static_cast<std::uint64_t>(remove.Int(0))});
      remove.Reset();
    }
    return {};
  });
  ROOST_TRY(done);
  return removed;
}

Status SmallBlobs::Compact() {
  const std::lock_guard lock(write_mutex_);
  std::int64_t pages = 0;
  std::int64_t unused = 0;
  {
    ROOST_ASSIGN(Statement query,
                 writer_->PrepareOnce("SELECT page_count, freelist_count FROM pragma_page_count, "
                                      "pragma_freelist_count"));
    ROOST_TRY(query.Step());
    pages = query.Int(0);
    unused = query.Int(1);
  }
  if (unused * 2 < pages) return {};
  return writer_->Execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
}

}  // namespace roost::store
