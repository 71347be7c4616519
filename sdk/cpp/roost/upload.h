#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "roost/client.h"
#include "roost/download.h"
#include "roost/folder_snapshot.h"

namespace roost::client {

// Content that the server may lack, and the file that has it.
struct BlobSource {
  Digest digest;
  std::uint64_t size = 0;
  std::filesystem::path file;
};

// POST /blobs in as many streams as needed, each repeated as a whole when its connection breaks;
// large contents one by one, gone on with where they broke off, by this call or the next. A file
// that has changed since it was hashed is an error that names it.
Status SendBlobs(Client& client, const std::vector<BlobSource>& blobs, const Progress& progress);

// Makes the server keep the folder's snapshot, sending only what it lacks. Gives the snapshot's id.
struct SentSnapshot {
  std::string id;
  std::uint64_t blobs_sent = 0;
  std::uint64_t bytes_sent = 0;
};
Result<SentSnapshot> SendSnapshot(Client& client, const FolderSnapshot& snapshot,
                                  const Progress& progress);

}  // namespace roost::client
