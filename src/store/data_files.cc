#include "store/data_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
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

Status ListRows(const Datastores& datastores, const spec::DataPath& place,
                const std::string& prefix, std::vector<Listed>* to) {
  constexpr std::size_t kPage = 20'000;
  std::string after;
  while (true) {
    ROOST_ASSIGN(auto page, datastores.ListFiles(place.datastore, prefix, after, kPage));
    for (DatastoreFile& file : page) {
      to->push_back({std::move(file.path), file.size, file.digest, {}});
    }
    if (page.size() < kPage) return {};
    after = to->back().path;
  }
}

// The files of one path, and its base.
Result<std::vector<Listed>> FindInRows(const Datastores& datastores, DatasetPath* path) {
  const std::string& wanted = path->place.path;
  std::vector<Listed> files;
  if (!wanted.empty()) {
    const auto exact = datastores.GetFile(path->place.datastore, wanted);
    if (exact) {
      path->base = FolderOf(wanted);
      files.push_back({wanted, exact->size, exact->digest, {}});
      return files;
    }
    if (exact.error().code != ErrorCode::kNotFound) return Fail(exact.error());
  }
  path->base = wanted;
  ROOST_TRY(ListRows(datastores, path->place, wanted.empty() ? "" : wanted + "/", &files));
  if (!files.empty() || !spec::HasWildcard(wanted)) return files;
  path->base = FolderOfWildcard(wanted);
  const std::string literal = wanted.substr(0, wanted.find_first_of("*?["));
  ROOST_TRY(ListRows(datastores, path->place, literal, &files));
  const spec::Glob glob(wanted);
  std::erase_if(files, [&](const Listed& file) { return !glob.Matches(file.path); });
  return files;
}

Result<std::vector<Listed>> ListDisk(const Datastore& datastore, const std::string& below) {
  std::vector<Listed> files;
  const fs::path folder = below.empty() ? datastore.folder : datastore.folder / below;
  Result<std::vector<TreeEntry>> entries = ListTree(folder);
  if (!entries && entries.error().code == ErrorCode::kNotFound) return files;
  ROOST_TRY(entries);
  for (TreeEntry& entry : *entries) {
    if (entry.path.ends_with(kPartEnding)) continue;
    files.push_back({below.empty() ? entry.path : below + "/" + entry.path,
                     entry.size,
                     {},
                     folder / entry.path});
  }
  return files;
}

Result<std::vector<Listed>> FindOnDisk(const Datastore& datastore, DatasetPath* path) {
  const std::string& wanted = path->place.path;
  std::error_code error;
  if (!fs::is_directory(datastore.folder, error)) {
    return Fail(ErrorCode::kNotFound, "The folder " + datastore.folder.string() +
                                          " of the datastore " + datastore.name + " is not there.");
  }
  if (!wanted.empty()) {
    const Result<fs::path> file = FileInFolder(datastore, wanted);
    if (file && fs::is_regular_file(*file, error)) {
      path->base = FolderOf(wanted);
      return std::vector<Listed>{{wanted, fs::file_size(*file, error), {}, *file}};
    }
    if (file) {
      path->base = wanted;
      return ListDisk(datastore, wanted);
    }
  }
  path->base = wanted;
  if (wanted.empty()) return ListDisk(datastore, "");
  if (!spec::HasWildcard(wanted)) return std::vector<Listed>{};
  path->base = FolderOfWildcard(wanted);
  // The folder may be a link that leaves the datastore.
  if (!path->base.empty() && !FileInFolder(datastore, path->base)) return std::vector<Listed>{};
  ROOST_ASSIGN(std::vector<Listed> files, ListDisk(datastore, path->base));
  const spec::Glob glob(wanted);
  std::erase_if(files, [&](const Listed& file) { return !glob.Matches(file.path); });
  return files;
}

// "https://host/a/b.csv?x=1" is the file a/b.csv of host.
Listed FromAddress(DatasetPath* path) {
  std::string rest = path->place.url.substr(path->place.url.find("://") + 3);
  rest = rest.substr(0, rest.find_first_of("?#"));
  const auto slash = rest.find('/');
  std::string name = slash == std::string::npos ? "" : rest.substr(slash + 1);
  name = name.substr(name.rfind('/') + 1);
  if (!IsSafeRelativePath(name) || !IsValidUtf8(name)) name = "index";
  path->base.clear();
  return {name, path->size, path->digest, {}};
}

// Addresses with names of their own are apart from datastores, whose names have no blank.
std::string PlaceName(const DatasetPath& path) {
  return path.place.url.empty() ? path.place.datastore : "downloaded files";
}

// Of two addresses with one last name, one would be lost.
Status CheckAddresses(std::vector<DatasetPath> paths) {
  std::map<std::string, const DatasetPath*> by_name;
  for (DatasetPath& path : paths) {
    if (path.place.url.empty()) continue;
    const std::string name = FromAddress(&path).path;
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
  std::vector<std::vector<Listed>> lists;
  bool one_place = true;
  for (DatasetPath& path : paths) {
    if (!path.place.url.empty()) {
      lists.push_back({FromAddress(&path)});
    } else {
      ROOST_ASSIGN(const Datastore datastore, datastores.Get(path.place.datastore));
      ROOST_ASSIGN(std::vector<Listed> files, datastore.is_folder()
                                                  ? FindOnDisk(datastore, &path)
                                                  : FindInRows(datastores, &path));
      if (files.empty()) return Fail(NothingThere(path.place));
      if (datastore.is_folder()) found.pinned = false;
      lists.push_back(std::move(files));
    }
    one_place = one_place && PlaceName(path) == PlaceName(paths.front());
  }
  std::string root = paths.empty() ? "" : paths.front().base;
  for (const DatasetPath& path : paths) root = CommonFolder(root, path.base);
  if (!one_place) root.clear();
  const std::size_t skip = root.empty() ? 0 : root.size() + 1;
  found.single_file =
      paths.size() == 1 && lists.front().size() == 1 &&
      (!paths.front().place.url.empty() || paths.front().place.path == lists.front().front().path);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string prefix = one_place ? "" : PlaceName(paths[i]) + "/";
    for (Listed& file : lists[i]) {
      found.files.push_back(
          {prefix + file.path.substr(skip), file.size, file.digest, std::move(file.file)});
    }
  }
  std::sort(found.files.begin(), found.files.end(),
            [](const DataFile& a, const DataFile& b) { return a.path < b.path; });
  found.files.erase(
      std::unique(found.files.begin(), found.files.end(),
                  [](const DataFile& a, const DataFile& b) { return a.path == b.path; }),
      found.files.end());
  for (const DataFile& file : found.files) found.bytes += file.size;
  found.paths = std::move(paths);
  return found;
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
