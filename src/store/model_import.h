#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/logged_models.h"
#include "store/models.h"
#include "store/run_import.h"

namespace roost::store {

class Blobs;
class Database;

struct ImportedVersion {
  ModelVersion version;  // what hangs on runs and files here is not read from it
  std::vector<ModelFile> files;
};

struct ImportedModel {
  std::string name;
  std::string description;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::int64_t> aliases;
  Micros created_at = 0;
  Micros updated_at = 0;
  std::vector<ImportedVersion> versions;
};

// Takes in logged and registered models of other tracking servers, with their ids and version
// numbers. What is here already keeps its values, and what it lacks is added.
class ModelImport {
 public:
  ModelImport(Database& database, Blobs& blobs) : database_(database), blobs_(blobs) {}

  struct AddedModel {
    ImportOutcome outcome = ImportOutcome::kUnchanged;
    std::int64_t points_left_out = 0;  // of runs that are not here
  };
  Result<AddedModel> AddLoggedModel(const LoggedModel& model);
  // Another content of the same path is replaced.
  Result<RunImport::AddedFiles> AddFiles(const std::string& model_id,
                                         const std::vector<LoggedModelFile>& files);

  // In one write. kConflict when a version's number is taken by one from another source.
  Result<ImportOutcome> AddModel(const ImportedModel& model, const std::string& submitter);

 private:
  Database& database_;
  Blobs& blobs_;
};

}  // namespace roost::store
