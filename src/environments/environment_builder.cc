#include "environments/environment_builder.h"

#include <fmt/format.h>

#include <chrono>

#include "base/strings.h"
#include "environments/import_check.h"

namespace roost::environments {
namespace {

void Append(std::vector<std::string>& argv, const std::vector<std::string>& more) {
  argv.insert(argv.end(), more.begin(), more.end());
}

// The operator's settings first, then the definition's, of which the last of a kind wins.
std::vector<std::string> IndexArguments(const BuildSettings& settings) {
  std::vector<std::string> arguments;
  if (!settings.index_url.empty()) Append(arguments, {"--index-url", settings.index_url});
  for (const std::string& url : settings.extra_index_urls) {
    Append(arguments, {"--extra-index-url", url});
  }
  for (const std::string& place : settings.find_links) Append(arguments, {"--find-links", place});
  if (settings.no_index) arguments.push_back("--no-index");
  if (!settings.constraints.empty()) {
    Append(arguments, {"-c", settings.constraints.string()});
  }
  return arguments;
}

bool NamesAnIndex(const InstallPlan& plan) {
  return std::any_of(plan.options.begin(), plan.options.end(),
                     [](const spec::PipOption& option) { return option.name == "--index-url"; });
}

std::vector<std::string> PipArguments(const spec::PipOption& option) {
  if (option.value.empty()) return {option.name};
  return {option.name, option.value};
}

// uv has other names for some, and takes an option that may come once not twice.
std::vector<std::string> UvArguments(const spec::PipOption& option) {
  if (option.name == "--pre") return {"--prerelease", "allow"};
  if (option.name == "--trusted-host") return {"--allow-insecure-host", option.value};
  if (option.name == "--prefer-binary") return {};
  return PipArguments(option);
}

std::string PythonsText(const std::vector<FoundPython>& pythons) {
  std::vector<std::string> texts;
  for (const FoundPython& python : pythons) {
    texts.push_back(python.version + " (" + python.path.string() + ")");
  }
  return texts.empty() ? "none" : Join(texts, ", ");
}

}  // namespace

EnvironmentBuilder::EnvironmentBuilder(const BuildSettings& settings, CommandRunner& runner,
                                       BuildLog& log, const Cancellation& cancel, int stdin_fd)
    : settings_(settings),
      runner_(runner),
      log_(log),
      cancel_(cancel),
      step_(settings.variables, runner, log, cancel, stdin_fd) {}

Result<BuildReport> EnvironmentBuilder::Build(const spec::EnvironmentDefinition& definition,
                                              const fs::path& folder) {
  folder_ = folder;
  tools_ = FindTools(settings_.variables);
  ROOST_ASSIGN(const InstallPlan plan, Plan(definition));
  ROOST_TRY(MakeFolder(plan));
  ROOST_TRY(InstallPackages(plan));
  ROOST_ASSIGN(BuildReport report, CheckImports(plan));
  report.tool = tool_;
  report.notes = plan.notes;
  return report;
}

Result<InstallPlan> EnvironmentBuilder::Plan(const spec::EnvironmentDefinition& definition) {
  ROOST_ASSIGN(InstallPlan plan, PlanInstall(definition, tools_.conda.has_value()));
  for (const std::string& note : plan.notes) log_.Line(note);
  return plan;
}

Status EnvironmentBuilder::MakeFolder(const InstallPlan& plan) {
  if (!plan.conda_packages.empty()) return MakeWithConda(plan.conda_packages, plan);
  const std::vector<FoundPython> pythons =
      FindPythons(settings_.python, settings_.variables, runner_);
  for (const FoundPython& python : pythons) {
    if (plan.python.Matches(python.version)) return MakeVenv(python);
  }
  const std::string wanted = plan.python_asked.empty() ? "Python" : plan.python_asked;
  log_.Line(fmt::format("{} is not among this machine's interpreters: {}.", wanted,
                        PythonsText(pythons)));
  // Both can fetch interpreters.
  if (tools_.uv) {
    tool_ = "uv";
    std::vector<std::string> argv = {tools_.uv->string(), "venv"};
    if (!plan.python.empty()) Append(argv, {"--python", plan.python.ToText()});
    argv.push_back(folder_.string());
    const Status made = RunStep("making a virtual environment with " + wanted, argv);
    if (made || !tools_.conda || cancel_.IsCanceled()) return made;
    log_.Line("uv cannot supply it; trying conda.");
    ROOST_TRY(RemoveTree(folder_));
  }
  if (tools_.conda) {
    return MakeWithConda({plan.python_asked.empty() ? "python" : plan.python_asked, "pip"}, plan);
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is wanted, and this machine has {}. Ask for one of these, or install "
                          "that Python, uv or micromamba on the server's machine.",
                          wanted, PythonsText(pythons)));
}

