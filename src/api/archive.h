#pragma once

#include <string>
#include <vector>

#include "api/file_source.h"
#include "api/http_types.h"
#include "base/clock.h"

namespace roost::api {

// One file of an archive.
struct ArchiveEntry {
  std::string path;
  FileOpener open;
  bool executable = false;
  Micros modified_at = 0;
};

enum class ArchiveFormat { kZip, kTarGz };

// Streams an archive; it is never held in memory or on disk as a whole. A file that cannot be read
// any more cuts the answer.
std::unique_ptr<StreamSource> MakeArchiveSource(ArchiveFormat format,
                                                std::vector<ArchiveEntry> entries);
// The same as an attachment named `name`.
Response AnswerArchive(ArchiveFormat format, const std::string& name,
                       std::vector<ArchiveEntry> entries);

}  // namespace roost::api
