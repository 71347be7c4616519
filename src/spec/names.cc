// Checks for names that users choose, and the making of ids and names. Declared in
// spec/run_definition.h.
#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/files.h"
#include "base/strings.h"
#include "spec/display_words.h"
#include "spec/run_definition.h"
#include "spec/text.h"

namespace roost::spec {
namespace {

// Locale-independent, unlike isalpha.
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What every name shares: text, not empty, not too long, printable.
Status CheckName(const std::string& field, std::string_view name, std::size_t max_length) {
  if (name.empty()) return Invalid(field, "must not be empty");
  if (!IsValidUtf8(name)) return Invalid(field, "must be UTF-8 text");
  if (CountCharacters(name) > max_length) {
    return Invalid(field, "must have at most " + std::to_string(max_length) + " characters");
  }
  if (HasControlCharacters(name)) return Invalid(field, "must not contain control characters");
  if (Trim(name).empty()) return Invalid(field, "must not be blank");
  return {};
}

// What docs/wire.md lists under "Environment of a run": a user's value would break the run's
// connection to the server.
constexpr std::array<std::string_view, 13> kReservedVariables = {
    "AZUREML_RUN_ID",           "AZUREML_EXPERIMENT_ID",     "AZUREML_ARM_PROJECT_NAME",
    "AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME",
    "AZUREML_WORKSPACE_ID",     "AZUREML_SERVICE_ENDPOINT",  "AZUREML_RUN_TOKEN",
    "AZUREML_OUTPUT_DIRECTORY", "AZUREML_EXPERIMENT_SCOPE",  "AZUREML_CURRENT_CLOUD",
    "AZUREML_RUN_TOKEN_EXPIRY"};

bool IsReservedVariable(std::string_view name) {
  return name.starts_with("ROOST_") ||
         std::find(kReservedVariables.begin(), kReservedVariables.end(), name) !=
             kReservedVariables.end();
}

int HexValue(char digit) { return IsDigit(digit) ? digit - '0' : digit - 'a' + 10; }

// 8 random hex digits and more as a number.
std::uint64_t RandomNumber() {
  std::uint64_t number = 0;
  for (char digit : RandomHex(8))
    number = number << 4 | static_cast<std::uint64_t>(HexValue(digit));
  return number;
}

}  // namespace

Status CheckExperimentName(std::string_view name) {
  return CheckName("experiment", name, kMaxExperimentName);
}

Status CheckTag(std::string_view key, const std::optional<std::string>& value) {
  const std::string field = "tags." + ToValidUtf8(key);
  ROOST_TRY(CheckName(field, key, kMaxTagKey));
  if (!value) return {};
  if (!IsValidUtf8(*value) || HasNul(*value)) {
    return Invalid(field, "must be UTF-8 text without NUL characters");
  }
  if (CountCharacters(*value) > kMaxTagValue) {
    return Invalid(field,
                   "must have at most " + std::to_string(kMaxTagValue) + " characters as value");
  }
  return {};
}

Status CheckMetricName(std::string_view name) { return CheckName("name", name, kMaxMetricName); }

Status CheckModelName(std::string_view name) {
  ROOST_TRY(CheckName("name", name, kMaxModelName));
  // MLflow's rule: these two separate the parts of a model's address. The dots mean folders.
  if (name.find_first_of("/:") != std::string_view::npos || name == "." || name == "..") {
    return Invalid("name", "must not contain '/' or ':' and must not be '.' or '..'");
  }
  return {};
}

Status CheckRunId(std::string_view id) {
  const bool valid = !id.empty() && id.size() <= kMaxRunId && id.front() != '.' &&
                     id.front() != '-' && std::all_of(id.begin(), id.end(), [](char c) {
                       return IsLetter(c) || IsDigit(c) || c == '_' || c == '-' || c == '.';
                     });
  if (valid) return {};
  return Invalid("run_id",
                 "must have 1 to 256 letters, digits, '_', '-' or '.', and not begin with '-' or "
                 "'.'");
}

Status CheckEnvironmentVariable(std::string_view name, std::string_view value) {
  const std::string field = "environment_variables." + ToValidUtf8(name);
  const bool is_name = !name.empty() && !IsDigit(name.front()) &&
                       std::all_of(name.begin(), name.end(),
                                   [](char c) { return IsLetter(c) || IsDigit(c) || c == '_'; });
  if (!is_name) {
    return Invalid(field, "must be named with letters, digits and '_', and not begin with a digit");
  }
  if (IsReservedVariable(name)) {
    return Invalid(field, "is set by the server itself; use another name");
  }
  if (HasNul(value)) return Invalid(field, "must not contain a NUL character");
  if (name.size() + 1 + value.size() > kMaxArgumentBytes) {
    return Invalid(field, "is longer than 128 KiB; put it into a file");
  }
  return {};
}

Status CheckArtifactPath(std::string_view path) {
  if (path.size() > kMaxPath) {
    return Invalid("path", "must have at most " + std::to_string(kMaxPath) + " bytes");
  }
  if (!IsValidUtf8(path) || HasControlCharacters(path) || !IsSafeRelativePath(path)) {
    return Invalid("path",
                   "must be a relative path without empty parts, '.', '..' or control characters, "
                   "like outputs/model.pt");
  }
  return {};
}

std::string MakeSubmittedRunId(std::string_view experiment, std::int64_t unix_seconds) {
  // Ids stand in command lines and paths, so they do not begin with '-'.
  std::string slug = Slug(experiment, 80);
  const auto begin = slug.find_first_not_of("-_");
  const auto end = slug.find_last_not_of("-_");
  slug = begin == std::string::npos ? "run" : slug.substr(begin, end - begin + 1);
  return slug + "_" + std::to_string(unix_seconds) + "_" + RandomHex(4);
}

std::string MakeTrackedRunId() {
  std::string hex = RandomHex(16);
  hex[12] = '4';                            // version 4: random
  hex[16] = "89ab"[HexValue(hex[16]) & 3];  // variant 1
  for (std::size_t place : {8, 13, 18, 23}) hex.insert(place, 1, '-');
  return hex;
}

std::string MakeMlflowRunId() { return RandomHex(16); }

std::string MakeDisplayName() {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::uint64_t random = RandomNumber();
  const auto take = [&random](std::size_t count) {
    const std::uint64_t taken = random % count;
    random /= count;
    return static_cast<std::size_t>(taken);
  };
  std::string name(kAdjectives[take(kAdjectives.size())]);
  name.append("_").append(kNouns[take(kNouns.size())]).append("_");
  for (int i = 0; i < 4; ++i) name += kDigits[take(kDigits.size())];
  return name;
}

}  // namespace roost::spec
