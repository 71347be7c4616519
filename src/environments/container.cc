#include "environments/container.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/strings.h"
#include "base/subprocess.h"

namespace roost::environments {
namespace {

// What Azure ML gives where a definition says nothing; data loaders need more than the tools' 64
// MB.
constexpr std::string_view kDefaultShmSize = "2g";

constexpr std::array<std::string_view, 15> kMachines = {
    "PATH",           "HOME",          "USER",         "LOGNAME",        "SHELL",
    "TMPDIR",         "VIRTUAL_ENV",   "LANG",         "CONDA_PREFIX",   "LD_LIBRARY_PATH",
    "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME", "REQUESTS_CA_BUNDLE"};

struct KnownArgument {
  std::string_view name;
  bool has_value;
};
constexpr std::array<KnownArgument, 13> kArguments = {{{"--shm-size", true},
                                                       {"--ulimit", true},
                                                       {"--ipc", true},
                                                       {"--memory", true},
                                                       {"-m", true},
                                                       {"--cpus", true},
                                                       {"--cpuset-cpus", true},
                                                       {"--env", true},
                                                       {"-e", true},
                                                       {"--hostname", true},
                                                       {"-h", true},
                                                       {"--add-host", true},
                                                       {"--init", false}}};

// What a tool would take for itself from its own variables.
bool ConcernsTheTool(std::string_view name) {
  constexpr std::array<std::string_view, 6> kBeginnings = {"LD_",  "DOCKER_",  "CONTAINER",
                                                           "XDG_", "STORAGE_", "REGISTRY_"};
  return std::find(kMachines.begin(), kMachines.end(), name) != kMachines.end() ||
         std::any_of(kBeginnings.begin(), kBeginnings.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

void Append(std::vector<std::string>& argv, const std::vector<std::string>& more) {
  argv.insert(argv.end(), more.begin(), more.end());
}

// One field of a comma-separated option.
std::string Quoted(const std::string& field) {
  if (field.find_first_of(",\"") == std::string::npos) return field;
  std::string quoted = "\"";
  for (char c : field) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::vector<std::string> MountArguments(const ContainerOptions& options,
                                        std::string_view read_only) {
  std::vector<std::string> arguments;
  for (const ContainerMount& mount : options.mounts) {
    std::string value = "type=bind," + Quoted("src=" + mount.folder.string()) + "," +
                        Quoted("dst=" + mount.folder.string());
    if (mount.read_only) value.append(",").append(read_only);
    Append(arguments, {"--mount", value});
  }
  return arguments;
}

std::map<std::string, std::string> VariablesInside(
    const ContainerOptions& options, const std::map<std::string, std::string>& tool_environment) {
  std::map<std::string, std::string> inside;
  for (const auto& [name, value] : options.variables) {
    const auto outside = tool_environment.find(name);
    const bool is_machines = std::find(kMachines.begin(), kMachines.end(), name) != kMachines.end();
    const bool has_outside = outside != tool_environment.end() && !outside->second.empty();
    if (is_machines && has_outside && outside->second == value) continue;
    // The machine's folders with more before and behind them: the image's own PATH is the right
    // one.
    if (name == "PATH" && has_outside && value.find(outside->second) != std::string::npos) continue;
    inside[name] = value;
  }
  return inside;
}

// Inside, the devices that are passed on are numbered from zero.
void RenumberGpus(const std::vector<int>& gpus, std::map<std::string, std::string>& variables) {
  if (gpus.empty() || variables.count("CUDA_VISIBLE_DEVICES") == 0) return;
  std::vector<std::string> numbers;
  for (std::size_t i = 0; i < gpus.size(); ++i) numbers.push_back(std::to_string(i));
  variables["CUDA_VISIBLE_DEVICES"] = Join(numbers, ",");
}

std::vector<std::string> GpuArguments(ContainerKind kind, const std::vector<int>& gpus) {
  if (gpus.empty()) return {};
  std::vector<std::string> numbers;
  for (int gpu : gpus) numbers.push_back(std::to_string(gpu));
  // docker reads the value as comma-separated fields, hence the quotes.
  if (kind == ContainerKind::kDocker) return {"--gpus", "\"device=" + Join(numbers, ",") + "\""};
  std::vector<std::string> arguments;
  for (const std::string& number : numbers) {
    Append(arguments, {"--device", "nvidia.com/gpu=" + number});
  }
  return arguments;
}

// Files that the run writes into the mounted folders belong to the server's user.
std::vector<std::string> UserArguments(ContainerKind kind) {
  if (geteuid() == 0) return {};
  if (kind == ContainerKind::kPodman) return {"--userns", "keep-id"};
  return {"--user", fmt::format("{}:{}", geteuid(), getegid())};
}

ContainerCommand RunWithEngine(const ContainerImage& image, const ContainerOptions& options,
                               const std::vector<std::string>& argv,
                               const std::map<std::string, std::string>& tool_environment) {
  ContainerCommand command;
  command.environment = tool_environment;
  command.argv = {image.tool.program.string(),
                  "run",
                  "--rm",
                  "--init",
                  "--name",
                  options.name,
                  "--network",
                  "host",
                  "--workdir",
                  options.working_folder.string()};
  Append(command.argv, UserArguments(image.tool.kind));
  Append(command.argv, MountArguments(options, "readonly"));
  Append(command.argv, GpuArguments(image.tool.kind, options.gpus));
  Append(command.argv,
         {"--shm-size", image.shm_size.empty() ? std::string(kDefaultShmSize) : image.shm_size});
  std::map<std::string, std::string> inside = VariablesInside(options, tool_environment);
  RenumberGpus(options.gpus, inside);
  // A user that the image does not know has no home in it.
  if (geteuid() != 0) inside.emplace("HOME", "/tmp");
  for (const auto& [name, value] : inside) {
    const auto outside = tool_environment.find(name);
    const bool differs = outside != tool_environment.end() && outside->second != value;
    if (differs || ConcernsTheTool(name)) {
      Append(command.argv, {"--env", name + "=" + value});
    } else {
      command.environment[name] = value;
      Append(command.argv, {"--env", name});
    }
  }
  Append(command.argv, image.arguments);
  // An image's entry point would get our command as its arguments.
  Append(command.argv, {"--entrypoint", argv.empty() ? std::string() : argv.front(), image.image});
  if (!argv.empty()) command.argv.insert(command.argv.end(), argv.begin() + 1, argv.end());
  return command;
}

ContainerCommand RunWithApptainer(const ContainerImage& image, const ContainerOptions& options,
                                  const std::vector<std::string>& argv,
                                  const std::map<std::string, std::string>& tool_environment) {
  ContainerCommand command;
  command.environment = tool_environment;
  command.argv = {image.tool.program.string(),    "exec", "--cleanenv", "--no-home", "--pwd",
                  options.working_folder.string()};
  Append(command.argv, MountArguments(options, "ro"));
  if (!options.gpus.empty()) command.argv.push_back("--nv");
  const bool is_singularity = image.tool.program.filename() == "singularity";
  for (const auto& [name, value] : VariablesInside(options, tool_environment)) {
    command.environment[(is_singularity ? "SINGULARITYENV_" : "APPTAINERENV_") + name] = value;
  }
  if (!image.shm_size.empty()) {
    command.notes.push_back(
        "docker.shm_size is not needed: " + image.tool.program.filename().string() +
        " gives the machine's own shared memory.");
  }
  if (!image.arguments.empty()) {
    command.notes.push_back("Warning: docker.arguments (" + Join(image.arguments, " ") +
                            ") are arguments of podman and docker; " +
                            image.tool.program.filename().string() + " runs without them.");
  }
  command.argv.push_back(image.image);
  Append(command.argv, argv);
  return command;
}

bool NamesAnImage(const spec::DockerSection& docker) {
  return !docker.base_image.empty() || !docker.base_dockerfile.empty();
}

}  // namespace

std::optional<ContainerTool> FindContainerTool(
    const std::map<std::string, std::string>& variables) {
  const auto found = variables.find("PATH");
  const std::string path = found == variables.end() ? "/usr/bin:/bin" : found->second;
  constexpr std::array<std::pair<const char*, ContainerKind>, 4> kTools = {
      {{"podman", ContainerKind::kPodman},
       {"docker", ContainerKind::kDocker},
       {"apptainer", ContainerKind::kApptainer},
       {"singularity", ContainerKind::kApptainer}}};
  for (const auto& [name, kind] : kTools) {
    if (const auto program = FindProgram(name, path)) return ContainerTool{kind, *program};
  }
  return std::nullopt;
}

Error NoContainerTool(const spec::EnvironmentDefinition& definition) {
  const std::string what = definition.docker.base_image.empty()
                               ? "a Dockerfile"
                               : "the image " + definition.docker.base_image;
  return {ErrorCode::kInvalidArgument,
          "The environment is " + what +
              " without a Python section, and the server's machine has no podman, docker or "
              "apptainer in its PATH. Install one of them, or add conda or pip packages, or name "
              "an existing interpreter.",
          {{"environment.docker", "the server finds no podman, docker or apptainer"}}};
}

bool RunsInContainer(const spec::EnvironmentDefinition& definition, const BuildSettings& settings) {
  const spec::EnvironmentKind kind = definition.Kind();
  if (kind == spec::EnvironmentKind::kImage) return true;
  if (kind != spec::EnvironmentKind::kConda && kind != spec::EnvironmentKind::kPip) return false;
  return settings.containers && definition.docker.enabled && NamesAnImage(definition.docker) &&
         FindContainerTool(settings.variables).has_value();
}

std::string ContainerHint(const spec::EnvironmentDefinition& definition,
                          const BuildSettings& settings) {
  const spec::DockerSection& docker = definition.docker;
  if (!docker.enabled && !NamesAnImage(docker)) return "";
  if (RunsInContainer(definition, settings)) return "";
  const std::string named = !docker.base_image.empty()        ? "the image " + docker.base_image
                            : !docker.base_dockerfile.empty() ? std::string("a Dockerfile")
                                                              : std::string("a container");
  const spec::EnvironmentKind kind = definition.Kind();
  if (kind != spec::EnvironmentKind::kConda && kind != spec::EnvironmentKind::kPip) {
    return fmt::format(
        "The environment names {}, which is a hint: its runs have an existing interpreter, and no "
        "container.",
        named);
  }
  std::vector<std::string> reasons;
  if (!NamesAnImage(docker)) reasons.emplace_back("no image is named");
  if (!docker.enabled) reasons.emplace_back("docker.enabled is not set");
  if (!settings.containers) reasons.emplace_back("the server runs without --containers");
  if (!FindContainerTool(settings.variables)) {
    reasons.emplace_back("the server finds no podman, docker or apptainer");
  }
  return fmt::format(
      "The environment names {}, which is a hint: its packages are installed on the server's "
      "machine, without a container ({}).",
      named, Join(reasons, "; "));
}

Status CheckContainerArguments(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string name = arguments[i].substr(0, arguments[i].find('='));
    const auto known = std::find_if(kArguments.begin(), kArguments.end(),
                                    [&](const KnownArgument& one) { return one.name == name; });
    if (known == kArguments.end()) {
      std::vector<std::string> names;
      for (const KnownArgument& one : kArguments) names.emplace_back(one.name);
      return Invalid("environment.docker.arguments",
                     fmt::format("'{}' is not taken; taken are {}", ToValidUtf8(arguments[i]),
                                 Join(names, ", ")));
    }
    if (!known->has_value || name.size() < arguments[i].size()) continue;
    if (++i == arguments.size() || arguments[i].starts_with('-')) {
      return Invalid("environment.docker.arguments", name + " needs a value behind it");
    }
  }
  return {};
}

ContainerCommand RunInContainer(const ContainerImage& image, const ContainerOptions& options,
                                const std::vector<std::string>& argv,
                                const std::map<std::string, std::string>& tool_environment) {
  return image.tool.kind == ContainerKind::kApptainer
             ? RunWithApptainer(image, options, argv, tool_environment)
             : RunWithEngine(image, options, argv, tool_environment);
}

std::vector<std::string> RemoveContainerCommand(const ContainerTool& tool,
                                                const std::string& name) {
  if (tool.kind == ContainerKind::kApptainer) return {};
  return {tool.program.string(), "rm", "--force", name};
}

}  // namespace roost::environments
