#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"
#include "spec/data_definition.h"
#include "store/datasets.h"
#include "store/datastores.h"

namespace roost::store {

class Store;

// A file of a dataset or of a place in a datastore: content by digest, or a file of a folder.
struct DataFile {
  std::string path;  // relative to the common folder of all
  std::uint64_t size = 0;
  std::optional<Digest> digest;
  fs::path file;  // when there is no digest
};

struct FoundData {
  std::vector<DatasetPath> paths;  // with their bases
  std::vector<DataFile> files;     // sorted by path, each once
  bool pinned = true;              // every file has a digest
  bool single_file = false;        // one path that names one file
  std::uint64_t bytes = 0;
};

// Finds the files that the paths name now. A path names a file, a folder with all below it, or has
// wildcards; one that names nothing is kInvalidArgument. An address needs its digest beforehand.
Result<FoundData> FindData(const Datastores& datastores, std::vector<DatasetPath> paths);
// Those of the files behind `after`, at most `limit`: what lies before is not looked at.
Result<std::vector<DataFile>> FindDataPage(const Datastores& datastores,
                                           std::vector<DatasetPath> paths, const std::string& after,
                                           std::size_t limit);
// One of the files, without listing the others; kNotFound.
Result<DataFile> FindDataFile(const Datastores& datastores, std::vector<DatasetPath> paths,
                              const std::string& path);
// The files of a dataset: those that it pins, or those that are there now.
Result<FoundData> FindData(const Datastores& datastores, const Datasets& datasets,
                           const Dataset& dataset);

// Finds the files of the paths and makes the dataset of them. The fields of `asked` that follow
// from the files are filled in here.
Result<Datasets::Created> MakeDataset(Store& store, std::vector<DatasetPath> paths,
                                      NewDataset asked);

// A file of a datastore that is a folder; one that leaves it (by a link) is kNotFound.
Result<fs::path> FileInFolder(const Datastore& datastore, const std::string& path);

}  // namespace roost::store
