#include "environments/python_finder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace roost::environments {
namespace {

constexpr std::chrono::seconds kPythonLimit{20};
constexpr std::chrono::seconds kCondaLimit{120};  // conda on a busy disk takes its time
constexpr int kNewestMinor = 20;
constexpr int kOldestMinor = 6;

std::string SearchPath(const std::map<std::string, std::string>& variables) {
  const auto path = variables.find("PATH");
  return path == variables.end() ? "/usr/bin:/bin" : path->second;
}

bool IsProgram(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
}

// The folders that `env list --json` of conda, mamba and micromamba tells.
Result<std::vector<fs::path>> AskCondaEnvironments(
    const fs::path& conda, const std::map<std::string, std::string>& variables,
    CommandRunner& runner) {
  const Command command{.argv = {conda.string(), "env", "list", "--json"},
                        .environment = variables};
  ROOST_ASSIGN(const CapturedRun run, runner.Ask(command, kCondaLimit));
  const auto answer = nlohmann::json::parse(run.output, nullptr, /*allow_exceptions=*/false);
  if (run.status.code != 0 || !answer.is_object() || !answer.contains("envs") ||
      !answer["envs"].is_array()) {
    return Fail(ErrorCode::kUnavailable,
                fmt::format("{} does not tell its environments: {}", conda.string(),
                            Trim(run.errors.empty() ? run.output : run.errors)));
  }
  std::vector<fs::path> folders;
  for (const auto& folder : answer["envs"]) {
    if (folder.is_string()) folders.emplace_back(folder.get<std::string>());
  }
  return folders;
}

// "base" is the installation itself.
bool HasName(const fs::path& folder, const std::string& name) {
  std::error_code error;
  const bool is_base = fs::is_directory(folder / "condabin", error);
  return name == "base" ? is_base : !is_base && folder.filename() == name;
}

}  // namespace

Tools FindTools(const std::map<std::string, std::string>& variables) {
  const std::string path = SearchPath(variables);
  Tools tools;
  tools.uv = FindProgram("uv", path);
  for (const char* name : {"mamba", "conda", "micromamba"}) {
    if (!tools.conda) tools.conda = FindProgram(name, path);
  }
  return tools;
}

Result<FoundPython> AskPython(const fs::path& python,
                              const std::map<std::string, std::string>& variables,
                              CommandRunner& runner) {
  const Command command{
      .argv = {python.string(), "-I", "-c",
               "import sys; sys.stdout.write('%d.%d.%d' % tuple(sys.version_info[:3]))"},
      .environment = variables};
  ROOST_ASSIGN(const CapturedRun run, runner.Ask(command, kPythonLimit));
  if (run.status.code != 0 || run.output.empty() || run.output.size() > 20) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} does not run as a Python interpreter: {}", python.string(),
                            Trim(run.errors)));
  }
  return FoundPython{python, run.output};
}

std::vector<FoundPython> FindPythons(const std::string& preferred,
                                     const std::map<std::string, std::string>& variables,
                                     CommandRunner& runner) {
  const std::string path = SearchPath(variables);
  std::vector<fs::path> candidates;
  if (!preferred.empty()) candidates.emplace_back(preferred);
  for (int minor = kNewestMinor; minor >= kOldestMinor; --minor) {
    if (auto found = FindProgram(fmt::format("python3.{}", minor), path)) {
      candidates.push_back(*found);
    }
  }
  if (auto found = FindProgram("python3", path)) candidates.push_back(*found);

  std::vector<FoundPython> pythons;
  for (const fs::path& candidate : candidates) {
    Result<FoundPython> python = AskPython(candidate, variables, runner);
    if (!python) continue;  // e.g. a version manager's stand-in for one that is not installed
    const bool known = std::any_of(pythons.begin(), pythons.end(), [&](const FoundPython& one) {
      return one.version == python->version;
    });
    if (!known) pythons.push_back(std::move(*python));
  }
  return pythons;
}

Result<fs::path> FindCondaEnvironment(const std::string& name_or_folder,
                                      const std::map<std::string, std::string>& variables,
                                      CommandRunner& runner) {
  constexpr std::string_view kField = "environment.python.conda_environment";
  if (name_or_folder.starts_with('/')) {
    const fs::path python = fs::path(name_or_folder) / "bin" / "python";
    if (IsProgram(python)) return python;
    return Invalid(std::string(kField),
                   fmt::format("there is no interpreter {}; is {} a conda environment's folder on "
                               "the server's machine?",
                               python.string(), name_or_folder));
  }
  const Tools tools = FindTools(variables);
  if (!tools.conda) {
    return Invalid(std::string(kField),
                   fmt::format("the conda environment '{}' cannot be looked up: there is no conda, "
                               "mamba or micromamba in the server's PATH; install one, or give the "
                               "absolute path of the environment's folder",
                               name_or_folder));
  }
  ROOST_ASSIGN(const std::vector<fs::path> folders,
               AskCondaEnvironments(*tools.conda, variables, runner));
  std::vector<std::string> names;
  for (const fs::path& folder : folders) {
    if (HasName(folder, name_or_folder)) return FindCondaEnvironment(folder, variables, runner);
    names.push_back(folder.string());
  }
  return Invalid(std::string(kField),
                 fmt::format("{} knows no environment '{}'; it has {}", tools.conda->string(),
                             name_or_folder, names.empty() ? "none" : Join(names, ", ")));
}

}  // namespace roost::environments
