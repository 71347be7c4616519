#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace roost::store {

class Database;

// What a run read or wrote under one name: which version of which dataset.
struct RunDataItem {
  bool is_output = false;
  std::string name;
  std::string dataset_id;    // empty: none (yet)
  std::string dataset_name;  // as it was when the run was submitted; empty: not registered
  std::int64_t version = 0;  // 0: none
  std::string mode;          // "mount", "download"...
  std::string mechanism;     // how it came there: "bind", "links"...; empty: not yet
  std::string path_on_compute;
  std::string datastore;  // when it is a place in one
  std::string path;
  std::string tree;  // the folder below mounts/ that the run sees; empty: none
};

// The lineage between runs and datasets.
class RunData {
 public:
  explicit RunData(Database& database) : database_(database) {}

  // Replaces what is there under the same names.
  Status Put(RunKey run, const std::vector<RunDataItem>& items);
  Result<std::vector<RunDataItem>> Of(RunKey run) const;  // inputs, then outputs, by name
  // The runs that read or wrote a dataset, newest first, from those made before `before` on; none
  // that is deleted.
  Result<std::vector<RunKey>> RunsWith(const std::string& dataset_id, std::optional<RunKey> before,
                                       std::size_t limit) const;

 private:
  Database& database_;
};

}  // namespace roost::store
