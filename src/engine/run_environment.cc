#include "engine/run_environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/strings.h"
#include "base/subprocess.h"

namespace roost::engine {
namespace {

// Everything else of the server's environment stays with the server.
constexpr std::array kInherited = {"PATH",
                                   "HOME",
                                   "USER",
                                   "LOGNAME",
                                   "SHELL",
                                   "LANG",
                                   "TZ",
                                   "TMPDIR",
                                   "VIRTUAL_ENV",
                                   "LD_LIBRARY_PATH",
                                   "http_proxy",
                                   "https_proxy",
                                   "ftp_proxy",
                                   "all_proxy",
                                   "no_proxy",
                                   "HTTP_PROXY",
                                   "HTTPS_PROXY",
                                   "FTP_PROXY",
                                   "ALL_PROXY",
                                   "NO_PROXY",
                                   "CONDA_PREFIX",
                                   "SSL_CERT_FILE",
                                   "SSL_CERT_DIR",
                                   "REQUESTS_CA_BUNDLE",
                                   "CURL_CA_BUNDLE"};

bool IsInherited(const std::string& name) {
  return name.starts_with("LC_") ||
         std::find(kInherited.begin(), kInherited.end(), name) != kInherited.end();
}

bool IsNameStart(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsNameCharacter(char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); }

std::string JoinGpus(const std::vector<int>& gpus) {
  std::vector<std::string> parts;
  for (int gpu : gpus) parts.push_back(std::to_string(gpu));
  return Join(parts, ",");
}

// A command's `python` is the run's interpreter, as in an activated environment.
void PutInterpreterFirst(const fs::path& python, EnvironmentMap& environment) {
  if (python.empty()) return;
  std::string& path = environment["PATH"];
  path = path.empty() ? python.parent_path().string() : python.parent_path().string() + ":" + path;
}

// The server's own environment is not the run's: what activating the run's would set, and no other.
void PutActivation(const fs::path& folder, EnvironmentMap& environment) {
  if (folder.empty()) return;
  environment.erase("VIRTUAL_ENV");
  environment.erase("CONDA_PREFIX");
  std::error_code missing;
  const bool is_conda = fs::is_directory(folder / "conda-meta", missing);
  environment[is_conda ? "CONDA_PREFIX" : "VIRTUAL_ENV"] = folder.string();
  environment["AZUREML_CONDA_ENVIRONMENT_PATH"] = folder.string();
}

// The trainer's folder comes last: what the user has under its names stays the user's.
void PutTrainerLast(const fs::path& trainer, EnvironmentMap& environment) {
  if (trainer.empty()) return;
  std::string& path = environment["PATH"];
  const std::string folder = trainer.parent_path().string();
  if ((":" + path + ":").find(":" + folder + ":") != std::string::npos) return;
  path += path.empty() ? folder : ":" + folder;
}

// The labels that Azure ML has for a workspace.
struct WorkspaceNames {
  std::string subscription = "local";
  std::string group = "local";
  std::string name = "roost";

