#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "environments/build_settings.h"
#include "spec/environment_definition.h"

namespace roost::environments {

// A program of this machine that runs container images.
enum class ContainerKind { kPodman, kDocker, kApptainer };
struct ContainerTool {
  ContainerKind kind = ContainerKind::kPodman;
  fs::path program;
};
// podman, docker, apptainer or singularity in the PATH of `variables`, the first of them; looked
// for anew each time.
std::optional<ContainerTool> FindContainerTool(const std::map<std::string, std::string>& variables);
// The answer where there is none; names the programs.
Error NoContainerTool(const spec::EnvironmentDefinition& definition);

// Whether the definition's runs go into a container: those that are an image alone always (and fail
// where no program is there); those with a conda or pip section when docker.enabled asks for it, an
// image is named, the operator's settings allow it and a program is there. Else it is a hint.
bool RunsInContainer(const spec::EnvironmentDefinition& definition, const BuildSettings& settings);
// A sentence where the definition names a container and its runs go into none: what it names, what
// they have in its place, and why. Else empty.
std::string ContainerHint(const spec::EnvironmentDefinition& definition,
                          const BuildSettings& settings);

// Of `docker.arguments` those that neither mount folders nor raise rights; the error names the
// first other one and what is taken.
Status CheckContainerArguments(const std::vector<std::string>& arguments);

// An image that is on this machine, as ContainerBuilder made or fetched it.
struct ContainerImage {
  ContainerTool tool;
  std::string image;                   // name or id; for apptainer the path of a file
  std::string python;                  // the interpreter inside: "/opt/conda/bin/python"
  std::string shm_size;                // of the definition
  std::vector<std::string> arguments;  // of the definition, checked
};

struct ContainerMount {
  fs::path folder;  // on this machine, absolute; the same path inside
  bool read_only = false;
};

// What a run's container needs beside its image.
struct ContainerOptions {
  std::string name;  // the run's id: what RemoveContainerCommand takes
  std::vector<ContainerMount> mounts;
  std::map<std::string, std::string> variables;  // of the process inside
  fs::path working_folder;                       // inside
  std::vector<int> gpus;                         // indices; empty: none is visible
};

// What is started in place of the run's own command.
struct ContainerCommand {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  // of the tool's process: all of it
  std::vector<std::string> notes;                  // what this tool cannot do and is left out
};

// Runs `argv` inside the image, in the machine's network, as the server's user, with the folders at
// the same paths. Values of variables stay out of the command line, which every user of the machine
// can read, but for names that the tool needs itself. Variables that are the machine's (PATH, HOME,
// LD_LIBRARY_PATH ...) and the same in `tool_environment` are not passed, nor is a PATH that holds
// the tool's: the image has its own.
ContainerCommand RunInContainer(const ContainerImage& image, const ContainerOptions& options,
                                const std::vector<std::string>& argv,
                                const std::map<std::string, std::string>& tool_environment);

// Ends and removes what is left of a run whose tool was killed; empty where killing the tool is
// enough (apptainer). It fails when there is no such container, which is no error.
std::vector<std::string> RemoveContainerCommand(const ContainerTool& tool, const std::string& name);

}  // namespace roost::environments
