#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "spec/run_definition.h"
#include "spec/run_layout.h"
#include "store/runs.h"

namespace roost::engine {

// A run's property with the workspace as its submitter names it, in Azure ML's form
// "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W".
inline constexpr const char* kWorkspaceProperty = "roost.workspace";

using EnvironmentMap = std::map<std::string, std::string>;

// What a run's process is told about itself.
struct RunIdentity {
  std::string server_url;
  std::string token;
  std::string launch_id;
  int attempt = 1;
  fs::path python;              // empty: none, which only a command may have
  fs::path environment_folder;  // of a virtual or conda environment; empty: an interpreter alone
  fs::path sdk_python_folder;   // empty: none
  fs::path trainer;             // the program roost-trainer; empty: none
  std::vector<int> gpus;        // indices that the run may use
  bool machine_has_gpus = false;
};

// The complete environment of a run, as docs/wire.md says: a short list of the server's own
// variables, the definition's, and on top of both what the platform itself sets.
EnvironmentMap MakeRunEnvironment(const store::Run& run, const spec::RunDefinition& definition,
                                  const spec::RunLayout& layout, const RunIdentity& identity,
                                  const EnvironmentMap& server_environment);

// Replaces $NAME and ${NAME} by the environment's values; unknown names stay as they are.
std::string ExpandVariables(std::string_view text, const EnvironmentMap& environment);

// The program and arguments: the interpreter with the script and its expanded arguments, or a shell
// (bash, where the run's PATH has one) with the command.
std::vector<std::string> MakeRunArguments(const spec::RunDefinition& definition,
                                          const fs::path& python,
                                          const EnvironmentMap& environment);

}  // namespace roost::engine
