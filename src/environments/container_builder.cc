#include "environments/container_builder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "environments/import_check.h"

namespace roost::environments {
namespace {

constexpr std::chrono::seconds kAskLimit{120};  // a first start unpacks layers
constexpr std::string_view kOwnImage = "roost-environment:";
constexpr const char* kFileName = "container.json";
constexpr const char* kFindPython = "command -v python || command -v python3 || true";

std::string_view NameOf(ContainerKind kind) {
  switch (kind) {
    case ContainerKind::kPodman:
      return "podman";
    case ContainerKind::kDocker:
      return "docker";
    case ContainerKind::kApptainer:
      return "apptainer";
  }
  return "";
}

std::optional<ContainerKind> KindOf(std::string_view name) {
  for (ContainerKind kind :
       {ContainerKind::kPodman, ContainerKind::kDocker, ContainerKind::kApptainer}) {
    if (NameOf(kind) == name) return kind;
  }
  return std::nullopt;
}

// Options are lines of the file, so that an address with a password is in no layer and no history.
std::string RequirementsFile(const InstallPlan& plan, const BuildSettings& settings) {
  std::string lines;
  const bool own_index = std::any_of(plan.options.begin(), plan.options.end(),
                                     [](const auto& one) { return one.name == "--index-url"; });
  if (!settings.index_url.empty() && !own_index)
    lines += "--index-url " + settings.index_url + "\n";
  for (const std::string& url : settings.extra_index_urls) {
    lines += "--extra-index-url " + url + "\n";
  }
  for (const std::string& place : settings.find_links) {
    if (place.find("://") != std::string::npos) lines += "--find-links " + place + "\n";
  }
  if (settings.no_index) lines += "--no-index\n";
  if (!settings.constraints.empty()) lines += "-c constraints.txt\n";
  for (const spec::PipOption& option : plan.options) lines += option.ToText() + "\n";
  for (const std::string& requirement : plan.requirements) lines += requirement + "\n";
  return lines;
}

// apptainer takes files and addresses; a bare name is one of docker's.
std::string ApptainerSource(const std::string& image) {
  const bool is_address = image.find("://") != std::string::npos || image.starts_with('/');
  return is_address ? image : "docker://" + image;
}

}  // namespace

std::string MakeDockerfile(const spec::EnvironmentDefinition& definition, const InstallPlan& plan) {
  const bool has_dockerfile = !definition.docker.base_dockerfile.empty();
  if (!has_dockerfile && plan.requirements.empty()) return "";
  std::string text = has_dockerfile ? definition.docker.base_dockerfile
                                    : "FROM " + definition.docker.base_image + "\n";
  if (!text.ends_with('\n')) text += "\n";
  if (!plan.requirements.empty()) {
    text +=
        "RUN --mount=type=bind,target=/roost-build cd /roost-build && "
        "\"$(command -v python || command -v python3)\" -m pip install --no-cache-dir "
        "-r requirements.txt\n";
  }
  return text;
}

ContainerBuilder::ContainerBuilder(const BuildSettings& settings, CommandRunner& runner,
                                   BuildLog& log, const Cancellation& cancel, int stdin_fd)
    : settings_(settings),
      runner_(runner),
      log_(log),
      step_(settings.variables, runner, log, cancel, stdin_fd) {}

Result<BuildReport> ContainerBuilder::Build(const spec::EnvironmentDefinition& definition,
                                            const fs::path& folder) {
  folder_ = folder;
  const auto tool = FindContainerTool(settings_.variables);
  if (!tool) return Fail(NoContainerTool(definition));
  ROOST_TRY(CheckContainerArguments(definition.docker.arguments));
  image_ = ContainerImage{.tool = *tool,
                          .image = definition.docker.base_image,
                          .python = {},
                          .shm_size = definition.docker.shm_size,
                          .arguments = definition.docker.arguments};
  ROOST_ASSIGN(plan_, Plan(definition));
  ROOST_TRY(MakeFolders(Notes()));
  ROOST_TRY(BringImage(definition));
  ROOST_ASSIGN(image_.python, FindPython());
  ROOST_ASSIGN(BuildReport report, CheckImports(definition));
  report.tool = NameOf(image_.tool.kind);
  report.notes = plan_.notes;
  const nlohmann::json kept = {{"tool", NameOf(image_.tool.kind)},
                               {"program", image_.tool.program.string()},
                               {"image", image_.image},
                               {"python", image_.python},
                               {"shm_size", image_.shm_size},
                               {"arguments", image_.arguments}};
  ROOST_TRY(WriteFileAtomic(folder_ / kFileName, kept.dump() + "\n"));
  return report;
}

Result<InstallPlan> ContainerBuilder::Plan(const spec::EnvironmentDefinition& definition) {
  InstallPlan plan;
  if (definition.conda || definition.pip) {
    // Whether the image has conda is not known, and pip is what every image with Python has.
    ROOST_ASSIGN(plan, PlanInstall(definition, /*has_conda=*/false));
  }
  for (const std::string& place : settings_.find_links) {
    if (plan.requirements.empty() || place.find("://") != std::string::npos) continue;
    plan.notes.push_back("Warning: the server's folder of wheels " + place +
                         " is not visible where images are built; it is left out.");
  }
  for (const std::string& note : plan.notes) log_.Line(note);
  return plan;
}

Status ContainerBuilder::BringImage(const spec::EnvironmentDefinition& definition) {
  if (const std::string dockerfile = MakeDockerfile(definition, plan_); !dockerfile.empty()) {
    return BuildImage(dockerfile);
  }
  const std::string program = image_.tool.program.string();
  if (image_.tool.kind == ContainerKind::kApptainer) {
    const std::string file = (folder_ / "image.sif").string();
    const std::string source = ApptainerSource(image_.image);
    image_.image = file;
    return step_.Run("fetching the image", {program, "pull", file, source}, folder_.parent_path());
  }
  if (IsImageThere(image_, settings_, runner_)) {
    log_.Line("The image " + image_.image + " is on this machine.");
    return {};
  }
  return step_.Run("fetching the image " + image_.image, {program, "pull", image_.image},
                   folder_.parent_path());
}

Status ContainerBuilder::BuildImage(const std::string& dockerfile) {
  if (image_.tool.kind == ContainerKind::kApptainer) {
    return Fail(ErrorCode::kInvalidArgument,
                "a Dockerfile, or packages on top of an image, need podman or docker; this machine "
                "has " +
                    image_.tool.program.filename().string() +
                    " alone, which runs images as they are");
  }
  const fs::path context = Notes() / "image";
  ROOST_TRY(MakeFolders(context));
  ROOST_TRY(WriteFileAtomic(context / "Dockerfile", dockerfile));
  ROOST_TRY(WriteFileAtomic(context / "requirements.txt", RequirementsFile(plan_, settings_)));
  if (!settings_.constraints.empty()) {
    ROOST_TRY(CopyFile(settings_.constraints, context / "constraints.txt"));
  }
  image_.image = std::string(kOwnImage) + folder_.filename().string();
  std::vector<std::string> argv = {image_.tool.program.string(),
                                   "build",
                                   "--network",
                                   "host",
                                   "--tag",
                                   image_.image,
                                   "--file",
                                   (context / "Dockerfile").string()};
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy"}) {
    if (settings_.variables.count(name) == 0) continue;
    argv.insert(argv.end(), {"--build-arg", name});
  }
  argv.push_back(context.string());
  std::map<std::string, std::string> variables = settings_.variables;
  variables["DOCKER_BUILDKIT"] = "1";  // older clients read RUN --mount with it alone
  return step_.Run("building the image", argv, folder_.parent_path(), variables);
}

