#include "spec/environment_definition.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "spec/json_reader.h"
#include "spec/requirement.h"
#include "spec/run_definition.h"
#include "spec/text.h"
#include "spec/version_spec.h"

namespace roost::spec {
namespace {

std::string Place(std::string_view field, std::size_t index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

bool CheckCount(JsonReader& reader, std::string_view field, std::size_t count) {
  if (count <= kMaxEnvironmentPackages) return true;
  reader.AddProblem(field, "has " + std::to_string(count) + " items; at most " +
                               std::to_string(kMaxEnvironmentPackages) + " are allowed");
  return false;
}

// Each line in its one form: options first, in their order.
std::vector<std::string> ToLines(const PipList& list) {
  std::vector<std::string> lines;
  for (const PipOption& option : list.options) lines.push_back(option.ToText());
  for (const Requirement& requirement : list.requirements) lines.push_back(requirement.ToText());
  return lines;
}

bool ReadPipLines(JsonReader& reader, std::string_view field, std::vector<std::string>* to) {
  std::vector<std::string> lines;
  if (!reader.StringList(field, &lines) || !CheckCount(reader, field, lines.size())) return false;
  std::vector<PipListProblem> problems;
  *to = ToLines(ParsePipList(lines, &problems));
  for (const PipListProblem& problem : problems) {
    reader.AddProblem(Place(field, problem.index), problem.message);
  }
  return problems.empty();
}

void ReadChannels(JsonReader& reader, std::vector<std::string>* channels) {
  std::vector<std::string> given;
  if (!reader.StringList("channels", &given) || !CheckCount(reader, "channels", given.size())) {
    return;
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string channel(Trim(given[i]));
    if (channel.empty() || channel.starts_with('-') || HasControlCharacters(channel) ||
        channel.find(' ') != std::string::npos) {
      reader.AddProblem(Place("channels", i),
                        "must be a channel's name or address, like conda-forge");
    } else if (std::find(channels->begin(), channels->end(), channel) == channels->end()) {
      channels->push_back(channel);
    }
  }
}

void ReadConda(JsonReader& reader, CondaSection& conda) {
  ReadChannels(reader, &conda.channels);
  std::vector<std::string> packages;
  if (reader.StringList("packages", &packages) && CheckCount(reader, "packages", packages.size())) {
    for (std::size_t i = 0; i < packages.size(); ++i) {
      if (Result<CondaSpec> spec = ParseCondaSpec(packages[i]); spec) {
        conda.packages.push_back(spec->ToText());
      } else {
        reader.AddProblem(Place("packages", i), spec.error().message);
      }
    }
  }
  ReadPipLines(reader, "pip", &conda.pip);
}

void ReadInterpreter(JsonReader& reader, std::string_view field,
                     EnvironmentDefinition& definition) {
  std::string& path = definition.interpreter;
  if (!reader.String(field, &path, {.max_length = kMaxPath, .may_be_empty = false})) return;
  if (path.front() != '/' || HasControlCharacters(path)) {
    reader.AddProblem(field, "must be the absolute path of an interpreter");
  }
}

void ReadExisting(JsonReader& reader, EnvironmentDefinition& definition) {
  ReadInterpreter(reader, "interpreter", definition);
  std::string& name = definition.conda_environment;
  if (!reader.String("conda_environment", &name, {.max_length = kMaxPath, .may_be_empty = false})) {
    return;
  }
  const bool is_path = name.front() == '/';
  if (HasControlCharacters(name) || (!is_path && name.find('/') != std::string::npos)) {
    reader.AddProblem("conda_environment",
                      "must be the name of a conda environment or the absolute path of its folder");
  }
}

void ReadPython(JsonReader& reader, EnvironmentDefinition& definition) {
  reader.Object("conda", [&](JsonReader& conda) { ReadConda(conda, definition.conda.emplace()); });
  std::vector<std::string> requirements;
  if (reader.Has("pip")) definition.pip.emplace();
  if (ReadPipLines(reader, "pip", &requirements)) definition.pip->requirements = requirements;
  std::string version;
  if (reader.String("version", &version, {.max_length = 100, .may_be_empty = false})) {
    const Result<VersionSpec> spec = VersionSpec::ParsePython(version);
    if (!spec) {
      reader.AddProblem("version", "must be a version of Python like 3.10 or >=3.8");
    } else if (definition.pip) {
      definition.pip->python_version = spec->ToText();
    } else {
      reader.AddProblem("version",
                        "goes with `pip` only; in a conda specification write the package "
                        "python=3.10, and an existing interpreter has the version it has");
    }
  }
  ReadExisting(reader, definition);
  const int sources = (reader.Has("conda") ? 1 : 0) + (reader.Has("pip") ? 1 : 0) +
                      (reader.Has("interpreter") ? 1 : 0) +
                      (reader.Has("conda_environment") ? 1 : 0);
  if (sources > 1) {
    reader.AddProblem("",
                      "has more than one of `conda`, `pip`, `interpreter` and `conda_environment`; "
                      "give one (pip packages beside conda's stand in `conda.pip`)");
  }
}

void ReadDocker(JsonReader& reader, DockerSection& docker) {
  reader.Bool("enabled", &docker.enabled);
  if (reader.String("base_image", &docker.base_image, {.max_length = 1000}) &&
      (HasControlCharacters(docker.base_image) || docker.base_image.starts_with('-') ||
       docker.base_image.find(' ') != std::string::npos)) {
    reader.AddProblem("base_image", "must be an image's name, like registry/name:tag");
  }
  reader.String("base_dockerfile", &docker.base_dockerfile, {.max_length = kMaxDockerfile});
  if (!docker.base_image.empty() && !docker.base_dockerfile.empty()) {
    reader.AddProblem("base_dockerfile", "excludes `base_image`; give one of the two");
  }
  if (reader.String("shm_size", &docker.shm_size, {.max_length = 20})) {
    const std::string_view size = docker.shm_size;
    const auto unit = size.find_first_not_of("0123456789");
    const bool valid =
        size.empty() ||
        (unit != 0 && (unit == std::string_view::npos ||
                       (unit + 1 == size.size() &&
                        std::string_view("bkmgBKMG").find(size[unit]) != std::string_view::npos)));
    if (!valid) reader.AddProblem("shm_size", "must be a number and b, k, m or g, like 2g");
  }
  reader.StringList("arguments", &docker.arguments);
}

void ReadLabels(JsonReader& reader, EnvironmentDefinition& definition) {
  if (reader.String("name", &definition.name)) {
    if (Status checked = CheckEnvironmentName(definition.name); !checked) {
      reader.AddProblems("name", checked.error());
    }
  }
  if (reader.String("version", &definition.version,
                    {.max_length = kMaxEnvironmentName, .may_be_empty = false}) &&
      (HasControlCharacters(definition.version) ||
       definition.version.find('/') != std::string::npos)) {
    reader.AddProblem("version", "must not contain '/' or control characters");
  }
}

void ReadVariables(JsonReader& reader, EnvironmentDefinition& definition) {
  if (!reader.StringMap("environment_variables", &definition.environment_variables)) return;
  for (const auto& [name, value] : definition.environment_variables) {
    if (Status checked = CheckEnvironmentVariable(name, value); !checked) {
      reader.AddProblems("environment_variables." + name, checked.error());
    }
  }
}

nlohmann::json PythonToJson(const EnvironmentDefinition& definition) {
  nlohmann::json python = nlohmann::json::object();
  if (definition.conda) {
    python["conda"] = {{"channels", definition.conda->channels},
                       {"packages", definition.conda->packages},
                       {"pip", definition.conda->pip}};
  }
  if (definition.pip) {
    python["pip"] = definition.pip->requirements;
    if (!definition.pip->python_version.empty()) {
      python["version"] = definition.pip->python_version;
    }
  }
  if (!definition.interpreter.empty()) python["interpreter"] = definition.interpreter;
  if (!definition.conda_environment.empty()) {
    python["conda_environment"] = definition.conda_environment;
  }
  return python;
}

void SortOnce(std::vector<std::string>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

// Requirements have no order; options, of which the first may win, stay before them in theirs.
void SortRequirements(std::vector<std::string>& lines) {
  PipList list = ParsePipList(lines);
  std::vector<std::string> requirements;
  for (const Requirement& requirement : list.requirements) {
    requirements.push_back(requirement.ToText());
  }
  SortOnce(requirements);
  list.requirements.clear();
  lines = ToLines(list);
  lines.insert(lines.end(), requirements.begin(), requirements.end());
}

nlohmann::json CanonicalPython(EnvironmentDefinition definition) {
  if (definition.conda) {
    SortOnce(definition.conda->packages);
    SortRequirements(definition.conda->pip);
  }
  if (definition.pip) SortRequirements(definition.pip->requirements);
  return PythonToJson(definition);
}

}  // namespace

std::string_view ToString(EnvironmentKind kind) {
  switch (kind) {
    case EnvironmentKind::kServerPython:
      return "server_python";
    case EnvironmentKind::kConda:
      return "conda";
    case EnvironmentKind::kPip:
      return "pip";
    case EnvironmentKind::kInterpreter:
      return "interpreter";
    case EnvironmentKind::kCondaEnvironment:
      return "conda_environment";
    case EnvironmentKind::kImage:
      return "image";
  }
  return "";
}

EnvironmentKind EnvironmentDefinition::Kind() const {
  if (conda) return EnvironmentKind::kConda;
  if (pip) return EnvironmentKind::kPip;
  if (!interpreter.empty()) return EnvironmentKind::kInterpreter;
  if (!conda_environment.empty()) return EnvironmentKind::kCondaEnvironment;
  const bool has_image = !docker.base_image.empty() || !docker.base_dockerfile.empty();
  return has_image ? EnvironmentKind::kImage : EnvironmentKind::kServerPython;
}

bool EnvironmentDefinition::IsReference() const {
  EnvironmentDefinition bare;
  bare.name = name;
  bare.version = version;
  bare.docker.enabled = docker.enabled;
  bare.docker.shm_size = docker.shm_size;
  return !name.empty() && *this == bare;
}

std::string EnvironmentDefinition::Canonical() const {
  nlohmann::json all = ToJson(*this);
  all.erase("name");
  all.erase("version");
  all["python"] = CanonicalPython(*this);
  return all.dump();
}

std::string EnvironmentDefinition::CanonicalBuild() const {
  nlohmann::json build = {{"python", CanonicalPython(*this)}};
  return build.dump();
}

void ReadEnvironment(JsonReader& reader, EnvironmentDefinition& definition) {
  ReadLabels(reader, definition);
  const nlohmann::json* python = reader.Any("python");
  if (python != nullptr && python->is_string()) {
    ReadInterpreter(reader, "python", definition);
  } else {
    reader.Object("python", [&](JsonReader& nested) { ReadPython(nested, definition); });
  }
  reader.Object("docker", [&](JsonReader& docker) { ReadDocker(docker, definition.docker); });
  ReadVariables(reader, definition);
}

Result<EnvironmentDefinition> ParseEnvironmentDefinition(const nlohmann::json& body) {
  EnvironmentDefinition definition;
  JsonReader reader(body);
  ReadEnvironment(reader, definition);
  ROOST_TRY(reader.Finish("The environment is not valid"));
  return definition;
}

nlohmann::json ToJson(const EnvironmentDefinition& definition) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::json() : nlohmann::json(text);
  };
  const DockerSection& docker = definition.docker;
  return {{"name", text_or_null(definition.name)},
          {"version", text_or_null(definition.version)},
          {"python", PythonToJson(definition)},
          {"docker",
           {{"enabled", docker.enabled},
            {"base_image", docker.base_image},
            {"base_dockerfile", docker.base_dockerfile},
            {"shm_size", docker.shm_size},
            {"arguments", docker.arguments}}},
          {"environment_variables", definition.environment_variables}};
}

Status CheckEnvironmentName(std::string_view name) {
  const auto is_fine = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-_. ").find(c) != std::string_view::npos;
  };
  const bool valid = !name.empty() && name.size() <= kMaxEnvironmentName &&
                     std::all_of(name.begin(), name.end(), is_fine) && name.front() != '.' &&
                     name.front() != '-' && Trim(name) == name;
  if (valid) return {};
  return Invalid("name",
                 "must have 1 to 255 letters, digits, '-', '_', '.' or blanks inside, and not "
                 "begin with '-' or '.'");
}

}  // namespace roost::spec
