#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "roost/client.h"
#include "roost/download.h"
#include "roost/folder_snapshot.h"

namespace roost::client {

struct SentData {
  std::uint64_t added = 0;
  std::uint64_t unchanged = 0;
  std::uint64_t bytes_sent = 0;
};
// Brings the files of a folder (see ReadDataFolder) into a datastore below `target`, which may be
// empty. Only contents that the server lacks travel, in streams of bounded size, so a call that was
// cut off is gone on with by calling again. Memory does not grow with the sizes of the files.
// Another content under a path that is there is kConflict without `overwrite`.
Result<SentData> SendData(Client& client, const std::string& datastore,
                          const FolderSnapshot& folder, const std::string& target, bool overwrite,
                          const Progress& progress);

// The files of a dataset by its id.
Result<std::vector<RemoteFile>> ListDatasetFiles(Client& client, const std::string& dataset_id);
// Those of a datastore that start with `prefix`.
Result<std::vector<RemoteFile>> ListDatastoreFiles(Client& client, const std::string& datastore,
                                                   const std::string& prefix);

}  // namespace roost::client
