#include "store/file_uploads.h"

#include "store/database.h"
#include "store/rows.h"

namespace roost::store {
namespace {

// 256 bits: the id is all that a part's sender shows.
constexpr std::size_t kIdBytes = 32;

Error NoSuchUpload() {
  return {ErrorCode::kNotFound,
          "There is no upload with this id. It may have been completed, aborted or forgotten; "
          "begin a new one.",
          {}};
}

}  // namespace

Result<std::string> FileUploads::Begin(const std::string& path) {
  return database_.Write<std::string>(
      Lane::kState, [&](WriteContext& context) -> Result<std::string> {
        ROOST_ASSIGN(Statement insert, context.db.Prepare("INSERT INTO file_uploads(id, path, "
                                                          "used_at) VALUES(?, ?, ?)"));
        std::string id = RandomHex(kIdBytes);
        ROOST_TRY(insert.Bind(1, id).Bind(2, path).Bind(3, context.now).Run());
        return id;
      });
}

Status FileUploads::AddPart(const std::string& id, const FilePart& part) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement touch,
                 context.db.Prepare("UPDATE file_uploads SET used_at = ?2 WHERE id = ?1"));
    ROOST_TRY(touch.Bind(1, id).Bind(2, context.now).Run());
    if (context.db.Changes() == 0) return Fail(NoSuchUpload());
    ROOST_ASSIGN(Statement put,
                 context.db.Prepare("INSERT OR REPLACE INTO file_upload_parts(upload, number, "
                                    "digest, size) VALUES(?, ?, ?, ?)"));
    put.Bind(1, id).Bind(2, part.number).BindBlob(3, BytesOf(part.digest));
    return put.Bind(4, static_cast<std::int64_t>(part.size)).Run();
  });
}

Result<FileUpload> FileUploads::Get(const std::string& id) const {
  return database_.Read<FileUpload>([&](Connection& db) -> Result<FileUpload> {
    ROOST_ASSIGN(Statement query, db.Prepare("SELECT path FROM file_uploads WHERE id = ?"));
    ROOST_ASSIGN(const bool found, query.Bind(1, id).Step());
    if (!found) return Fail(NoSuchUpload());
    FileUpload upload{query.Text(0), {}};
    ROOST_ASSIGN(Statement parts,
                 db.Prepare("SELECT number, digest, size FROM file_upload_parts WHERE upload = ? "
                            "ORDER BY number"));
    parts.Bind(1, id);
    while (true) {
      ROOST_ASSIGN(const bool row, parts.Step());
      if (!row) return upload;
      upload.parts.push_back(
          {parts.Int(0), ReadDigest(parts, 1), static_cast<std::uint64_t>(parts.Int(2))});
    }
  });
}

Status FileUploads::Remove(const std::string& id) {
  return database_.Write(Lane::kState, [&](WriteContext& context) -> Status {
    ROOST_ASSIGN(Statement remove, context.db.Prepare("DELETE FROM file_uploads WHERE id = ?"));
    return remove.Bind(1, id).Run();
  });
}

}  // namespace roost::store
