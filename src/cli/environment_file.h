#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace roost::cli {

// Files that describe environments, as definitions of docs/wire.md.

// A conda specification (name, channels, dependencies with pip's list in it, variables). Errors
// name the file and its line.
Result<nlohmann::json> ReadCondaFile(const fs::path& file);

// A requirements file; `python_version` may be empty.
Result<nlohmann::json> ReadRequirementsFile(const fs::path& file,
                                            const std::string& python_version);

// A definition as JSON, a conda specification (*.yml, *.yaml) or requirements (*.txt).
Result<nlohmann::json> ReadEnvironmentFile(const fs::path& file);

// "name", "name@3" or "name:3".
nlohmann::json EnvironmentReference(const std::string& text);

}  // namespace roost::cli
