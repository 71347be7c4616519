#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace roost::store {

class Database;
struct WriteContext;

// Data as a client describes it; one of an experiment for each name and digest.
struct InputDataset {
  std::string name;
  std::string digest;
  std::string source_type;
  std::string source;
  std::optional<std::string> schema;
  std::optional<std::string> profile;
};

struct DatasetInput {
  InputDataset dataset;
  // mlflow.data.context has what it was used for.
  std::map<std::string, std::string> tags;
};

struct RunModel {
  std::string model_id;  // of a logged model, as the client gave it
  std::int64_t step = 0;
};

// What a run used and made.
struct RunLinks {
  std::vector<DatasetInput> datasets;
  std::vector<RunModel> models_in;
  std::vector<RunModel> models_out;
};

struct DatasetUse {
  ExperimentId experiment;
  std::string name;
  std::string digest;
  std::string context;  // empty: none was told
};

class RunInputs {
 public:
  explicit RunInputs(Database& database) : database_(database) {}

  // kConflict for a deleted run. A dataset that the run has already keeps its first tags.
  Status Add(RunKey run, const std::vector<DatasetInput>& datasets,
             const std::vector<RunModel>& models);
  // A model that the run has already gets the new step.
  Status AddOutputs(RunKey run, const std::vector<RunModel>& models);
  // Both, inside an import's write, also of a deleted run.
  static Status Take(WriteContext& context, RunKey run, const RunLinks& links);
  // In the order of `runs`.
  Result<std::vector<RunLinks>> Of(const std::vector<RunKey>& runs) const;
  // By name and digest, the datasets that runs of the experiments used.
  Result<std::vector<DatasetUse>> DatasetsOf(const std::vector<ExperimentId>& experiments,
                                             std::size_t limit) const;

 private:
  Database& database_;
};

}  // namespace roost::store
