#include "engine/run_container.h"

#include "base/log.h"
#include "base/strings.h"
#include "environments/container.h"

namespace roost::engine {
namespace {

// In the tool's environment: how the end of a launch finds its container, after a restart too.
constexpr const char* kNameVariable = "ROOST_CONTAINER";
constexpr const char* kRemoveVariable = "ROOST_CONTAINER_REMOVE";
constexpr std::chrono::seconds kRemoveLimit{60};

}  // namespace

std::vector<std::string> CommandInContainer(const std::string& command) {
  return {"/bin/sh", "-c",
          "if command -v bash >/dev/null 2>&1; then exec bash -c \"$0\"; fi; exec sh -c \"$0\"",
          command};
}

std::vector<std::string> PutIntoContainer(const environments::ContainerImage& image,
                                          const ContainerRun& run, const spec::RunLayout& layout,
                                          spec::LaunchRequest& request) {
  environments::ContainerOptions options;
  options.name = run.name;
  options.variables = request.environment;
  options.working_folder = layout.working_folder();
  options.gpus = run.gpus;
  // Of the launch folder only the report: the rest is the server's own, which it believes.
  options.mounts = {{layout.scratch_folder(), false}, {layout.report_file(), false}};
  for (const fs::path& folder : run.read_only) options.mounts.push_back({folder, true});

  // What finds the run's processes, and after a restart its share and its container, looks into the
  // environment of the process that was started: the tool.
  std::map<std::string, std::string> outside = run.tool_environment;
  // Building needs these, running does not, and they may hold passwords.
  std::erase_if(outside, [](const auto& variable) {
    return variable.first.starts_with("PIP_") || variable.first.starts_with("UV_");
  });
  for (const char* name : {"ROOST_LAUNCH_ID", "ROOST_RUN_ID", "CUDA_VISIBLE_DEVICES"}) {
    if (const auto found = request.environment.find(name); found != request.environment.end()) {
      outside[name] = found->second;
    }
  }
  const auto remove = environments::RemoveContainerCommand(image.tool, run.name);
  environments::ContainerCommand command =
      environments::RunInContainer(image, options, request.argv, outside);
  request.argv = std::move(command.argv);
  request.environment = std::move(command.environment);
  if (!remove.empty()) {
    request.environment[kNameVariable] = run.name;
    request.environment[kRemoveVariable] = remove.front();
  }
  return std::move(command.notes);
}

void RemoveContainer(const spec::RunLayout& layout, environments::CommandRunner& runner) {
  const auto text = ReadFile(layout.launch_folder() / spec::launch_files::kRequest);
  if (!text) return;
  const auto request = spec::ParseLaunchRequest(*text);
  if (!request) return;
  const auto name = request->environment.find(kNameVariable);
  const auto program = request->environment.find(kRemoveVariable);
  if (name == request->environment.end() || program == request->environment.end()) return;
  // docker and podman say it alike.
  const environments::ContainerTool tool{environments::ContainerKind::kDocker, program->second};
  // With --rm it is gone already, as a rule; then this fails and nothing is amiss.
  static_cast<void>(runner.Ask({.argv = environments::RemoveContainerCommand(tool, name->second),
                                .environment = request->environment},
                               kRemoveLimit));
}

}  // namespace roost::engine
