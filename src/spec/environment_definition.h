#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace roost::spec {

class JsonReader;

// Where the interpreter of an environment comes from.
enum class EnvironmentKind {
  kServerPython,      // nothing was asked for: the server's own interpreter
  kConda,             // built from a conda specification
  kPip,               // built from pip requirements
  kInterpreter,       // an existing interpreter; nothing is installed
  kCondaEnvironment,  // an existing conda environment; nothing is installed
  kImage,             // a container image or Dockerfile and no Python section
};
std::string_view ToString(EnvironmentKind kind);  // "conda"

struct CondaSection {
  std::vector<std::string> channels;  // the first one wins
  std::vector<std::string> packages;  // as CondaSpec::ToText writes them
  std::vector<std::string> pip;       // lines of a requirements file, comments left out
  bool operator==(const CondaSection&) const = default;
};

struct PipSection {
  std::vector<std::string> requirements;  // lines of a requirements file, comments left out
  std::string python_version;             // "3.10", ">=3.8"; empty: any
  bool operator==(const PipSection&) const = default;
};

struct DockerSection {
  bool enabled = false;
  std::string base_image;
  std::string base_dockerfile;  // the text, not a path
  std::string shm_size;         // "2g"
  std::vector<std::string> arguments;
  bool operator==(const DockerSection&) const = default;
};

// What a run needs installed, parsed and checked as far as that needs no machine. Name and version
// are labels: definitions that differ in nothing else are one environment.
struct EnvironmentDefinition {
  std::string name;     // empty: without a name
  std::string version;  // empty: none yet
  std::optional<CondaSection> conda;
  std::optional<PipSection> pip;
  std::string interpreter;        // absolute path
  std::string conda_environment;  // a name, or the absolute path of its folder
  DockerSection docker;
  std::map<std::string, std::string> environment_variables;  // of the run's process

  EnvironmentKind Kind() const;
  // A name with nothing to install or set, but perhaps docker's `enabled` and `shm_size`: it stands
  // for what is registered under it.
  bool IsReference() const;
  // Everything but the labels, in one form for each meaning: JSON in which what has no order is
  // sorted. Two definitions are the same when their digests are.
  std::string Canonical() const;
  Digest Id() const { return DigestOf(Canonical()); }
  // The part of it that decides what is installed (neither variables nor hints for containers):
  // what environments are built and shared by.
  std::string CanonicalBuild() const;

  bool operator==(const EnvironmentDefinition&) const = default;
};

// {"name", "version", "python": {"conda": {"channels", "packages", "pip"}, "pip", "version",
//  "interpreter", "conda_environment"}, "docker": {"enabled", "base_image", "base_dockerfile",
//  "shm_size", "arguments"}, "environment_variables"}. All problems are reported at once.
// Beside that form `python` may be a text, the path of an existing interpreter.
void ReadEnvironment(JsonReader& reader, EnvironmentDefinition& definition);
Result<EnvironmentDefinition> ParseEnvironmentDefinition(const nlohmann::json& body);
nlohmann::json ToJson(const EnvironmentDefinition& definition);  // what the parser reads

inline constexpr std::size_t kMaxEnvironmentName = 255;
inline constexpr std::size_t kMaxEnvironmentPackages = 5000;
inline constexpr std::size_t kMaxDockerfile = 1 << 20;
// Letters, digits, '-', '_', '.' and blanks inside; it stands in paths and addresses.
Status CheckEnvironmentName(std::string_view name);

}  // namespace roost::spec
