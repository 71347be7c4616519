#include "store/data_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "base/tree_page.h"
#include "spec/glob.h"
#include "spec/shown_address.h"
#include "store/blobs.h"
#include "store/data_folder.h"
#include "store/store.h"

namespace roost::store {
namespace {

struct Listed {
  std::string path;  // in the datastore
  std::uint64_t size = 0;
  std::optional<Digest> digest;
  fs::path file;
};

std::string FolderOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// The folders in front of the first part with a wildcard.
std::string FolderOfWildcard(const std::string& path) {
  return FolderOf(path.substr(0, path.find_first_of("*?[")));
}

bool IsWithin(const std::string& path, const std::string& folder) {
  return folder.empty() || path == folder ||
         (path.starts_with(folder) && path[folder.size()] == '/');
}

std::string CommonFolder(std::string one, const std::string& other) {
  while (!IsWithin(other, one)) one = FolderOf(one);
  return one;
}

Error NothingThere(const spec::DataPath& place) {
  const std::string name = place.path.empty() ? "" : " at '" + place.path + "'";
  return {ErrorCode::kInvalidArgument,
          "There is no file" + name + " in the datastore " + place.datastore + ".",
          {{"paths", "'" + place.path + "' names no file of " + place.datastore}}};
}

// What one path of a dataset stands for now.
struct Selection {
  enum class Kind { kNothing, kAddress, kFile, kFolder, kWildcard };
  Kind kind = Kind::kNothing;
  DatasetPath path;  // with its base
  std::optional<Datastore> datastore;

