#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "spec/data_definition.h"
#include "spec/environment_definition.h"

namespace roost::spec {

// What a run needs of its compute target. Memory is in MiB.
struct Resources {
  double cpus = 1;  // more than 0; fractions share a core
  int gpus = 0;
  std::int64_t memory_mb = 0;  // 0: no request and no limit
  bool operator==(const Resources&) const = default;
};

// What a user asks for when submitting: parsed, complete and checked as far as that needs no
// machine. `script` and `command` exclude each other. Commands given as a list are joined with
// blanks and run by a shell, as Azure ML does.
struct RunDefinition {
  std::string experiment = "Default";
  std::optional<Digest> snapshot;      // none: an empty working folder
  std::string script;                  // relative to the snapshot's root
  std::vector<std::string> arguments;  // numbers already as text
  std::string command;                 // run as: sh -c (bash where present)
  std::string display_name;            // empty: a readable name is made
  std::string description;
  std::map<std::string, std::optional<std::string>> tags;  // a tag may have no value
  std::map<std::string, std::string> properties;
  std::map<std::string, std::string> environment_variables;
  Resources resources;
  std::int64_t time_limit_seconds = 2'592'000;  // 1 or more; 30 days is Azure ML's default
  std::string compute_target = "local";
  // As asked for: with a name alone it is a reference to a registered or curated environment, with
  // nothing at all the server's own interpreter. As kept with a run it is resolved.
  EnvironmentDefinition environment;
  std::string parent;                        // run id; empty: none
  std::map<std::string, RunInput> inputs;    // data by name
  std::map<std::string, RunOutput> outputs;  // folders that are kept in a datastore

  bool operator==(const RunDefinition&) const = default;
};

// Reads the body of POST /api/v1/runs. Unknown fields, wrong types and values out of range are all
// reported, each with its path, in one kInvalidArgument error.
Result<RunDefinition> ParseRunDefinition(const nlohmann::json& body);
nlohmann::json ToJson(const RunDefinition& definition);  // what ParseRunDefinition reads

// Limits of docs/wire.md that the parser enforces.
inline constexpr std::size_t kMaxExperimentName = 256;
inline constexpr std::size_t kMaxDisplayName = 256;
inline constexpr std::size_t kMaxDescription = 5000;
inline constexpr std::size_t kMaxTagKey = 250;
inline constexpr std::size_t kMaxTagValue = 5000;
inline constexpr std::size_t kMaxMetricName = 250;
inline constexpr std::size_t kMaxArguments = 10'000;
inline constexpr std::size_t kMaxRunId = 256;
inline constexpr std::size_t kMaxModelName = 255;
inline constexpr std::size_t kMaxPath = 5000;                      // bytes
inline constexpr std::int64_t kMaxTimeLimitSeconds = 315'360'000;  // ten years
inline constexpr double kMaxCpus = 1'000'000;
inline constexpr int kMaxGpus = 1'000'000;
inline constexpr std::int64_t kMaxMemoryMb = 1'000'000'000'000;
// Linux takes at most 128 KiB in one argument or variable (its final NUL included), and 2 MiB in
// all with the usual stack limit. Half of that leaves room for what the server adds.
inline constexpr std::size_t kMaxArgumentBytes = (128 << 10) - 1;
inline constexpr std::size_t kMaxArgumentsBytes = 1 << 20;

// Checks for names that arrive apart from a run definition; each error names the field.
Status CheckExperimentName(std::string_view name);
Status CheckTag(std::string_view key, const std::optional<std::string>& value);
Status CheckMetricName(std::string_view name);
Status CheckModelName(std::string_view name);
// Ids that clients choose: letters, digits, '.', '_', '-', not first a '.' or '-'; at most 256.
Status CheckRunId(std::string_view id);
// [A-Za-z_][A-Za-z0-9_]*, and none that the server itself sets (ROOST_..., AZUREML_RUN_ID...).
Status CheckEnvironmentVariable(std::string_view name, std::string_view value);
// A file's path inside a run: safe relative, at most 5000 bytes of UTF-8.
Status CheckArtifactPath(std::string_view path);

// "<experiment slug>_<unix seconds>_<8 hex>", Azure ML's form for submitted runs.
std::string MakeSubmittedRunId(std::string_view experiment, std::int64_t unix_seconds);
std::string MakeTrackedRunId();  // uuid4
std::string MakeMlflowRunId();   // 32 lower-case hex digits
// "brave_falcon_x7k2": adjective_noun_4 letters or digits.
std::string MakeDisplayName();

}  // namespace roost::spec
