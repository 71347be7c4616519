#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"
#include "roost/client.h"

namespace roost::client {

// Told now and then during a transfer; `total` is 0 where it is not known.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct DownloadSource {
  std::string target;            // below /api/v1, encoded
  std::optional<Digest> digest;  // of the content; none: not verified
  std::uint64_t size = 0;        // used with a digest
};

enum class DownloadOutcome { kFetched, kResumed, kAlreadyThere };

// Writes the file beside `to` as "<name>.roost-part" and renames it into place when it is complete
// and its digest is right. A part that an earlier call left is gone on with; a file that has the
// right content already is left alone. Broken connections are resumed for `patience`.
Result<DownloadOutcome> DownloadFile(Client& client, const DownloadSource& source,
                                     const fs::path& to, const Progress& progress = {},
                                     std::chrono::milliseconds patience = std::chrono::seconds(30));

// One file of a run or of a model, as listed by the server.
struct RemoteFile {
  std::string path;
  std::uint64_t size = 0;
  std::optional<Digest> digest;  // none: a log that is still written
};
Result<std::vector<RemoteFile>> ListRunFiles(Client& client, const std::string& run_id,
                                             const std::string& prefix);
Result<std::vector<RemoteFile>> ListModelFiles(Client& client, const std::string& name,
                                               const std::string& version);

}  // namespace roost::client
