#include "store/backup_format.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/ids.h"
#include "spec/launch_format.h"
#include "spec/run_layout.h"

namespace roost::store {

std::string ToJsonText(const BackupManifest& manifest) {
  const nlohmann::ordered_json json = {{"version", BackupManifest::kVersion},
                                       {"created_at", manifest.created_at},
                                       {"blobs", manifest.blobs},
                                       {"run_files", manifest.run_files},
                                       {"bytes", manifest.bytes}};
  return json.dump(2) + "\n";
}

Result<BackupManifest> ReadBackupManifest(const fs::path& backup_folder) {
  const fs::path file = backup_folder / kBackupManifestFile;
  const Result<std::string> text = ReadFile(file);
  if (!text && text.error().code == ErrorCode::kNotFound) {
    return Fail(
        ErrorCode::kNotFound,
        backup_folder.string() + " is no finished backup: it has no " + kBackupManifestFile + ".");
  }
  ROOST_TRY(text);
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  const auto number = [&](const char* name) -> std::int64_t {
    const auto field = json.is_object() ? json.find(name) : json.end();
    return field != json.end() && field->is_number_integer() ? field->get<std::int64_t>() : -1;
  };
  if (number("version") > BackupManifest::kVersion) {
    return Fail(ErrorCode::kInvalidArgument,
                "The backup " + backup_folder.string() +
                    " was made by a newer Roost. Restore it with that version.");
  }
  BackupManifest manifest{number("created_at"), number("blobs"), number("run_files"),
                          static_cast<std::uint64_t>(number("bytes"))};
  if (number("version") < 1 || manifest.blobs < 0 || manifest.run_files < 0 ||
      number("bytes") < 0) {
    return Fail(ErrorCode::kInvalidArgument, file.string() + " is damaged.");
  }
  return manifest;
}

fs::path BlobPath(const Digest& digest) {
  const std::string hex = digest.Hex();
  return fs::path("blobs") / hex.substr(0, 2) / hex.substr(2);
}

Result<std::vector<fs::path>> RunFoldersToKeep(Connection& db) {
  ROOST_ASSIGN(auto query, db.PrepareOnce("SELECT id, attempt FROM runs WHERE attempt > 0"));
  std::vector<fs::path> folders;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return folders;
    for (int attempt = 1; attempt <= query.Int(1); ++attempt) {
      const spec::RunLayout layout(fs::path(), RunId(query.Text(0)), attempt);
      folders.push_back(layout.log_folder());
      folders.push_back(layout.launch_folder());
    }
  }
}

bool IsWorthKeeping(const std::string& file_name) { return file_name != spec::launch_files::kShim; }

Status RequireEmptyFolder(const fs::path& folder, const std::string& what) {
  std::error_code error;
  const fs::directory_iterator entries(folder, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  if (error) return Fail(ErrnoError("reading the folder " + folder.string(), error.value()));
  if (entries == fs::directory_iterator()) return {};
  return Fail(ErrorCode::kConflict,
              "The folder " + folder.string() + " is not empty. " + what + " needs a new one.");
}

Status SyncFileSystem(const fs::path& folder) {
  ROOST_ASSIGN(const Fd fd, OpenFile(folder, O_RDONLY | O_DIRECTORY));
  if (syncfs(fd.get()) == 0) return {};
  return Fail(ErrnoError("syncing " + folder.string(), errno));
}

}  // namespace roost::store
