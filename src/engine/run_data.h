#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "engine/run_environment.h"
#include "spec/launch_format.h"
#include "spec/run_definition.h"
#include "spec/run_layout.h"

namespace roost::engine {

// What preparing decided about a run's data; kept as a file of the attempt, so that launching and
// finalizing need nothing else, also after a restart of the server.
struct RunDataPlan {
  std::map<std::string, std::string> values;  // by name: the local path, or the dataset's id
  std::string modes;                          // "images:mount,raw:download"
  std::string outputs;                        // "result;model"
  std::vector<spec::BindMount> mounts;
  std::vector<std::string> links;  // made outside of the scratch folder
  std::map<std::string, std::string> output_folders;
  bool operator==(const RunDataPlan&) const = default;
};

Status WriteDataPlan(const spec::RunLayout& layout, const RunDataPlan& plan);
// A run without data has none; then the plan is empty.
Result<RunDataPlan> ReadDataPlan(const spec::RunLayout& layout);
// Lasting when it returns; a plan that is not there is fine.
Status RemoveDataPlan(const spec::RunLayout& layout);

// AZUREML_DATAREFERENCE_<name> and its kin. <name> and <NAME> alone never replace a variable that
// is there.
void AddDataVariables(const RunDataPlan& plan, EnvironmentMap* to);
// The definition with DatasetConsumptionConfig:<name> and DatasetOutputConfig:<name> replaced in
// arguments and command; in a command with quotes where a shell needs them.
spec::RunDefinition WithDataPaths(spec::RunDefinition definition, const RunDataPlan& plan);

}  // namespace roost::engine
