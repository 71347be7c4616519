#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/result.h"
#include "store/artifacts.h"
#include "store/store.h"

namespace roost::engine {

// A file on disk that is to become an artifact.
struct FileToTake {
  fs::path file;
  std::string path;  // as an artifact: "outputs/model.pt"
  std::uint64_t size = 0;
};

struct TakenFiles {
  std::vector<store::Artifact> artifacts;
  std::vector<std::string> skipped;  // "outputs/x: Permission denied"
};

// Copies the files into blobs: small ones in batches with one sync, large ones one by one. A file
// that cannot be read, is gone, or has a name that is no artifact path, is skipped and named; a
// full disk and the store's own errors end it. `stop` is asked between files (kUnavailable).
Result<TakenFiles> TakeFilesIntoBlobs(store::Store& store, const std::vector<FileToTake>& files,
                                      Micros now, const std::function<bool()>& stop);

}  // namespace roost::engine