Status EnvironmentBuilder::MakeWithConda(const std::vector<std::string>& packages,
                                         const InstallPlan& plan) {
  tool_ = tools_.conda->filename().string();
  std::vector<std::string> argv = {tools_.conda->string(), "create", "--yes", "--prefix",
                                   folder_.string()};
  if (plan.only_these_channels) argv.push_back("--override-channels");
  for (const std::string& channel : plan.channels) Append(argv, {"--channel", channel});
  Append(argv, packages);
  return RunStep("installing packages with " + tool_, argv);
}

Status EnvironmentBuilder::MakeVenv(const FoundPython& python) {
  log_.Line(fmt::format("Python {} ({})", python.version, python.path.string()));
  if (tools_.uv) {
    tool_ = "uv";
    return RunStep("making a virtual environment", {tools_.uv->string(), "venv", "--python",
                                                    python.path.string(), folder_.string()});
  }
  tool_ = "pip";
  return RunStep("making a virtual environment",
                 {python.path.string(), "-m", "venv", folder_.string()});
}

Status EnvironmentBuilder::InstallPackages(const InstallPlan& plan) {
  ROOST_TRY(MakeFolders(Notes()));
  const fs::path requirements = Notes() / "requirements.txt";
  ROOST_TRY(WriteFileAtomic(requirements, Join(plan.requirements, "\n") + "\n"));
  if (!plan.requirements.empty()) {
    ROOST_TRY(tools_.uv ? InstallWithUv(plan, requirements) : InstallWithPip(plan, requirements));
  }
  std::error_code error;
  if (tool_ != "uv" || fs::exists(folder_ / "bin" / "pip", error)) return {};
  // Scripts call `python -m pip`, which uv does not bring; an index without it is no failure.
  std::vector<std::string> argv = {tools_.uv->string(), "pip", "install", "--python",
                                   Python().string(),   "pip"};
  Append(argv, IndexArguments(settings_));
  const Status pip = RunStep("installing pip", argv);
  if (pip || cancel_.IsCanceled()) return pip;
  log_.Line("pip itself is not in this environment; that is no failure.");
  return {};
}

Status EnvironmentBuilder::InstallWithUv(const InstallPlan& plan, const fs::path& requirements) {
  // Copies (or reflinks): links into uv's cache would let one run change other environments. The
  // strategy is pip's: of all indexes the best version, not that of the first one with the name.
  std::vector<std::string> argv = {
      tools_.uv->string(), "pip",  "install",          "--python",         Python().string(),
      "--link-mode",       "copy", "--index-strategy", "unsafe-best-match"};
  BuildSettings settings = settings_;
  if (NamesAnIndex(plan)) settings.index_url.clear();
  Append(argv, IndexArguments(settings));
  for (const spec::PipOption& option : plan.options) {
    if (option.name == "--prefer-binary") log_.Line("--prefer-binary has no meaning for uv.");
    Append(argv, UvArguments(option));
  }
  Append(argv, {"-r", requirements.string()});
  return RunStep("installing packages with uv", argv);
}

Status EnvironmentBuilder::InstallWithPip(const InstallPlan& plan, const fs::path& requirements) {
  std::vector<std::string> argv = {Python().string(), "-m", "pip", "install"};
  BuildSettings settings = settings_;
  if (NamesAnIndex(plan)) settings.index_url.clear();
  Append(argv, IndexArguments(settings));
  for (const spec::PipOption& option : plan.options) Append(argv, PipArguments(option));
  Append(argv, {"-r", requirements.string()});
  return RunStep("installing packages with pip", argv);
}

Result<BuildReport> EnvironmentBuilder::CheckImports(const InstallPlan& plan) {
  const fs::path asked = Notes() / "imports.json";
  const fs::path answered = Notes() / "packages.json";
  ROOST_TRY(WriteFileAtomic(asked, ImportCheckQuestion(plan.imports, plan.imports_if_there)));
  ROOST_TRY(RunStep("importing the packages",
                    {Python().string(), "-I", "-c", std::string(kImportCheckScript), asked.string(),
                     answered.string()}));
  ROOST_ASSIGN(const std::string text, ReadFile(answered));
  ROOST_ASSIGN(ImportCheckAnswer answer, ReadImportCheckAnswer(text));
  BuildReport report;
  report.python_version = std::move(answer.python_version);
  report.packages = std::move(answer.packages);
  return report;
}

Status EnvironmentBuilder::RunStep(const std::string& doing, std::vector<std::string> argv) {
  return step_.Run(doing, std::move(argv), folder_.parent_path());
}

}  // namespace roost::environments