  bool on_disk() const { return datastore && datastore->is_folder(); }
};

Result<Selection::Kind> KindInRows(const Datastores& datastores, const std::string& datastore,
                                   const std::string& wanted) {
  if (!wanted.empty()) {
    const auto exact = datastores.GetFile(datastore, wanted);
    if (exact) return Selection::Kind::kFile;
    if (exact.error().code != ErrorCode::kNotFound) return Fail(exact.error());
  }
  ROOST_ASSIGN(const auto below,
               datastores.ListFiles(datastore, wanted.empty() ? "" : wanted + "/", "", 1));
  if (!below.empty()) return Selection::Kind::kFolder;
  return spec::HasWildcard(wanted) ? Selection::Kind::kWildcard : Selection::Kind::kNothing;
}

Result<Selection::Kind> KindOnDisk(const Datastore& datastore, const std::string& wanted) {
  std::error_code error;
  if (!fs::is_directory(datastore.folder, error)) {
    return Fail(ErrorCode::kNotFound, "The folder " + datastore.folder.string() +
                                          " of the datastore " + datastore.name + " is not there.");
  }
  if (wanted.empty()) return Selection::Kind::kFolder;
  if (const Result<fs::path> file = FileInFolder(datastore, wanted); file) {
    return fs::is_regular_file(*file, error) ? Selection::Kind::kFile : Selection::Kind::kFolder;
  }
  if (!spec::HasWildcard(wanted)) return Selection::Kind::kNothing;
  // The folder may be a link that leaves the datastore.
  const std::string folder = FolderOfWildcard(wanted);
  const bool inside = folder.empty() || FileInFolder(datastore, folder);
  return inside ? Selection::Kind::kWildcard : Selection::Kind::kNothing;
}

Result<Selection> Select(const Datastores& datastores, DatasetPath path) {
  Selection selected;
  selected.path = std::move(path);
  const std::string& wanted = selected.path.place.path;
  std::string& base = selected.path.base;
  base = wanted;
  if (!selected.path.place.url.empty()) {
    selected.kind = Selection::Kind::kAddress;
    base.clear();
    return selected;
  }
  ROOST_ASSIGN(selected.datastore, datastores.Get(selected.path.place.datastore));
  ROOST_ASSIGN(selected.kind, selected.on_disk()
                                  ? KindOnDisk(*selected.datastore, wanted)
                                  : KindInRows(datastores, selected.datastore->name, wanted));
  if (selected.kind == Selection::Kind::kFile) base = FolderOf(wanted);
  if (selected.kind == Selection::Kind::kWildcard) base = FolderOfWildcard(wanted);
  return selected;
}

// A page of what lies at `below`, in the order of the paths; fewer than `limit` are the last ones.
Result<std::vector<Listed>> ListRows(const Datastores& datastores, const std::string& datastore,
                                     const std::string& prefix, const std::string& after,
                                     std::size_t limit) {
  ROOST_ASSIGN(auto rows, datastores.ListFiles(datastore, prefix, after, limit));
  std::vector<Listed> files;
  files.reserve(rows.size());
  for (DatastoreFile& file : rows) {
    files.push_back({std::move(file.path), file.size, file.digest, {}});
  }
  return files;
}

Result<std::vector<Listed>> ListDisk(const Datastore& datastore, const std::string& below,
                                     const std::string& after, std::size_t limit) {
  const std::string top = below.empty() ? "" : below + "/";
  TreePage page{.prefix = "", .after = "", .limit = limit};
  if (after.starts_with(top)) {
    page.after = after.substr(top.size());
  } else if (after > top) {
    return std::vector<Listed>{};
  }
  const fs::path folder = below.empty() ? datastore.folder : datastore.folder / below;
  Result<std::vector<TreeEntry>> entries = ListTreePage(folder, page);
  if (!entries && entries.error().code == ErrorCode::kNotFound) return std::vector<Listed>{};
  ROOST_TRY(entries);
  std::vector<Listed> files;
  files.reserve(entries->size());
  for (TreeEntry& entry : *entries) {
    files.push_back({top + entry.path, entry.size, {}, folder / entry.path});
  }
  return files;
}

Result<Listed> GetListed(const Datastores& datastores, const Selection& from,
                         const std::string& path) {
  if (!from.on_disk()) {
    ROOST_ASSIGN(const DatastoreFile row, datastores.GetFile(from.datastore->name, path));
    return Listed{path, row.size, row.digest, {}};
  }
  // As in the listing, what a folder has does not lead out of that folder.
  Datastore top = *from.datastore;
  std::string below = path;
  if (from.kind != Selection::Kind::kFile && !from.path.base.empty()) {
    top.folder /= from.path.base;
    below.erase(0, from.path.base.size() + 1);
  }
  ROOST_ASSIGN(const fs::path file, FileInFolder(top, below));
  std::error_code error;
  const std::uintmax_t size = fs::is_regular_file(file, error) ? fs::file_size(file, error) : 0;
  if (error || !fs::is_regular_file(file, error) || path.ends_with(kPartEnding)) {
    return Fail(ErrorCode::kNotFound,
                "The datastore " + from.datastore->name + " has no file '" + path + "'.");
  }
  return Listed{path, size, {}, file};
}

// "https://host/a/b.csv?x=1" is the file a/b.csv of host.
Listed FromAddress(const DatasetPath& path) {
  std::string rest = path.place.url.substr(path.place.url.find("://") + 3);
  rest = rest.substr(0, rest.find_first_of("?#"));
  const auto slash = rest.find('/');
  std::string name = slash == std::string::npos ? "" : rest.substr(slash + 1);
  name = name.substr(name.rfind('/') + 1);
  if (!IsSafeRelativePath(name) || !IsValidUtf8(name)) name = "index";
  return {name, path.size, path.digest, {}};
}

// Addresses with names of their own are apart from datastores, whose names have no blank.
std::string PlaceName(const DatasetPath& path) {
  return path.place.url.empty() ? path.place.datastore : "downloaded files";
}

// The files of a selection behind `after`, a path of its datastore; at most `limit`.
Result<std::vector<Listed>> ListSelected(const Datastores& datastores, const Selection& selected,
                                         std::string after, std::size_t limit) {
  const std::string& wanted = selected.path.place.path;
  std::vector<Listed> files;
  switch (selected.kind) {
    case Selection::Kind::kNothing:
      return files;
    case Selection::Kind::kAddress: {
      Listed file = FromAddress(selected.path);
      if (file.path > after) files.push_back(std::move(file));
      return files;
    }
    case Selection::Kind::kFile:
      if (wanted > after) {
        ROOST_ASSIGN(Listed file, GetListed(datastores, selected, wanted));
        files.push_back(std::move(file));
      }
      return files;
    case Selection::Kind::kFolder:
    case Selection::Kind::kWildcard:
      break;
  }
  const bool filtered = selected.kind == Selection::Kind::kWildcard;
  const spec::Glob glob(wanted);
  const std::string& base = selected.path.base;
  const std::string prefix = filtered       ? wanted.substr(0, wanted.find_first_of("*?["))
                             : base.empty() ? ""
                                            : base + "/";
  constexpr std::size_t kPage = 20'000;
  const std::size_t page_size = std::min(limit, kPage);
  while (files.size() < limit) {
    ROOST_ASSIGN(
        std::vector<Listed> page,
        selected.on_disk()
            ? ListDisk(*selected.datastore, base, after, limit == SIZE_MAX ? SIZE_MAX : page_size)
            : ListRows(datastores, selected.datastore->name, prefix, after, page_size));
    const bool last = page.size() < page_size || (selected.on_disk() && limit == SIZE_MAX);
    if (!page.empty()) after = page.back().path;
    for (Listed& file : page) {
      if (files.size() == limit) break;
      if (file.path.ends_with(kPartEnding) && selected.on_disk()) continue;
      if (filtered && !glob.Matches(file.path)) continue;
      files.push_back(std::move(file));
    }
    if (last) break;
  }
  return files;
}

// Where the files of several paths lie among those of the dataset.
class DatasetPlaces {
 public:
  explicit DatasetPlaces(const std::vector<Selection>& selections) {
    for (const Selection& each : selections) {
      names_.push_back(PlaceName(each.path));
      one_place_ = one_place_ && names_.back() == names_.front();
    }
    if (selections.empty() || !one_place_) return;
    root_ = selections.front().path.base;
    for (const Selection& each : selections) root_ = CommonFolder(root_, each.path.base);
  }

