#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/result.h"

namespace roost::store {

class Database;

struct Artifact {
  std::string path;  // "outputs/model.pt"
  Digest digest;
  std::uint64_t size = 0;
  Micros created_at = 0;
};

class Artifacts {
 public:
  explicit Artifacts(Database& database) : database_(database) {}

  enum class Overwrite { kRefuse, kReplace };
  // Requires: the blobs are durable. All or nothing; with kRefuse an existing path of another
  // content is kConflict and names it (the same content again is fine).
  Status Add(RunKey run, const std::vector<Artifact>& artifacts, Overwrite overwrite);
  Result<Artifact> Get(RunKey run, const std::string& path) const;
  // By path, those that start with `prefix`, after `after_path`.
  Result<std::vector<Artifact>> List(RunKey run, const std::string& prefix,
                                     const std::string& after_path, std::size_t limit) const;
  Status Remove(RunKey run, const std::string& path);

 private:
  Database& database_;
};

}  // namespace roost::store
