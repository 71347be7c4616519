#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/ids.h"
#include "base/result.h"
#include "spec/imported_run.h"
#include "store/artifacts.h"
#include "store/experiments.h"
#include "store/metrics.h"

namespace roost::store {

class Blobs;
class Database;
class Runs;
class RunInputs;

// An experiment of another server; one of the same name here is the same.
struct ImportedExperiment {
  std::string name;
  std::string description = {};
  std::string artifact_location = {};  // empty: with this server
  std::map<std::string, std::string> tags = {};
  bool deleted = false;
  Micros created_at = 0;
  Micros updated_at = 0;
};

// What became of one thing of an import.
enum class ImportOutcome { kCreated, kChanged, kUnchanged };
std::string_view ToString(ImportOutcome outcome);  // "created"

// What is here of a run, to be compared with what should be.
struct KeptRun {
  RunKey key;
  Digest digest;  // spec::ImportedRunDigest
  std::int64_t params = 0;
  std::int64_t tags = 0;
  std::int64_t points = 0;
  std::vector<MetricSummary> series;
  std::int64_t files = 0;
  Digest files_digest;  // DigestOfFiles
};

// Of paths and digests, by path.
Digest DigestOfFiles(const std::vector<Artifact>& files);

// Takes in experiments and runs of other tracking servers as they are: ids, times, histories,
// deleted ones too. Whatever is sent again is found and gone on with, so an import that was cut off
// is repeated from anywhere.
class RunImport {
 public:
  RunImport(Database& database, Runs& runs, RunInputs& inputs, Metrics& metrics,
            Artifacts& artifacts, Blobs& blobs)
      : database_(database),
        runs_(runs),
        inputs_(inputs),
        metrics_(metrics),
        artifacts_(artifacts),
        blobs_(blobs) {}

  struct Placed {
    Experiment experiment;
    ImportOutcome outcome = ImportOutcome::kUnchanged;
  };
  // What an experiment here lacks is added. kConflict when it is deleted here and not there.
  Result<Placed> AddExperiment(const ImportedExperiment& experiment);

  // Each run is a write of its own, so one that is refused takes no other along. What a run here
  // has keeps its value; its state follows as long as it is not final. kConflict for a run that
  // this server launched. In the order of `runs`.
  std::vector<Result<ImportOutcome>> AddRuns(const std::vector<spec::ImportedRun>& runs,
                                             const std::string& submitter);

  // In the order of `ids`; none: there is no such run.
  Result<std::vector<std::optional<KeptRun>>> Look(const std::vector<std::string>& ids) const;

  struct AddedFiles {
    std::int64_t added = 0;
    std::int64_t unchanged = 0;
    std::vector<Digest> missing;  // not empty: nothing was added, send these contents first
  };
  // Files of a run, also of a deleted one; another content of the same path is replaced.
  Result<AddedFiles> AddFiles(const std::string& run_id, const std::vector<Artifact>& files);

 private:
  Result<KeptRun> LookAt(const std::string& id) const;

  Database& database_;
  Runs& runs_;
  RunInputs& inputs_;
  Metrics& metrics_;
  Artifacts& artifacts_;
  Blobs& blobs_;
};

}  // namespace roost::store
