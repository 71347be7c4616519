#pragma once

#include <optional>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "environments/build_settings.h"
#include "environments/build_step.h"
#include "environments/container.h"
#include "environments/environment_builder.h"
#include "environments/install_plan.h"
#include "spec/environment_definition.h"

namespace roost::environments {

// Brings one image onto this machine: fetches it, or builds it from the definition's Dockerfile
// and its packages on top, then looks for Python in it and imports the packages. What it made
// stands in `container.json` of the environment's folder; the image itself is in the tool's own
// storage (podman, docker) or in the folder (apptainer).
class ContainerBuilder {
 public:
  // As EnvironmentBuilder.
  ContainerBuilder(const BuildSettings& settings, CommandRunner& runner, BuildLog& log,
                   const Cancellation& cancel, int stdin_fd);
  // Requires: RunsInContainer; `folder` is absolute and not there, its parent is. Its name is that
  // of a built image.
  Result<BuildReport> Build(const spec::EnvironmentDefinition& definition, const fs::path& folder);

 private:
  Result<InstallPlan> Plan(const spec::EnvironmentDefinition& definition);
  Status BringImage(const spec::EnvironmentDefinition& definition);
  Status BuildImage(const std::string& dockerfile);
  Result<std::string> FindPython();
  Result<BuildReport> CheckImports(const spec::EnvironmentDefinition& definition);
  fs::path Notes() const { return folder_ / ".roost"; }

  const BuildSettings& settings_;
  CommandRunner& runner_;
  BuildLog& log_;
  const BuildStep step_;
  ContainerImage image_;
  fs::path folder_;
  InstallPlan plan_;
};

// The Dockerfile of what is built: the definition's own or FROM its image, and the plan's packages
// (from requirements.txt of the build's context) by the image's own python -m pip. Empty: nothing
// is built.
std::string MakeDockerfile(const spec::EnvironmentDefinition& definition, const InstallPlan& plan);

// What ContainerBuilder left; kNotFound when the folder is no container's.
Result<ContainerImage> ReadContainerImage(const fs::path& folder);
// Whether the tool still has it. Takes as long as the tool does (a fraction of a second).
bool IsImageThere(const ContainerImage& image, const BuildSettings& settings,
                  CommandRunner& runner);

// Removes an image that was built here from the tool's storage; one that was fetched stays, since
// others may use it. What the tool says against it is no failure of ours.
void RemoveOwnImage(const ContainerImage& image, const BuildSettings& settings,
                    CommandRunner& runner);

}  // namespace roost::environments
