#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/subprocess.h"
#include "cli/command.h"
#include "cli/data_words.h"
#include "cli/environment_file.h"
#include "cli/format.h"
#include "cli/python_choice.h"
#include "cli/submit_words.h"
#include "cli/terminal.h"
#include "cli/watch.h"
#include "roost/folder_snapshot.h"
#include "roost/git_info.h"
#include "roost/upload.h"

namespace roost::cli {
namespace {

using nlohmann::json;

struct SubmitOptions {
  SubmitWords words;
  bool no_folder = false;
  std::string experiment = "Default";
  std::string name, description, target = "local";
  std::string python, environment, conda_file, requirements_file;
  std::vector<std::string> tags, variables, properties;
  std::vector<std::string> inputs, outputs;
  double cpus = 1;
  int gpus = 0;
  std::string memory, time_limit;
  std::uint64_t max_snapshot_mb = spec::SnapshotLimits{}.max_bytes >> 20;
  std::uint64_t max_snapshot_files = spec::SnapshotLimits{}.max_files;
  std::string idempotency_key;
  bool watch = false;
  bool as_json = false;
};

Result<json> ReadTags(const std::vector<std::string>& texts) {
  json tags = json::object();
  for (const std::string& text : texts) {
    ROOST_ASSIGN(const KeyValue tag, ParseKeyValue(text, "--tag", true));
    tags[tag.key] = tag.value ? json(*tag.value) : json();
  }
  return tags;
}

Result<json> ReadMap(const std::vector<std::string>& texts, std::string_view option) {
  json map = json::object();
  for (const std::string& text : texts) {
    ROOST_ASSIGN(const KeyValue pair, ParseKeyValue(text, option, false));
    map[pair.key] = *pair.value;
  }
  return map;
}

Status SetEnvironment(const SubmitOptions& options, bool local_server, json& body) {
  if (!options.environment.empty()) {
    body["environment"] = EnvironmentReference(options.environment);
  } else if (!options.conda_file.empty()) {
    ROOST_ASSIGN(body["environment"], ReadCondaFile(options.conda_file));
  } else if (!options.requirements_file.empty()) {
    ROOST_ASSIGN(body["environment"], ReadRequirementsFile(options.requirements_file, ""));
  } else if (local_server) {
    // This machine's interpreter means something to a server on this machine only.
    ROOST_ASSIGN(const std::string python, ChoosePython(options.python, CurrentEnvironment()));
    if (!python.empty()) body["environment"] = {{"python", python}};
  } else if (!options.python.empty()) {
    body["environment"] = {{"python", options.python}};
  }
  return {};
}

// Everything of the definition that needs neither the server nor a look at the folder's files.
Result<json> MakeDefinition(const SubmitOptions& options, const Work& work, bool local_server) {
  json body{{"experiment", options.experiment}, {"compute_target", options.target}};
  if (work.script.empty()) {
    body["command"] = options.words.command;
  } else {
    body["script"] = work.script;
    body["arguments"] = work.arguments;
  }
  if (!options.name.empty()) body["display_name"] = options.name;
  if (!options.description.empty()) body["description"] = options.description;
  ROOST_ASSIGN(body["tags"], ReadTags(options.tags));
  ROOST_ASSIGN(body["environment_variables"], ReadMap(options.variables, "--env"));
  ROOST_ASSIGN(body["properties"], ReadMap(options.properties, "--property"));

  json resources{{"cpus", options.cpus}, {"gpus", options.gpus}};
  if (!options.memory.empty()) {
    ROOST_ASSIGN(resources["memory_mb"], ParseMemory(options.memory));
  }
  body["resources"] = resources;
  if (!options.time_limit.empty()) {
    ROOST_ASSIGN(body["time_limit_seconds"], ParseDuration(options.time_limit));
  }
  ROOST_ASSIGN(json outputs, ReadOutputs(options.outputs));
  if (!outputs.empty()) body["outputs"] = std::move(outputs);
  ROOST_TRY(SetEnvironment(options, local_server, body));
  return body;
}

Status AttachFolder(client::Client& client, const SubmitOptions& options, const Work& work,
                    json& body) {
  const spec::SnapshotLimits limits{options.max_snapshot_mb << 20, options.max_snapshot_files};
  ROOST_ASSIGN(const auto snapshot, client::ReadFolder(work.folder, limits));
  for (const auto& [key, value] :
       client::ReadGitProperties(snapshot.folder, CurrentEnvironment())) {
    if (!body["properties"].contains(key)) body["properties"][key] = value;
  }
  ProgressBar bar("sending " + snapshot.folder.filename().string());
  ROOST_ASSIGN(const auto sent,
               client::SendSnapshot(client, snapshot, [&](std::uint64_t done, std::uint64_t total) {
                 bar.Update(done, total);
               }));
  body["snapshot"] = sent.id;
  return {};
}

bool IsLocal(const std::string& url) {
  return url.find("://127.") != std::string::npos ||
         url.find("://localhost") != std::string::npos || url.find("://[::1]") != std::string::npos;
}

// Mistakes of usage are told before any server is looked for.
Result<Work> CheckUsage(const SubmitOptions& options) {
  if (options.no_folder && options.words.command.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "--no-folder goes with --command only.");
  }
  ROOST_TRY(ReadInputs(options.inputs));
  ROOST_TRY(ReadOutputs(options.outputs));
  ROOST_ASSIGN(Work work, ReadSubmitWords(options.words));
  if (!options.words.has_separator) {
    for (const std::string& word : OptionsAmongArguments(work)) {
      Note(
          fmt::format("{0} goes to the script, since it stands behind it; for `submit`, write it "
                      "before the script, or put `--` before the script's arguments.",
                      word));
    }
  }
  return work;
}

Result<int> Submit(client::Client& client, const SubmitOptions& options, const Work& work) {
  ROOST_ASSIGN(json body, MakeDefinition(options, work, IsLocal(client.options().url)));
  ROOST_ASSIGN(const auto inputs, ReadInputs(options.inputs));
  ROOST_ASSIGN(json found, FindInputs(client, inputs));
  if (!found.empty()) body["inputs"] = std::move(found);
  if (!options.no_folder) ROOST_TRY(AttachFolder(client, options, work, body));

  // A key of its own makes it safe to repeat a request whose answer was lost.
  const std::string key = options.idempotency_key.empty() ? RandomHex(16) : options.idempotency_key;
  ROOST_ASSIGN(const json run, client.Post("/runs", body, key));
  const std::string run_id = Text(run, "run_id");
  if (run.contains("properties")) {
    for (const char* name : {"roost.gpu_substitution", "roost.container_hint"}) {
      const std::string said = Text(run["properties"], name);
      if (!said.empty()) Note("warning: " + OneLine(said));
    }
  }
  if (options.as_json) {
    ROOST_TRY(PrintJson(run));
    return 0;
  }
  if (options.watch) {
    Note(fmt::format("submitted {} ({})", Text(run, "display_name"), run_id));
    return WatchRun(client, run);
  }
  ROOST_TRY(
      WriteOut(fmt::format("Submitted {} ({}) to experiment {}.\n"
                           "  watch it:  roost logs {} --follow\n",
                           Text(run, "display_name"), run_id, Text(run, "experiment"), run_id)));
  return 0;
}

void AddOptions(CLI::App& command, SubmitOptions& options) {
  command.add_option("--folder", options.words.folder, "Source folder (default: .)")
      ->check(CLI::ExistingDirectory);
  command.add_option("--command", options.words.command,
                     "Run this shell command instead of a script");
  command.add_flag("--no-folder", options.no_folder,
                   "With --command: an empty working folder instead of a snapshot");
  command.add_option("--experiment,-e", options.experiment, "Experiment (default: Default)");
  command.add_option("--name,-n", options.name, "Display name (default: a readable one is made)");
  command.add_option("--description", options.description, "Description");
  command.add_option("--tag,-t", options.tags, "Tag KEY[=VALUE], repeatable")
      ->allow_extra_args(false);
  command.add_option("--env", options.variables, "Environment variable KEY=VALUE, repeatable")
      ->allow_extra_args(false);
  command.add_option("--property", options.properties, "Property KEY=VALUE, repeatable")
      ->allow_extra_args(false);
  command
      .add_option("--input,-i", options.inputs,
                  "Data that is read: NAME=DATASET[:VERSION] or NAME=DATASTORE:PATH, then "
                  "[,mount|download|direct][,to=FOLDER][,overwrite]; repeatable")
      ->allow_extra_args(false);
  command
      .add_option("--output,-o", options.outputs,
                  "Folder that is kept when the run ends: NAME[=DATASTORE:FOLDER], then "
                  "[,upload][,from=FOLDER][,register=DATASET][,overwrite]; repeatable")
      ->allow_extra_args(false);
  command.add_option("--cpus", options.cpus, "CPU cores, fractions allowed (default: 1)");
  command.add_option("--gpus", options.gpus, "GPUs (default: 0)");
  command.add_option("--memory", options.memory, "Memory: MiB, or 512M, 16G (default: no limit)");
  command.add_option("--time-limit", options.time_limit,
                     "Longest running time: seconds, or 90s, 30m, 2h, 1d (default: 30 days)");
  auto* python =
      command.add_option("--python", options.python,
                         "Interpreter (default: the active environment's, else PATH's python3)");
  auto* environment = command.add_option("--environment", options.environment,
                                         "Registered environment NAME[@VERSION]");
  auto* conda = command.add_option("--conda-file", options.conda_file,
                                   "Build the environment of a conda specification (once)");
  auto* requirements = command.add_option("--pip-requirements", options.requirements_file,
                                          "Build an environment with these requirements (once)");
  environment->excludes(python, conda, requirements);
  conda->excludes(python, requirements);
  requirements->excludes(python);
  command.add_option("--target", options.target, "Compute target (default: local)");
  command.add_option("--max-snapshot-mb", options.max_snapshot_mb,
                     "Largest snapshot in MiB (default: 300)");
  command.add_option("--max-snapshot-files", options.max_snapshot_files,
                     "Most files in the snapshot, 0 for no limit (default: 2000)");
  command.add_option("--idempotency-key", options.idempotency_key,
                     "Submitting again with the same key gives the same run");
  auto* watch =
      command.add_flag("--watch,-w", options.watch, "Stream the log; end with the run's exit code");
  command.add_flag("--json", options.as_json, "Print the run as JSON")->excludes(watch);
}

}  // namespace

void AddSubmitCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<SubmitOptions>();
  // The words are collected by CLI11 as what is left, because the script's arguments may look like
  // options of ours.
  auto command = std::make_shared<CLI::App*>();
  *command = AddCommand(app, context, "submit", "Run a script or a command under Roost",
                        [options, command, &context]() -> Result<int> {
                          options->words.words = (*command)->remaining();
                          options->words.has_separator = context.has_separator;
                          options->words.behind_separator = context.script_arguments;
                          ROOST_ASSIGN(const Work work, CheckUsage(*options));
                          return WithClient(context, [&](client::Client& client) {
                            return Submit(client, *options, work);
                          });
                        });
  (*command)->prefix_command();
  (*command)->footer(
      "Forms:\n"
      "  roost submit [OPTIONS] [FOLDER] SCRIPT [ARGUMENTS...]\n"
      "  roost submit [FOLDER] SCRIPT [OPTIONS] -- [ARGUMENTS...]\n"
      "  roost submit [OPTIONS] [--folder FOLDER] --command 'COMMAND'\n"
      "Without `--`, everything behind SCRIPT is the script's own.\n"
      "An input or output NAME is the variable NAME of the script, and "
      "'$AZUREML_DATAREFERENCE_NAME'"
      " in its\narguments: the local path.");
  AddOptions(**command, *options);
}

}  // namespace roost::cli
