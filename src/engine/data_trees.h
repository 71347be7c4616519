#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "store/data_files.h"
#include "store/store.h"

namespace roost::engine {

// Lists of contents as folders of read-only files below mounts/ of the data folder, made once and
// seen by many runs. Garbage collection removes those that no live run sees.

// How the files of a tree are made.
enum class TreeFiles {
  kForMounts,  // large contents are links to the blobs: only for what is mounted read-only
  kOwnCopies,  // every file has an inode of its own
};

// The tree's name below mounts/. Requires: every file has a digest.
std::string TreeName(const std::vector<store::DataFile>& files, TreeFiles kind);
// Makes the tree where it is missing, and mends one of own copies that a run has changed. Requires:
// a row of run_data names it, so that collection spares it. `stop` is asked between files and
// between large pieces of one (kUnavailable), here and below.
Result<fs::path> MakeTree(store::Store& store, const std::string& name,
                          const std::vector<store::DataFile>& files, TreeFiles kind,
                          const std::function<bool()>& stop);

// Writes the files below `to`, each with an inode of its own (a reflink where possible).
Status CopyFiles(store::Store& store, const std::vector<store::DataFile>& files, const fs::path& to,
                 const std::function<bool()>& stop);
// Makes `to` a folder of links to the files of a tree, in the place of files that are there.
Status LinkFiles(const fs::path& tree, const std::vector<store::DataFile>& files,
                 const fs::path& to, const std::function<bool()>& stop);

}  // namespace roost::engine