  std::string InDataset(std::size_t selection, const std::string& path) const {
    return Prefix(selection) + path.substr(root_.empty() ? 0 : root_.size() + 1);
  }
  // The path of the selection's datastore; nothing: the file is of another place.
  std::optional<std::string> InDatastore(std::size_t selection, const std::string& path) const {
    const std::string prefix = Prefix(selection);
    if (!path.starts_with(prefix)) return std::nullopt;
    return (root_.empty() ? "" : root_ + "/") + path.substr(prefix.size());
  }
  // The same for what is behind a path; nothing: none of the selection's files is.
  std::optional<std::string> AfterInDatastore(std::size_t selection,
                                              const std::string& after) const {
    if (after.empty() || after < Prefix(selection)) return "";
    return InDatastore(selection, after);
  }

 private:
  std::string Prefix(std::size_t selection) const {
    return one_place_ ? "" : names_[selection] + "/";
  }

  std::vector<std::string> names_;
  bool one_place_ = true;
  std::string root_;
};

bool IsSelected(const Selection& selected, const std::string& path) {
  switch (selected.kind) {
    case Selection::Kind::kNothing:
      return false;
    case Selection::Kind::kAddress:
      return path == FromAddress(selected.path).path;
    case Selection::Kind::kFile:
      return path == selected.path.place.path;
    case Selection::Kind::kFolder:
      return path != selected.path.base && IsWithin(path, selected.path.base);
    case Selection::Kind::kWildcard:
      return spec::Glob(selected.path.place.path).Matches(path);
  }
  return false;
}

Result<std::vector<Selection>> SelectAll(const Datastores& datastores,
                                         std::vector<DatasetPath> paths) {
  std::vector<Selection> selections;
  for (DatasetPath& path : paths) {
    ROOST_ASSIGN(Selection selected, Select(datastores, std::move(path)));
    selections.push_back(std::move(selected));
  }
  return selections;
}

// Sorted by path, each once, from the lists of the selections.
Result<std::vector<DataFile>> ListAll(const Datastores& datastores,
                                      const std::vector<Selection>& selections,
                                      const std::string& after, std::size_t limit) {
  const DatasetPlaces places(selections);
  std::vector<DataFile> files;
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const std::optional<std::string> behind = places.AfterInDatastore(i, after);
    if (!behind) continue;
    ROOST_ASSIGN(std::vector<Listed> list, ListSelected(datastores, selections[i], *behind, limit));
    if (list.empty() && after.empty()) return Fail(NothingThere(selections[i].path.place));
    for (Listed& file : list) {
      files.push_back(
          {places.InDataset(i, file.path), file.size, file.digest, std::move(file.file)});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const DataFile& a, const DataFile& b) { return a.path < b.path; });
  files.erase(std::unique(files.begin(), files.end(),
                          [](const DataFile& a, const DataFile& b) { return a.path == b.path; }),
              files.end());
  if (files.size() > limit) files.resize(limit);
  return files;
}

// Of two addresses with one last name, one would be lost.
Status CheckAddresses(const std::vector<DatasetPath>& paths) {
  std::map<std::string, const DatasetPath*> by_name;
  for (const DatasetPath& path : paths) {
    if (path.place.url.empty()) continue;
    const std::string name = FromAddress(path).path;
    const DatasetPath& first = *by_name.emplace(name, &path).first->second;
    if (first.digest == path.digest) continue;
    return Invalid("paths", spec::ShownAddress(first.place.url) + " and " +
                                spec::ShownAddress(path.place.url) + " would both be the file '" +
                                name + "' of the dataset. Make a dataset of each.");
  }
  return {};
}

}  // namespace

