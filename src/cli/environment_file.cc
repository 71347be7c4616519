#include "cli/environment_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace roost::cli {
namespace {

using nlohmann::json;

Error Wrong(const fs::path& file, const YAML::Mark& mark, const std::string& what) {
  const std::string place = mark.line >= 0 ? fmt::format(":{}", mark.line + 1) : "";
  return {ErrorCode::kInvalidArgument, fmt::format("{}{}: {}.", file.string(), place, what), {}};
}

Result<json> Texts(const fs::path& file, const YAML::Node& list, const std::string& name) {
  json texts = json::array();
  if (!list.IsSequence()) return Fail(Wrong(file, list.Mark(), name + " must be a list"));
  for (const YAML::Node& item : list) {
    if (!item.IsScalar()) {
      return Fail(Wrong(file, item.Mark(), "an item of " + name + " must be a text"));
    }
    texts.push_back(item.Scalar());
  }
  return texts;
}

// A text is a conda package; the one mapping has pip's list.
Status ReadDependencies(const fs::path& file, const YAML::Node& list, json& conda) {
  if (!list.IsSequence()) return Fail(Wrong(file, list.Mark(), "dependencies must be a list"));
  conda["packages"] = json::array();
  for (const YAML::Node& item : list) {
    if (item.IsScalar()) {
      conda["packages"].push_back(item.Scalar());
    } else if (item.IsMap() && item.size() == 1 && item["pip"]) {
      ROOST_ASSIGN(conda["pip"], Texts(file, item["pip"], "pip"));
    } else {
      return Fail(
          Wrong(file, item.Mark(), "an item of dependencies must be a package or the list of pip"));
    }
  }
  return {};
}

Result<json> ReadCondaNode(const fs::path& file, const YAML::Node& root) {
  if (!root.IsMap()) {
    return Fail(
        Wrong(file, root.Mark(), "a conda specification has name, channels and dependencies"));
  }
  json definition = json::object();
  json conda = json::object();
  for (const auto& field : root) {
    const std::string name = field.first.Scalar();
    const YAML::Node& value = field.second;
    if (name == "name" && value.IsScalar()) {
      definition["name"] = value.Scalar();
    } else if (name == "channels") {
      ROOST_ASSIGN(conda["channels"], Texts(file, value, name));
    } else if (name == "dependencies") {
      ROOST_TRY(ReadDependencies(file, value, conda));
    } else if (name == "variables" && value.IsMap()) {
      for (const auto& one : value) {
        definition["environment_variables"][one.first.Scalar()] = one.second.Scalar();
      }
    } else if (name != "prefix") {  // where it was exported from
      return Fail(Wrong(file, field.first.Mark(),
                        "'" + name +
                            "' is not known; there are name, channels, dependencies and "
                            "variables"));
    }
  }
  if (!conda.contains("packages")) return Fail(Wrong(file, root.Mark(), "has no dependencies"));
  definition["python"]["conda"] = std::move(conda);
  return definition;
}

}  // namespace

Result<json> ReadCondaFile(const fs::path& file) {
  ROOST_ASSIGN(const std::string text, ReadFile(file));
  try {
    return ReadCondaNode(file, YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return Fail(Wrong(file, error.mark, "is no YAML: " + error.msg));
  }
}

Result<json> ReadRequirementsFile(const fs::path& file, const std::string& python_version) {
  ROOST_ASSIGN(const std::string text, ReadFile(file));
  json lines = json::array();
  for (const std::string& line : Split(text, '\n')) {
    const std::string_view trimmed = Trim(line);
    if (!trimmed.empty() && trimmed.front() != '#') lines.push_back(std::string(trimmed));
  }
  json definition = {{"python", {{"pip", std::move(lines)}}}};
  if (!python_version.empty()) definition["python"]["version"] = python_version;
  return definition;
}

Result<json> ReadEnvironmentFile(const fs::path& file) {
  const std::string extension = file.extension().string();
  if (extension == ".yml" || extension == ".yaml") return ReadCondaFile(file);
  if (extension == ".txt") return ReadRequirementsFile(file, "");
  if (extension != ".json") {
    return Fail(ErrorCode::kInvalidArgument,
                file.string() +
                    " is none of conda.yml, requirements.txt and environment.json: "
                    "the ending says what the file is.");
  }
  ROOST_ASSIGN(const std::string text, ReadFile(file));
  json body = json::parse(text, nullptr, false);
  if (body.is_object()) return body;
  return Fail(ErrorCode::kInvalidArgument, file.string() + " is no JSON object.");
}

json EnvironmentReference(const std::string& text) {
  const std::size_t at = text.find_first_of("@:");
  json reference = {{"name", text.substr(0, at)}};
  if (at != std::string::npos) reference["version"] = text.substr(at + 1);
  return reference;
}

}  // namespace roost::cli
