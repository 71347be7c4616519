#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

// Where MLflow's clients say that a model version's files lie.
namespace roost::spec {

// A path of the machine: no scheme, or file:. The path without the scheme; nullopt: an address.
std::optional<std::string> LocalPathOfSource(std::string_view source);

// An address whose path is absolute and has no relative parts, however often it was escaped.
// kInvalidArgument with MLflow's words.
Status CheckSourceAddress(std::string_view source);

struct RegisteredSource {  // models:/net/3
  std::string name;
  std::int64_t version = 0;
  bool operator==(const RegisteredSource&) const = default;
};
struct LoggedModelSource {  // models:/m-1f3a..., .../models/m-1f3a.../artifacts/a/b
  std::string id;
  std::string path;  // "a/b"; empty: all
  bool operator==(const LoggedModelSource&) const = default;
};
struct RunSource {  // runs:/0c6f.../a/b, mlflow-artifacts:/1/0c6f.../artifacts/a/b
  std::string run_id;
  std::string path;  // "a/b"; empty: all
  bool operator==(const RunSource&) const = default;
};
struct OtherSource {  // another server, a bucket...
  bool operator==(const OtherSource&) const = default;
};
using ModelSource = std::variant<OtherSource, RegisteredSource, LoggedModelSource, RunSource>;

// Requires: CheckSourceAddress. What the text speaks of, whether it is there or not. An address of
// the artifact proxy is taken for one of this server.
ModelSource ParseModelSource(std::string_view source);
// models:/...: an address that other models stand behind, whose form must be one that is known.
bool IsModelsAddress(std::string_view source);

}  // namespace roost::spec