Result<fs::path> FileInFolder(const Datastore& datastore, const std::string& path) {
  const auto missing = [&] {
    return Fail(ErrorCode::kNotFound,
                "The datastore " + datastore.name + " has no file '" + path + "'.");
  };
  std::error_code error;
  const fs::path root = fs::canonical(datastore.folder, error);
  if (error || !IsSafeRelativePath(path)) return missing();
  const fs::path real = fs::canonical(root / path, error);
  if (error) return missing();
  const fs::path relative = real.lexically_relative(root);
  if (relative.empty() || *relative.begin() == "..") return missing();
  return datastore.folder / path;
}

Result<FoundData> FindData(const Datastores& datastores, std::vector<DatasetPath> paths) {
  FoundData found;
  ROOST_ASSIGN(const std::vector<Selection> selections, SelectAll(datastores, std::move(paths)));
  ROOST_ASSIGN(found.files, ListAll(datastores, selections, "", SIZE_MAX));
  for (const Selection& each : selections) {
    if (each.on_disk()) found.pinned = false;
    found.paths.push_back(each.path);
  }
  using enum Selection::Kind;
  found.single_file = selections.size() == 1 &&
                      (selections.front().kind == kFile || selections.front().kind == kAddress);
  for (const DataFile& file : found.files) found.bytes += file.size;
  return found;
}

Result<std::vector<DataFile>> FindDataPage(const Datastores& datastores,
                                           std::vector<DatasetPath> paths, const std::string& after,
                                           std::size_t limit) {
  ROOST_ASSIGN(const std::vector<Selection> selections, SelectAll(datastores, std::move(paths)));
  return ListAll(datastores, selections, after, limit);
}

Result<DataFile> FindDataFile(const Datastores& datastores, std::vector<DatasetPath> paths,
                              const std::string& path) {
  ROOST_ASSIGN(const std::vector<Selection> selections, SelectAll(datastores, std::move(paths)));
  const DatasetPlaces places(selections);
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const std::optional<std::string> wanted = places.InDatastore(i, path);
    if (!wanted || !IsSelected(selections[i], *wanted)) continue;
    if (selections[i].kind == Selection::Kind::kAddress) {
      const Listed file = FromAddress(selections[i].path);
      return DataFile{path, file.size, file.digest, {}};
    }
    Result<Listed> file = GetListed(datastores, selections[i], *wanted);
    if (file) return DataFile{path, file->size, file->digest, std::move(file->file)};
    if (file.error().code != ErrorCode::kNotFound) return Fail(file.error());
  }
  return Fail(ErrorCode::kNotFound, "The dataset has no file \"" + path + "\".");
}

Result<FoundData> FindData(const Datastores& datastores, const Datasets& datasets,
                           const Dataset& dataset) {
  if (!dataset.tree) return FindData(datastores, dataset.paths);
  FoundData found;
  found.paths = dataset.paths;
  found.single_file = dataset.single_file;
  found.bytes = dataset.bytes;
  ROOST_ASSIGN(std::vector<DatasetFile> files, datasets.Files(*dataset.tree, "", SIZE_MAX));
  found.files.reserve(files.size());
  for (DatasetFile& file : files) {
    found.files.push_back({std::move(file.path), file.size, file.digest, {}});
  }
  return found;
}

Result<Datasets::Created> MakeDataset(Store& store, std::vector<DatasetPath> paths,
                                      NewDataset asked) {
  ROOST_TRY(CheckAddresses(paths));
  ROOST_ASSIGN(FoundData found, FindData(store.datastores(), std::move(paths)));
  const bool has_address = std::any_of(found.paths.begin(), found.paths.end(),
                                       [](const DatasetPath& p) { return !p.place.url.empty(); });
  if (has_address && !found.pinned) {
    // Nothing would keep what the addresses gave: such a dataset has no list of contents.
    return Invalid(
        "paths",
        "A dataset cannot have both addresses and files of a datastore that is a folder. "
        "Make a dataset of each.");
  }
  asked.paths = std::move(found.paths);
  asked.file_count = static_cast<std::int64_t>(found.files.size());
  asked.bytes = found.bytes;
  asked.single_file = found.single_file;
  if (found.pinned) {
    std::vector<Digest> digests;
    digests.reserve(found.files.size());
    asked.files.emplace();
    asked.files->reserve(found.files.size());
    for (DataFile& file : found.files) {
      digests.push_back(*file.digest);
      asked.files->push_back({std::move(file.path), *file.digest, file.size});
    }
    std::sort(digests.begin(), digests.end());
    digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
    // Looked at, so that collection spares them until the dataset names them.
    if (!store.blobs().Missing(digests).empty()) {
      return Fail(ErrorCode::kUnavailable, "The files changed meanwhile. Try again.");
    }
  }
  return store.datasets().Create(asked);
}

}  // namespace roost::store
