#include "environments/environment_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "environments/conda_search.h"
#include "environments/import_check.h"
#include "environments/relax.h"
#include "environments/tool_arguments.h"
#include "environments/torch_family.h"

namespace roost::environments {
namespace {

constexpr std::size_t kReasonLines = 8;
constexpr std::uint64_t kReadBack = 4 << 20;  // a source build writes much

// Of `names` those that the plan names itself.
std::set<std::string> Named(const InstallPlan& plan, const std::set<std::string>& names) {
  std::set<std::string> named;
  for (const std::string& line : plan.requirements) {
    const auto requirement = spec::ParseRequirement(line);
    if (requirement && names.count(requirement->name) != 0) named.insert(requirement->name);
  }
  return named;
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
  const std::uint64_t begin = log_.Size();
  ROOST_ASSIGN(InstallPlan plan, Plan(definition));
  Result<BuildReport> report = BuildPlan(plan);
  if (report || !cannot_be_had_ || cancel_.IsCanceled()) return report;
  if (plan.conda_packages.empty()) return BuildNearest(plan, report.error(), begin);
  auto without_conda = PlanInstall(definition, /*has_conda=*/false);
  if (!without_conda) return Fail(TellConda(plan, report.error()));
  log_.Line("Looking for its packages among pip's.");
  return BuildNearest(*without_conda, report.error(), begin);
}

// Nearest versions are looked for with pip alone, and pip does not have these packages.
Error EnvironmentBuilder::TellConda(const InstallPlan& plan, Error error) {
  const std::vector<std::string> missing =
      CondaPackagesNotThere(plan, *tools_.conda, settings_, runner_, cancel_);
  const std::string tool = tools_.conda->filename().string();
  error.message += missing.empty()
                       ? "; versions of conda's packages are not relaxed, since pip cannot supply "
                         "all of them: change them in the definition"
                       : fmt::format("; {} cannot have {}: change it in the definition", tool,
                                     Join(missing, ", "));
  return error;
}

Result<BuildReport> EnvironmentBuilder::BuildPlan(const InstallPlan& plan) {
  cannot_be_had_ = true;
  ROOST_TRY(MakeFolder(plan));
  ROOST_TRY(InstallPackages(plan));
  cannot_be_had_ = false;
  ROOST_ASSIGN(BuildReport report, CheckImports(plan));
  report.tool = tool_;
  report.notes = plan.notes;
  if (!spec::VersionSpec::Parse(">=3.8")->Matches(report.python_version)) {
    report.notes.push_back("Warning: Python " + report.python_version +
                           " is older than 3.8, which Roost's own package needs: what imports "
                           "azureml.core or roost fails.");
    log_.Line(report.notes.back());
  }
  return report;
}

Result<BuildReport> EnvironmentBuilder::BuildNearest(const InstallPlan& plan, Error error,
                                                     std::uint64_t log_begin) {
  std::set<std::string> broken;
  while (true) {
    const std::string output = LogSince(log_begin);
    // Others than those named are no pins: the definition says nothing of them.
    const std::set<std::string> failed = Named(plan, FailedSourceBuilds(output));
    if (!broken.empty() &&
        std::includes(broken.begin(), broken.end(), failed.begin(), failed.end())) {
      return Fail(error);
    }
    broken.insert(failed.begin(), failed.end());
    ROOST_TRY(RemoveTree(folder_));
    PinRelaxer relaxer(settings_, tools_, runner_, log_, step_, cancel_, folder_ / ".search");
    const Result<RelaxedPlan> found = relaxer.FindNearest(plan, broken);
    ROOST_TRY(RemoveTree(folder_));
    if (cancel_.IsCanceled()) return Fail(error);
    if (!found || !settings_.relax_pins) return TellNearest(found, error, output);
    if (found->changes.empty()) return Fail(error);  // it failed for another reason
    InstallPlan nearest = found->plan;
    for (const std::string& change : found->changes) {
      nearest.notes.push_back("Changed (relax pins): " + change);
      log_.Line(nearest.notes.back());
    }
    log_begin = log_.Size();
    Result<BuildReport> report = BuildPlan(nearest);
    if (report || !cannot_be_had_ || cancel_.IsCanceled()) return report;
    error = report.error();
    if (Named(plan, FailedSourceBuilds(LogSince(log_begin))).empty()) return report;
  }
}

// The log ends with why the definition as written failed, not with what the search tried.
Result<BuildReport> EnvironmentBuilder::TellNearest(const Result<RelaxedPlan>& found, Error error,
                                                    const std::string& output) {
  std::vector<std::string> lines = Split(Trim(WithoutStillAtWork(output)), '\n');
  if (lines.size() > kReasonLines) lines.erase(lines.begin(), lines.end() - kReasonLines);
  log_.Line("What failed:\n" + Join(lines, "\n"));
  if (!found) {
    log_.Line(found.error().message);
    if (settings_.relax_pins && found.error().code == ErrorCode::kNotFound) {
      error.message += ", and relax pins finds no versions that can be had";
    }
    return Fail(error);
  }
  if (found->changes.empty()) return Fail(error);
  const std::string changes = Join(found->changes, ", ");
  log_.Line("Could be had: " + changes);
  error.message += fmt::format(
      ". What could be had: {}. Change the definition, or let the server take the nearest versions "
      "by itself: roost serve --relax-pins",
      changes);
  return Fail(error);
}

std::string EnvironmentBuilder::LogSince(std::uint64_t begin) const {
  const std::uint64_t size = log_.Size();
  begin = std::max(begin, size > kReadBack ? size - kReadBack : 0);
  return ReadRange(log_.path(), begin, kReadBack).value_or("");
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
    ROOST_TRY(InstallRequirements(plan, requirements));
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

// A matching set of torch from one place is installed first; what follows keeps to it.
Result<std::vector<std::string>> EnvironmentBuilder::InstallTorchSet(const InstallPlan& plan) {
  const auto python = AskPython(Python(), settings_.variables, runner_);
  if (!python) return std::vector<std::string>();
  Resolver resolver(settings_, tools_, runner_, step_, folder_ / ".search");
  ROOST_ASSIGN(const std::optional<TorchSet> set,
               MatchTorchSet(plan, settings_, *python, resolver, log_, cancel_));
  ROOST_TRY(RemoveTree(folder_ / ".search"));
  if (!set) return std::vector<std::string>();
  const fs::path pins = Notes() / "torch.txt";
  ROOST_TRY(WriteFileAtomic(pins, Join(set->pins, "\n") + "\n"));
  std::vector<std::string> argv = PipCommand();
  Append(argv, {"--no-deps"});
  Append(argv, set->source);
  Append(argv, set->pins);
  ROOST_TRY(RunStep("installing torch's set", argv));
  return std::vector<std::string>{"-c", pins.string()};
}

std::vector<std::string> EnvironmentBuilder::PipCommand() const {
  if (!tools_.uv) return {Python().string(), "-m", "pip", "install"};
  // Copies (or reflinks): links into uv's cache would let one run change other environments. The
  // strategy is pip's: of all indexes the best version, not that of the first one with the name.
  return {tools_.uv->string(), "pip",  "install",          "--python",         Python().string(),
          "--link-mode",       "copy", "--index-strategy", "unsafe-best-match"};
}

Status EnvironmentBuilder::InstallRequirements(const InstallPlan& plan,
                                               const fs::path& requirements) {
  ROOST_ASSIGN(const std::vector<std::string> constraints, InstallTorchSet(plan));
  std::vector<std::string> argv = PipCommand();
  Append(argv, SourceArguments(settings_, plan.options, tools_.uv.has_value()));
  for (const spec::PipOption& option : plan.options) {
    if (tools_.uv && option.name == "--prefer-binary") {
      log_.Line("--prefer-binary has no meaning for uv.");
    }
  }
  Append(argv, constraints);
  Append(argv, {"-r", requirements.string()});
  return RunStep(std::string("installing packages with ") + (tools_.uv ? "uv" : "pip"), argv);
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