// Empty when the image has none: then its runs can be commands only.
Result<std::string> ContainerBuilder::FindPython() {
  const ContainerCommand run = RunInContainer(image_,
                                              {.name = "roost-check-" + folder_.filename().string(),
                                               .mounts = {},
                                               .variables = {},
                                               .working_folder = "/",
                                               .gpus = {}},
                                              {"/bin/sh", "-c", kFindPython}, settings_.variables);
  log_.Line(ShownCommand(run.argv));
  ROOST_ASSIGN(const CapturedRun answer,
               runner_.Ask({.argv = run.argv, .environment = run.environment}, kAskLimit));
  if (answer.status.code != 0) {
    log_.Line(Trim(answer.errors));
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a program in the image {} ended with exit code {}", image_.image,
                            answer.status.code));
  }
  for (const std::string& line : Split(answer.output, '\n')) {
    if (line.starts_with('/')) return std::string(Trim(line));
  }
  log_.Line("The image has no Python; its runs can be commands.");
  return std::string();
}

Result<BuildReport> ContainerBuilder::CheckImports(const spec::EnvironmentDefinition& definition) {
  BuildReport report;
  if (image_.python.empty()) {
    if (plan_.requirements.empty()) return report;
    return Fail(ErrorCode::kInvalidArgument, "the image has no Python to install packages for");
  }
  const fs::path asked = Notes() / "imports.json";
  const fs::path answered = Notes() / "packages.json";
  ROOST_TRY(WriteFileAtomic(asked, ImportCheckQuestion(plan_.imports, plan_.imports_if_there)));
  const ContainerCommand run =
      RunInContainer(image_,
                     {.name = "roost-check-" + folder_.filename().string(),
                      .mounts = {{.folder = Notes(), .read_only = false}},
                      .variables = {},
                      .working_folder = "/",
                      .gpus = {}},
                     {image_.python, "-I", "-c", std::string(kImportCheckScript), asked.string(),
                      answered.string()},
                     settings_.variables);
  const Status imported =
      step_.Run("importing the packages", run.argv, folder_.parent_path(), run.environment);
  if (!imported && definition.Kind() != spec::EnvironmentKind::kImage)
    return Fail(imported.error());
  Result<std::string> text = ReadFile(answered);
  if (!imported || !text) {
    // The image is what was asked for; an old Python in it is no failure.
    log_.Line("What the image's Python has installed is not known.");
    return report;
  }
  ROOST_ASSIGN(ImportCheckAnswer answer, ReadImportCheckAnswer(*text));
  report.python_version = std::move(answer.python_version);
  report.packages = std::move(answer.packages);
  if (plan_.python.Matches(report.python_version)) return report;
  const std::string differs = fmt::format("{} is wanted, and the image has Python {}",
                                          plan_.python_asked, report.python_version);
  if (!settings_.relax_pins) {
    return Fail(ErrorCode::kInvalidArgument,
                differs +
                    ". Ask for that one, choose another image, or start the server with "
                    "--relax-pins");
  }
  plan_.notes.push_back("Changed (relax pins): " + differs + ", which is taken.");
  log_.Line(plan_.notes.back());
  return report;
}

