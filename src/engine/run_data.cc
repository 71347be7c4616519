#include "engine/run_data.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace roost::engine {
namespace {

using nlohmann::json;

constexpr const char* kInputText = "DatasetConsumptionConfig:";
constexpr const char* kOutputText = "DatasetOutputConfig:";

bool IsNameCharacter(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// As a word of a shell.
std::string Quoted(const std::string& text) {
  constexpr std::string_view kPlain = "_-./:=@%+,";
  const bool plain = std::all_of(text.begin(), text.end(), [&](char c) {
    return (IsNameCharacter(c) || kPlain.find(c) != std::string_view::npos);
  });
  if (plain && !text.empty()) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string Replaced(const std::string& text, std::string_view mark, const RunDataPlan& plan,
                     bool in_shell) {
  std::string replaced;
  std::size_t at = 0;
  while (true) {
    const std::size_t found = text.find(mark, at);
    replaced += text.substr(at, found - at);
    if (found == std::string::npos) return replaced;
    const std::size_t begin = found + mark.size();
    std::size_t end = begin;
    while (end < text.size() && IsNameCharacter(text[end])) ++end;
    const auto value = plan.values.find(text.substr(begin, end - begin));
    if (value == plan.values.end()) {
      replaced += mark;  // nobody's name: it is only a text
      at = begin;
    } else {
      replaced += in_shell ? Quoted(value->second) : value->second;
      at = end;
    }
  }
}

std::string Expanded(const std::string& text, const RunDataPlan& plan, bool in_shell) {
  return Replaced(Replaced(text, kInputText, plan, in_shell), kOutputText, plan, in_shell);
}

// Paths below the data folder are written without it: a backup restored elsewhere, or a data folder
// that was moved, must not lead to the files of the one before.
constexpr const char* kAttempt = "{attempt}";
constexpr const char* kData = "{data}";

class PlanPaths {
 public:
  explicit PlanPaths(const spec::RunLayout& layout)
      : attempt_(layout.attempt_folder().string()), data_(layout.data_folder().string()) {}

  std::string Written(const std::string& path) const {
    if (IsBelow(path, attempt_)) return kAttempt + path.substr(attempt_.size());
    if (IsBelow(path, data_)) return kData + path.substr(data_.size());
    return path;
  }
  std::string Read(const json& text) const {
    const auto path = text.get<std::string>();
    if (path.starts_with(kAttempt)) return attempt_ + path.substr(std::strlen(kAttempt));
    if (path.starts_with(kData)) return data_ + path.substr(std::strlen(kData));
    return path;
  }
  json WrittenMap(const std::map<std::string, std::string>& paths) const {
    json written = json::object();
    for (const auto& [name, path] : paths) written[name] = Written(path);
    return written;
  }
  std::map<std::string, std::string> ReadMap(const json& value) const {
    std::map<std::string, std::string> paths;
    if (!value.is_object()) return paths;
    for (const auto& [name, text] : value.items()) paths[name] = Read(text);
    return paths;
  }

 private:
  static bool IsBelow(const std::string& path, const std::string& folder) {
    return path == folder || path.starts_with(folder + "/");
  }
  const std::string attempt_;
  const std::string data_;
};

}  // namespace

Status WriteDataPlan(const spec::RunLayout& layout, const RunDataPlan& plan) {
  const PlanPaths paths(layout);
  json mounts = json::array();
  for (const spec::BindMount& mount : plan.mounts) {
    mounts.push_back(
        {{"source", paths.Written(mount.source)}, {"target", paths.Written(mount.target)}});
  }
  const json all = {{"values", paths.WrittenMap(plan.values)},
                    {"modes", plan.modes},
                    {"outputs", plan.outputs},
                    {"mounts", std::move(mounts)},
                    {"links", plan.links},
                    {"output_folders", paths.WrittenMap(plan.output_folders)}};
  return WriteFileAtomic(layout.data_plan_file(),
                         all.dump(1, ' ', false, json::error_handler_t::replace), 0600);
}

Result<RunDataPlan> ReadDataPlan(const spec::RunLayout& layout) {
  const Result<std::string> text = ReadFile(layout.data_plan_file());
  if (!text && text.error().code == ErrorCode::kNotFound) return RunDataPlan{};
  ROOST_TRY(text);
  const PlanPaths paths(layout);
  RunDataPlan plan;
  try {
    const json all = json::parse(*text);
    plan.values = paths.ReadMap(all.at("values"));
    plan.modes = all.at("modes").get<std::string>();
    plan.outputs = all.at("outputs").get<std::string>();
    for (const json& mount : all.at("mounts")) {
      plan.mounts.push_back({paths.Read(mount.at("source")), paths.Read(mount.at("target"))});
    }
    plan.links = all.at("links").get<std::vector<std::string>>();
    plan.output_folders = paths.ReadMap(all.at("output_folders"));
  } catch (const json::exception& error) {
    return Fail(ErrorCode::kInternal,
                layout.data_plan_file().string() + " cannot be read: " + error.what());
  }
  return plan;
}

Status RemoveDataPlan(const spec::RunLayout& layout) {
  const fs::path file = layout.data_plan_file();
  if (unlink(file.c_str()) == 0) return SyncFolder(file.parent_path());
  if (errno == ENOENT) return {};
  return Fail(ErrnoError("removing " + file.string(), errno));
}

void AddDataVariables(const RunDataPlan& plan, EnvironmentMap* to) {
  for (const auto& [name, value] : plan.values) {
    std::string upper = name;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    (*to)["AZUREML_DATAREFERENCE_" + name] = value;
    to->emplace(name, value);
    to->emplace(upper, value);
  }
  if (!plan.modes.empty()) (*to)["AZUREML_DATASET_ENVIRONMENT_VARS"] = plan.modes;
  if (!plan.outputs.empty()) (*to)["AZUREML_DATASET_FILE_OUTPUTS"] = plan.outputs;
}

spec::RunDefinition WithDataPaths(spec::RunDefinition definition, const RunDataPlan& plan) {
  if (plan.values.empty()) return definition;
  for (std::string& argument : definition.arguments) argument = Expanded(argument, plan, false);
  definition.command = Expanded(definition.command, plan, true);
  return definition;
}

}  // namespace roost::engine