  std::string Scope() const {
    return "/subscriptions/" + subscription + "/resourceGroups/" + group +
           "/providers/Microsoft.MachineLearningServices/workspaces/" + name;
  }
};

WorkspaceNames WorkspaceOf(const store::Run& run) {
  const auto scope = run.properties.find(kWorkspaceProperty);
  if (scope == run.properties.end()) return {};
  const std::vector<std::string> parts = Split(scope->second, '/');
  if (parts.size() != 9) return {};
  WorkspaceNames names{parts[2], parts[4], parts[8]};
  return names.Scope() == scope->second ? names : WorkspaceNames{};
}

void AddAzureNames(const store::Run& run, const spec::RunLayout& layout,
                   const RunIdentity& identity, EnvironmentMap& to) {
  to["AZUREML_RUN_ID"] = run.id.value();
  to["AZUREML_EXPERIMENT_ID"] = std::to_string(run.experiment.value());
  to["AZUREML_ARM_PROJECT_NAME"] = run.experiment_name;
  const WorkspaceNames workspace = WorkspaceOf(run);
  to["AZUREML_ARM_WORKSPACE_NAME"] = workspace.name;
  to["AZUREML_ARM_SUBSCRIPTION"] = workspace.subscription;
  to["AZUREML_ARM_RESOURCEGROUP"] = workspace.group;
  to["AZUREML_EXPERIMENT_SCOPE"] = workspace.Scope() + "/experiments/" + run.experiment_name;
  to["AZUREML_CURRENT_CLOUD"] = "AzureCloud";
  to["AZUREML_WORKSPACE_ID"] = "roost";
  to["AZUREML_SERVICE_ENDPOINT"] = identity.server_url;
  to["AZUREML_RUN_TOKEN"] = identity.token;
  // The token ends with its run, not at a time: 2100, in seconds.
  to["AZUREML_RUN_TOKEN_EXPIRY"] = "4102444800";
  to["AZUREML_OUTPUT_DIRECTORY"] = layout.outputs_folder().string();
}

// MLflow's clients log into this run; a user who names another server keeps it.
void AddMlflowNames(const store::Run& run, const RunIdentity& identity, EnvironmentMap& to) {
  if (to.contains("MLFLOW_TRACKING_URI")) return;
  to["MLFLOW_TRACKING_URI"] = identity.server_url;
  to["MLFLOW_TRACKING_TOKEN"] = identity.token;
  to["MLFLOW_RUN_ID"] = run.id.value();
  to["MLFLOW_EXPERIMENT_NAME"] = run.experiment_name;
  to["MLFLOW_EXPERIMENT_ID"] = std::to_string(run.experiment.value());
}

}  // namespace

EnvironmentMap MakeRunEnvironment(const store::Run& run, const spec::RunDefinition& definition,
                                  const spec::RunLayout& layout, const RunIdentity& identity,
                                  const EnvironmentMap& server_environment) {
  EnvironmentMap environment;
  for (const auto& [name, value] : server_environment) {
    if (IsInherited(name)) environment[name] = value;
  }
  PutInterpreterFirst(identity.python, environment);
  PutTrainerLast(identity.trainer, environment);
  PutActivation(identity.environment_folder, environment);
  environment["PYTHONUNBUFFERED"] = "1";
  environment["OMP_NUM_THREADS"] =
      std::to_string(std::max<std::int64_t>(1, std::llround(definition.resources.cpus)));
  for (const auto& [name, value] : definition.environment.environment_variables) {
    environment[name] = value;
  }
  for (const auto& [name, value] : definition.environment_variables) environment[name] = value;

  std::vector<std::string> module_path = {layout.working_folder().string()};
  if (const auto own = environment.find("PYTHONPATH");
      own != environment.end() && !own->second.empty()) {
    module_path.push_back(own->second);
  }
  if (!identity.sdk_python_folder.empty()) {
    module_path.push_back(identity.sdk_python_folder.string());
  }
  environment["PYTHONPATH"] = Join(module_path, ":");
  if (identity.machine_has_gpus) environment["CUDA_VISIBLE_DEVICES"] = JoinGpus(identity.gpus);

  environment["ROOST_URL"] = identity.server_url;
  environment["ROOST_TOKEN"] = identity.token;
  environment["ROOST_RUN_ID"] = run.id.value();
  environment["ROOST_EXPERIMENT"] = run.experiment_name;
  environment["ROOST_ATTEMPT"] = std::to_string(identity.attempt);
  environment["ROOST_LAUNCH_ID"] = identity.launch_id;
  environment["ROOST_REPORT_FILE"] = layout.report_file().string();
  AddAzureNames(run, layout, identity, environment);
  AddMlflowNames(run, identity, environment);
  return environment;
}

std::string ExpandVariables(std::string_view text, const EnvironmentMap& environment) {
  std::string expanded;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t dollar = text.find('$', at);
    expanded += text.substr(at, dollar - at);
    if (dollar == std::string_view::npos) break;
    const bool braced = dollar + 1 < text.size() && text[dollar + 1] == '{';
    const std::size_t begin = dollar + (braced ? 2 : 1);
    std::size_t end = begin;
    if (end < text.size() && IsNameStart(text[end])) {
      while (end < text.size() && IsNameCharacter(text[end])) ++end;
    }
    const bool closed = !braced || (end < text.size() && text[end] == '}');
    const std::size_t next = closed && braced ? end + 1 : end;
    const auto value = environment.find(std::string(text.substr(begin, end - begin)));
    if (end > begin && closed && value != environment.end()) {
      expanded += value->second;
      at = next;
    } else {
      expanded += '$';
      at = dollar + 1;
    }
  }
  return expanded;
}

std::vector<std::string> MakeRunArguments(const spec::RunDefinition& definition,
                                          const fs::path& python,
                                          const EnvironmentMap& environment) {
  if (definition.script.empty()) {
    const auto path = environment.find("PATH");
    const auto bash = FindProgram(
        "bash", path == environment.end() ? std::string("/usr/bin:/bin") : path->second);
    return {bash ? bash->string() : "/bin/sh", "-c", definition.command};
  }
  std::vector<std::string> arguments = {python.string(), definition.script};
  for (const std::string& argument : definition.arguments) {
    arguments.push_back(ExpandVariables(argument, environment));
  }
  return arguments;
}

}  // namespace roost::engine
