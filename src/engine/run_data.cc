#include "engine/run_data.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
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

std::map<std::string, std::string> TextMap(const json& value) {
  std::map<std::string, std::string> texts;
  if (!value.is_object()) return texts;
  for (const auto& [name, text] : value.items()) texts[name] = text.get<std::string>();
  return texts;
}

}  // namespace

Status WriteDataPlan(const spec::RunLayout& layout, const RunDataPlan& plan) {
  json mounts = json::array();
  for (const spec::BindMount& mount : plan.mounts) {
    mounts.push_back({{"source", mount.source}, {"target", mount.target}});
  }
  const json all = {{"values", plan.values},   {"modes", plan.modes},
                    {"outputs", plan.outputs}, {"mounts", std::move(mounts)},
                    {"links", plan.links},     {"output_folders", plan.output_folders}};
  return WriteFileAtomic(layout.data_plan_file(),
                         all.dump(1, ' ', false, json::error_handler_t::replace), 0600);
}

Result<RunDataPlan> ReadDataPlan(const spec::RunLayout& layout) {
  const Result<std::string> text = ReadFile(layout.data_plan_file());
  if (!text && text.error().code == ErrorCode::kNotFound) return RunDataPlan{};
  ROOST_TRY(text);
  RunDataPlan plan;
  try {
    const json all = json::parse(*text);
    plan.values = TextMap(all.at("values"));
    plan.modes = all.at("modes").get<std::string>();
    plan.outputs = all.at("outputs").get<std::string>();
    for (const json& mount : all.at("mounts")) {
      plan.mounts.push_back(
          {mount.at("source").get<std::string>(), mount.at("target").get<std::string>()});
    }
    plan.links = all.at("links").get<std::vector<std::string>>();
    plan.output_folders = TextMap(all.at("output_folders"));
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
