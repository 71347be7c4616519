#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/mlflow/source.h"
#include "roost/client.h"

namespace roost::cli::mlflow {

struct ImportOptions {
  bool dry_run = false;  // only read, and tell what would come
};

struct Count {
  std::int64_t in_source = 0;
  std::int64_t here = 0;  // found here at the end
  std::int64_t added = 0;
};

struct ExperimentPlace {
  std::string name;
  std::string source_id;
  std::string id;  // empty: would be made
  std::string outcome;
};

// What an import has done, and what it found at its end.
struct ImportReport {
  bool dry_run = false;
  bool points_counted = true;  // not in a dry run of a server, whose histories are dear
  std::vector<ExperimentPlace> experiments;
  // experiments, runs, parameters, tags, points, files, bytes, logged models, registered models,
  // model versions; in this order.
  std::vector<std::pair<std::string, Count>> counts;
  std::int64_t runs_by_digest = 0;       // runs whose whole content was compared
  std::int64_t runs_by_last_point = 0;   // that were here before and whose newest points agree
  std::vector<std::string> left_out;     // what could not be read or stays where it is, and why
  std::vector<std::string> differences;  // what is not as in the source
  bool ok() const { return differences.empty(); }
};

// Brings all that the source has into the server; what is there already is left, so a call that was
// cut off is repeated.
Result<ImportReport> Import(client::Client& client, Source& source, const ImportOptions& options);

}  // namespace roost::cli::mlflow
