#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "spec/run_state.h"
#include "store/noun_search.h"

namespace roost::store {

class Database;

struct Experiment {
  ExperimentId id;  // 0 is "Default"
  std::string name;
  std::string description;
  // Where MLflow's clients keep the files of its runs; empty: with this server.
  std::string artifact_location;
  std::map<std::string, std::string> tags;
  spec::Lifecycle lifecycle = spec::Lifecycle::kActive;
  Micros created_at = 0;
  Micros updated_at = 0;  // newest run or change
};

struct NewExperiment {
  std::string name;
  std::string description = {};
  std::map<std::string, std::string> tags = {};
  std::string artifact_location = {};
};

struct ExperimentSearch {
  NounSearch search;
  std::optional<spec::Lifecycle> lifecycle;
  bool with_deleted = false;
};
struct ExperimentPage {
  std::vector<Experiment> experiments;
  std::string next_page_token;
};

class Experiments {
 public:
  explicit Experiments(Database& database) : database_(database) {}

  Result<Experiment> Create(const NewExperiment& experiment);  // kConflict: exists
  Result<Experiment> GetOrCreate(const std::string& name);
  Result<Experiment> Get(ExperimentId id) const;
  Result<Experiment> GetByName(const std::string& name) const;
  // By name, after `after_name`; none: all but deleted.
  Result<std::vector<Experiment>> List(std::optional<spec::Lifecycle> lifecycle,
                                       const std::string& after_name, std::size_t limit) const;
  // In the words of MLflow's searches: name, creation_time, last_update_time (in milliseconds),
  // experiment_id, tags. `lifecycle` as with runs: none is all but deleted, or all.
  Result<ExperimentPage> Search(const ExperimentSearch& search) const;
  Status Update(ExperimentId id, const std::optional<std::string>& description,
                const std::map<std::string, std::optional<std::string>>& tags);
  Status Rename(ExperimentId id, const std::string& name);  // kConflict: taken, or deleted
  // Deleting an experiment that has managed runs that are not over is kConflict; its runs are
  // deleted too, and come back as they were when it is restored. The default one cannot be deleted.
  Status SetLifecycle(ExperimentId id, spec::Lifecycle lifecycle);
  // Finishes what a stop cut off in the middle: runs follow their experiment in many small writes.
  Status FinishLifecycleChanges();

 private:
  Status MoveRunsAlong(ExperimentId id, spec::Lifecycle lifecycle);

  Database& database_;
};

}  // namespace roost::store
