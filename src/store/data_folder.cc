#include "store/data_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/digest.h"
#include "store/blobs.h"
#include "store/data_files.h"
#include "store/store.h"

namespace roost::store {
namespace {

Error OtherContent(const Datastore& datastore, const std::string& path) {
  Error error{ErrorCode::kConflict,
              "The datastore " + datastore.name + " has a file '" + path +
                  "' with another content already. Choose another path, or ask to overwrite.",
              {}};
  error.details.push_back({path, "is there with another content"});
  return error;
}

enum class There { kNothing, kSame, kOther };

Result<There> Compare(const Datastore& datastore, const std::string& path, std::uint64_t size,
                      const Digest& digest) {
  const fs::path file = datastore.folder / path;
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return There::kNothing;
  if (S_ISDIR(info.st_mode)) {
    return Fail(ErrorCode::kConflict,
                "'" + path + "' is a folder in the datastore " + datastore.name + ".");
  }
  if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) != size) {
    return There::kOther;
  }
  ROOST_ASSIGN(const Digest found, DigestOfFile(file));
  return found == digest ? There::kSame : There::kOther;
}

}  // namespace

Result<std::vector<FolderFile>> ListFolder(const Datastore& datastore, const std::string& prefix,
                                           const std::string& after, std::size_t limit) {
  // A prefix with folders spares the walk through the others.
  const auto slash = prefix.rfind('/');
  const std::string below = slash == std::string::npos ? "" : prefix.substr(0, slash);
  if (!below.empty() && !FileInFolder(datastore, below)) return std::vector<FolderFile>{};
  const fs::path start = below.empty() ? datastore.folder : datastore.folder / below;
  std::error_code error;
  if (!below.empty() && !fs::is_directory(start, error)) return std::vector<FolderFile>{};
  ROOST_ASSIGN(const std::vector<TreeEntry> entries, ListTree(start));
  std::vector<FolderFile> files;
  for (const TreeEntry& entry : entries) {
    std::string path = below.empty() ? entry.path : below + "/" + entry.path;
    if (!path.starts_with(prefix) || path <= after || path.ends_with(kPartEnding)) continue;
    files.push_back({std::move(path), entry.size, entry.modified_us});
  }
  std::sort(files.begin(), files.end(),
            [](const FolderFile& a, const FolderFile& b) { return a.path < b.path; });
  if (files.size() > limit) files.resize(limit);
  return files;
}

Status RemoveFromFolder(const Datastore& datastore, const std::string& path) {
  ROOST_ASSIGN(const fs::path file, FileInFolder(datastore, path));
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    return Fail(ErrorCode::kNotFound,
                "The datastore " + datastore.name + " has no file '" + path + "'.");
  }
  if (unlink(file.c_str()) != 0) return Fail(ErrnoError("removing " + file.string(), errno));
  return {};
}

Result<fs::path> PartInFolder(const Datastore& datastore, const std::string& path) {
  if (!IsSafeRelativePath(path)) return Invalid("path", "must be a path inside the datastore");
  const fs::path target = datastore.folder / path;
  // The folders that are there already must not lead out of the datastore by a link.
  std::string existing = path;
  std::error_code error;
  while (true) {
    const auto slash = existing.rfind('/');
    if (slash == std::string::npos) break;
    existing.resize(slash);
    if (!fs::exists(fs::symlink_status(datastore.folder / existing, error))) continue;
    ROOST_TRY(FileInFolder(datastore, existing));
    break;
  }
  ROOST_TRY(MakeFolders(target.parent_path()));
  return target.parent_path() / ("." + RandomHex(6) + std::string(kPartEnding));
}

Result<bool> MoveIntoFolder(const Datastore& datastore, const std::string& path,
                            const fs::path& finished, Datastores::Overwrite overwrite) {
  struct stat info {};
  if (stat(finished.c_str(), &info) != 0) return Fail(ErrnoError(finished.string(), errno));
  ROOST_ASSIGN(const Digest digest, DigestOfFile(finished));
  ROOST_ASSIGN(const There there,
               Compare(datastore, path, static_cast<std::uint64_t>(info.st_size), digest));
  if (there == There::kSame) {
    unlink(finished.c_str());
    return false;
  }
  if (there == There::kOther && overwrite == Datastores::Overwrite::kRefuse) {
    return Fail(OtherContent(datastore, path));
  }
  const fs::path target = datastore.folder / path;
  if (std::rename(finished.c_str(), target.c_str()) != 0) {
    return Fail(ErrnoError("writing " + target.string(), errno));
  }
  ROOST_TRY(SyncFolder(target.parent_path()));
  return true;
}

Result<Datastores::Added> AddToDatastore(Store& store, const Datastore& datastore,
                                         const std::vector<DatastoreFile>& files,
                                         Datastores::Overwrite overwrite) {
  if (!datastore.is_folder()) {
    return store.datastores().AddFiles(datastore.name, files, overwrite);
  }
  Datastores::Added added;
  std::vector<const DatastoreFile*> to_write;
  std::vector<Digest> digests;
  for (const DatastoreFile& file : files) {
    ROOST_ASSIGN(const There there, Compare(datastore, file.path, file.size, file.digest));
    if (there == There::kSame) {
      ++added.unchanged;
      continue;
    }
    if (there == There::kOther && overwrite == Datastores::Overwrite::kRefuse) {
      return Fail(OtherContent(datastore, file.path));
    }
    to_write.push_back(&file);
    digests.push_back(file.digest);
  }
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  added.missing = store.blobs().Missing(digests);
  if (!added.missing.empty()) return added;
  for (const DatastoreFile* file : to_write) {
    ROOST_ASSIGN(const fs::path part, PartInFolder(datastore, file->path));
    const fs::path target = datastore.folder / file->path;
    Status written = store.blobs().CopyTo(file->digest, part, false);
    if (written && std::rename(part.c_str(), target.c_str()) != 0) {
      written = Fail(ErrnoError("writing " + target.string(), errno));
    }
    if (!written) {
      unlink(part.c_str());
      return Fail(written.error());
    }
    ++added.added;
  }
  if (added.added > 0) {
    // One sync for all, as for blobs.
    ROOST_ASSIGN(const Fd folder, OpenFile(datastore.folder, O_RDONLY | O_DIRECTORY));
    if (syncfs(folder.get()) != 0) {
      return Fail(ErrnoError("syncing " + datastore.folder.string(), errno));
    }
  }
  return added;
}

}  // namespace roost::store
