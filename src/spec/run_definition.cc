#include "spec/run_definition.h"

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/strings.h"
#include "spec/json_reader.h"
#include "spec/text.h"

namespace roost::spec {
namespace {

// Adds the problem of a check, if it has one.
void Require(JsonReader& reader, std::string_view field, const Status& checked) {
  if (!checked) reader.AddProblems(field, checked.error());
}

void ReadScript(JsonReader& reader, RunDefinition& run) {
  if (!reader.String("script", &run.script, {.max_length = kMaxPath, .may_be_empty = false}))
    return;
  if (!IsSafeRelativePath(run.script) || run.script.size() > kMaxPath) {
    reader.AddProblem("script",
                      "must be a path inside the submitted folder, like train.py or src/train.py");
  }
}

void ReadCommand(JsonReader& reader, RunDefinition& run) {
  const nlohmann::json* command = reader.Any("command");
  if (command == nullptr) return;
  if (command->is_array()) {
    std::vector<std::string> words;
    if (!reader.StringList("command", &words, /*numbers_as_text=*/true)) return;
    run.command = Join(words, " ");
  } else if (command->is_string()) {
    if (!reader.String("command", &run.command)) return;
  } else {
    reader.AddProblem("command", "must be a text or a list of texts");
    return;
  }
  if (Trim(run.command).empty()) reader.AddProblem("command", "must not be empty");
  if (run.command.size() > kMaxArgumentBytes) {
    reader.AddProblem("command", "is longer than 128 KiB; put it into a script file");
  }
}

void ReadArguments(JsonReader& reader, RunDefinition& run) {
  if (!reader.StringList("arguments", &run.arguments, /*numbers_as_text=*/true)) return;
  if (run.arguments.size() > kMaxArguments) {
    reader.AddProblem("arguments", "has " + std::to_string(run.arguments.size()) +
                                       " items; at most " + std::to_string(kMaxArguments) +
                                       " are allowed");
  }
  for (std::size_t i = 0; i < run.arguments.size(); ++i) {
    if (run.arguments[i].size() <= kMaxArgumentBytes) continue;
    reader.AddProblem("arguments[" + std::to_string(i) + "]",
                      "is longer than 128 KiB; put it into a file");
  }
}

// `script` and `command` exclude each other and one is required.
void CheckWhatRuns(JsonReader& reader) {
  if (reader.Has("script") && reader.Has("command")) {
    reader.AddProblem("command", "excludes `script`; give one of the two");
  } else if (!reader.Has("script") && !reader.Has("command")) {
    reader.AddProblem("script", "or `command` is required");
  }
  if (reader.Has("command") && reader.Has("arguments") && !reader.Any("arguments")->empty()) {
    reader.AddProblem("arguments", "go with `script` only; write them into the command itself");
  }
}

void ReadLabels(JsonReader& reader, RunDefinition& run) {
  if (reader.String("display_name", &run.display_name, {.max_length = kMaxDisplayName}) &&
      HasControlCharacters(run.display_name)) {
    reader.AddProblem("display_name", "must not contain control characters");
  }
  reader.String("description", &run.description, {.max_length = kMaxDescription});
  if (reader.OptionalStringMap("tags", &run.tags)) {
    for (const auto& [key, value] : run.tags) Require(reader, "tags." + key, CheckTag(key, value));
  }
  if (reader.StringMap("properties", &run.properties)) {
    for (const auto& [key, value] : run.properties) {
      Require(reader, "properties." + key, CheckTag(key, value));
    }
  }
}

void ReadEnvironmentVariables(JsonReader& reader, RunDefinition& run) {
  if (!reader.StringMap("environment_variables", &run.environment_variables)) return;
  for (const auto& [name, value] : run.environment_variables) {
    Require(reader, "environment_variables." + name, CheckEnvironmentVariable(name, value));
  }
}

void CheckTotalSize(JsonReader& reader, const RunDefinition& run) {
  // Each text costs its final NUL and a pointer beside its bytes.
  constexpr std::size_t kOverhead = 1 + sizeof(char*);
  std::size_t bytes = run.command.size();
  for (const std::string& argument : run.arguments) bytes += argument.size() + kOverhead;
  for (const auto& [name, value] : run.environment_variables) {
    bytes += name.size() + 1 + value.size() + kOverhead;
  }
  if (bytes > kMaxArgumentsBytes) {
    reader.AddProblem("arguments", "and `environment_variables` have " + FormatBytes(bytes) +
                                       " together; Linux starts a program with about " +
                                       FormatBytes(kMaxArgumentsBytes) + "; put them into a file");
  }
}

void ReadResources(JsonReader& reader, Resources& resources) {
  if (reader.Number("cpus", &resources.cpus, 0, kMaxCpus) && resources.cpus <= 0) {
    reader.AddProblem("cpus", "must be more than 0");
  }
  std::int64_t gpus = 0;
  if (reader.Integer("gpus", &gpus, 0, kMaxGpus)) resources.gpus = static_cast<int>(gpus);
  reader.Integer("memory_mb", &resources.memory_mb, 0, kMaxMemoryMb);
}

void ReadPlace(JsonReader& reader, RunDefinition& run) {
  reader.Object("resources", [&](JsonReader& nested) { ReadResources(nested, run.resources); });
  reader.Integer("time_limit_seconds", &run.time_limit_seconds, 1, kMaxTimeLimitSeconds);
  reader.String("compute_target", &run.compute_target, {.max_length = 256, .may_be_empty = false});
  reader.Object("environment",
                [&](JsonReader& nested) { ReadEnvironment(nested, run.environment); });
}

void ReadSnapshot(JsonReader& reader, RunDefinition& run) {
  std::string text;
  if (!reader.String("snapshot", &text, {.max_length = 256})) return;
  const Result<Digest> digest = Digest::Parse(text);
  if (digest) {
    run.snapshot = *digest;
  } else {
    reader.AddProblem("snapshot", "must be a snapshot's id: b2: and 64 hex digits");
  }
}

nlohmann::json TextOrNull(const std::string& text) {
  return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

}  // namespace

Result<RunDefinition> ParseRunDefinition(const nlohmann::json& body) {
  RunDefinition run;
  JsonReader reader(body);
  if (reader.String("experiment", &run.experiment)) {
    Require(reader, "experiment", CheckExperimentName(run.experiment));
  }
  ReadSnapshot(reader, run);
  ReadScript(reader, run);
  ReadArguments(reader, run);
  ReadCommand(reader, run);
  if (body.is_object()) CheckWhatRuns(reader);
  ReadLabels(reader, run);
  ReadEnvironmentVariables(reader, run);
  CheckTotalSize(reader, run);
  ReadPlace(reader, run);
  if (reader.String("parent", &run.parent, {.may_be_empty = false})) {
    Require(reader, "parent", CheckRunId(run.parent));
  }
  ReadInputs(reader, &run.inputs);
  ReadOutputs(reader, &run.outputs);
  for (const auto& [name, output] : run.outputs) {
    if (run.inputs.contains(name)) reader.AddProblem("outputs." + name, "is an input's name too");
  }
  ROOST_TRY(reader.Finish("The run is not valid"));
  return run;
}

nlohmann::json ToJson(const RunDefinition& run) {
  nlohmann::json tags = nlohmann::json::object();
  for (const auto& [key, value] : run.tags) {
    tags[key] = value ? nlohmann::json(*value) : nlohmann::json();
  }
  return {
      {"experiment", run.experiment},
      {"snapshot", run.snapshot ? nlohmann::json(run.snapshot->ToText()) : nlohmann::json()},
      {"script", TextOrNull(run.script)},
      {"arguments", run.arguments},
      {"command", TextOrNull(run.command)},
      {"display_name", run.display_name},
      {"description", run.description},
      {"tags", std::move(tags)},
      {"properties", run.properties},
      {"environment_variables", run.environment_variables},
      {"resources",
       {{"cpus", run.resources.cpus},
        {"gpus", run.resources.gpus},
        {"memory_mb", run.resources.memory_mb}}},
      {"time_limit_seconds", run.time_limit_seconds},
      {"compute_target", run.compute_target},
      {"environment", ToJson(run.environment)},
      {"parent", TextOrNull(run.parent)},
      {"inputs", ToJson(run.inputs)},
      {"outputs", ToJson(run.outputs)},
  };
}

}  // namespace roost::spec
