#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "environments/command_runner.h"
#include "spec/version_spec.h"

namespace roost::environments {

// The programs of this machine that build environments.
struct Tools {
  std::optional<fs::path> uv;
  std::optional<fs::path> conda;  // or mamba, or micromamba
};
// Looks in the PATH of `variables`, anew each time: a tool that was just installed is used.
Tools FindTools(const std::map<std::string, std::string>& variables);

struct FoundPython {
  fs::path path;
  std::string version;  // "3.11.7"
};
// The version that an interpreter gives; an error when it does not run.
Result<FoundPython> AskPython(const fs::path& python,
                              const std::map<std::string, std::string>& variables,
                              CommandRunner& runner);
// The interpreters here, each version once, best first: `preferred` (empty: none), then python3.N
// in PATH with the newest first, then python3.
std::vector<FoundPython> FindPythons(const std::string& preferred,
                                     const std::map<std::string, std::string>& variables,
                                     CommandRunner& runner);

// The interpreter of an existing conda environment, by its name or folder.
Result<fs::path> FindCondaEnvironment(const std::string& name_or_folder,
                                      const std::map<std::string, std::string>& variables,
                                      CommandRunner& runner);

}  // namespace roost::environments
