#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace roost::trainer {

// _meta.yaml, the file by which a typed folder says what it is: a map with `type`, an empty
// `extension`, and the names of the folder's other files. It is written last, so a folder that has
// one is complete.
struct FolderMeta {
  std::map<std::string, std::string> fields{};  // plain values only; lists and maps are left out

  // The value, or `fallback` where the file does not say.
  std::string Get(const std::string& key, const std::string& fallback = {}) const;
};

// kNotFound when there is none, kInvalidArgument when it is no map of plain text or over 1 MiB.
Result<FolderMeta> ReadFolderMeta(const fs::path& folder);

// `fields` are written in their order after type and extension; `true_fields` then, with the truth
// value true.
Status WriteFolderMeta(const fs::path& folder, const std::string& type,
                       const std::vector<std::pair<std::string, std::string>>& fields,
                       const std::vector<std::string>& true_fields = {});

// A folder to write results into: made where it is missing, 160 when it already has something in it
// or cannot be made.
Status PrepareOutputFolder(const fs::path& folder);

// Empties output folders again unless the work came to its end, so that it can be tried once more.
// Requires: PrepareOutputFolder was called for each.
class OutputGuard {
 public:
  explicit OutputGuard(std::vector<fs::path> outputs) : outputs_(std::move(outputs)) {}
  ~OutputGuard();
  OutputGuard(const OutputGuard&) = delete;
  void Keep() { outputs_.clear(); }

 private:
  std::vector<fs::path> outputs_;
};

// A relative path that a file of a folder names, as a path below the folder; kInvalidArgument when
// it leads outside.
Result<fs::path> FileInFolder(const fs::path& folder, const std::string& name);

}  // namespace roost::trainer
