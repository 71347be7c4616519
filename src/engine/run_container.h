#pragma once

#include <vector>

#include "environments/command_runner.h"
#include "environments/environment_cache.h"
#include "spec/launch_format.h"
#include "spec/run_layout.h"

namespace roost::engine {

// What a run in a container needs to be told beside its launch request.
struct ContainerRun {
  std::string name;                 // of the container: one a launch
  std::vector<fs::path> read_only;  // folders that the script reads, at the same paths
  std::vector<int> gpus;            // of its share
  std::map<std::string, std::string> tool_environment;  // of podman, docker or apptainer
};

// A shell that is in every image with one at all: bash where the image has it.
std::vector<std::string> CommandInContainer(const std::string& command);

// Requires: the report file is there. Puts the request's command into the image: the tool is what
// is started, with the run's own folders at the same paths. Gives sentences about what the tool
// cannot do.
std::vector<std::string> PutIntoContainer(const environments::ContainerImage& image,
                                          const ContainerRun& run, const spec::RunLayout& layout,
                                          spec::LaunchRequest& request);

// Ends and removes the container of a launch that is over, if it had one: killing the tool's
// process does not always end what it started. Blocks.
void RemoveContainer(const spec::RunLayout& layout, environments::CommandRunner& runner);

}  // namespace roost::engine
