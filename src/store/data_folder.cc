#include "store/data_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/digest.h"
#include "base/tree_page.h"
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

// Files for a folder: all are written beside their places, where whatever may fail does (space,
// permissions), and then named, so that an upload that fails leaves the folder as it was.
class FolderUpload {
 public:
  explicit FolderUpload(const Datastore& datastore) : datastore_(datastore) {}
  ~FolderUpload() {
    for (const Part& part : parts_) unlink(part.written.c_str());
  }
  FolderUpload(const FolderUpload&) = delete;

  Status Write(const Blobs& blobs, const DatastoreFile& file) {
    ROOST_ASSIGN(fs::path part, PartInFolder(datastore_, file.path));
    parts_.push_back({std::move(part), file.path});
    return blobs.CopyTo(file.digest, parts_.back().written, false);
  }

  Status Name() {
    ROOST_TRY(SyncAll());
    std::size_t named = 0;
    for (const Part& part : parts_) {
      const fs::path target = datastore_.folder / part.path;
      if (std::rename(part.written.c_str(), target.c_str()) != 0) {
        return Fail(HalfNamed(named, ErrnoError("writing " + target.string(), errno)));
      }
      ++named;
    }
    parts_.clear();
    return SyncAll();
  }

 private:
  struct Part {
    fs::path written;
    std::string path;  // in the datastore
  };

  // One sync for all, as for blobs.
  Status SyncAll() const {
    ROOST_ASSIGN(const Fd folder, OpenFile(datastore_.folder, O_RDONLY | O_DIRECTORY));
    if (syncfs(folder.get()) == 0) return {};
    return Fail(ErrnoError("syncing " + datastore_.folder.string(), errno));
  }

  // Somebody changes the folder at the same time; what has its name cannot be taken back.
  Error HalfNamed(std::size_t named, Error why) const {
    if (named == 0) return why;
    why.message += " " + std::to_string(named) + " of " + std::to_string(parts_.size()) +
                   " files were written before, up to '" + parts_[named - 1].path +
                   "'; the others were not. Upload again when the cause is mended.";
    return why;
  }

  const Datastore& datastore_;
  std::vector<Part> parts_;
};

// ".<hex digits>.roost-part". A user's file may have the ending too.
bool IsPartName(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(kPartEnding)) return false;
  name = name.substr(1, name.size() - 1 - kPartEnding.size());
  return !name.empty() && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
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
  const std::string top = below.empty() ? "" : below + "/";
  TreePage page{.prefix = prefix.substr(top.size()), .after = "", .limit = limit};
  if (after.starts_with(top)) {
    page.after = after.substr(top.size());
  } else if (after > top) {
    return std::vector<FolderFile>{};
  }
  std::vector<FolderFile> files;
  while (files.size() < limit) {
    ROOST_ASSIGN(const std::vector<TreeEntry> entries, ListTreePage(start, page));
    for (const TreeEntry& entry : entries) {
      if (entry.path.ends_with(kPartEnding) || files.size() == limit) continue;
      files.push_back({top + entry.path, entry.size, entry.modified_us});
    }
    if (entries.size() < limit) break;
    page.after = entries.back().path;
  }
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

OldParts RemoveOldParts(const Datastore& datastore, std::time_t before, bool dry_run) {
  OldParts old;
  std::error_code error;
  fs::recursive_directory_iterator entry(datastore.folder,
                                         fs::directory_options::skip_permission_denied, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!IsPartName(entry->path().filename().native())) continue;
    struct stat info {};
    if (lstat(entry->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_mtim.tv_sec >= before || (!dry_run && unlink(entry->path().c_str()) != 0)) {
      continue;
    }
    ++old.count;
    old.bytes += static_cast<std::uint64_t>(info.st_size);
  }
  return old;
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
  if (to_write.empty()) return added;
  FolderUpload upload(datastore);
  for (const DatastoreFile* file : to_write) {
    ROOST_TRY(upload.Write(store.blobs(), *file));
  }
  ROOST_TRY(upload.Name());
  added.added = to_write.size();
  return added;
}

}  // namespace roost::store