Result<ContainerImage> ReadContainerImage(const fs::path& folder) {
  ROOST_ASSIGN(const std::string text, ReadFile(folder / kFileName));
  const auto kept = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto text_of = [&](const char* name) {
    return kept.is_object() && kept.contains(name) && kept[name].is_string()
               ? kept[name].get<std::string>()
               : std::string();
  };
  const auto kind = KindOf(text_of("tool"));
  if (!kind || text_of("image").empty() || access(text_of("program").c_str(), X_OK) != 0) {
    return Fail(ErrorCode::kNotFound, folder.string() + " must be built anew.");
  }
  ContainerImage image{.tool = {*kind, text_of("program")},
                       .image = text_of("image"),
                       .python = text_of("python"),
                       .shm_size = text_of("shm_size"),
                       .arguments = {}};
  if (kept.contains("arguments") && kept["arguments"].is_array()) {
    for (const auto& one : kept["arguments"]) {
      if (one.is_string()) image.arguments.push_back(one.get<std::string>());
    }
  }
  return image;
}

bool IsImageThere(const ContainerImage& image, const BuildSettings& settings,
                  CommandRunner& runner) {
  std::error_code error;
  if (image.tool.kind == ContainerKind::kApptainer) return fs::exists(image.image, error);
  const auto asked =
      runner.Ask({.argv = {image.tool.program.string(), "image", "inspect", image.image},
                  .environment = settings.variables},
                 kAskLimit);
  return asked && asked->status.code == 0;
}

void RemoveOwnImage(const ContainerImage& image, const BuildSettings& settings,
                    CommandRunner& runner) {
  if (!image.image.starts_with(kOwnImage)) return;
  static_cast<void>(runner.Ask({.argv = {image.tool.program.string(), "rmi", image.image},
                                .environment = settings.variables},
                               kAskLimit));
}

}  // namespace roost::environments
