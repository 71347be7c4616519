#include "cli/python_choice.h"

#include <unistd.h>

#include "base/subprocess.h"

namespace roost::cli {

Result<std::string> ChoosePython(const std::string& given,
                                 const std::map<std::string, std::string>& environment) {
  const auto variable = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  };
  const std::string search_path = variable("PATH");
  if (!given.empty()) {
    const auto found = FindProgram(given, search_path);
    if (!found) {
      return Fail(ErrorCode::kInvalidArgument,
                  "There is no interpreter '" + given + "'. Name another one with --python.");
    }
    // A link (as in a virtual environment) stays a link: its own path finds the environment.
    return fs::absolute(*found).lexically_normal().string();
  }
  for (const char* prefix : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    const fs::path python = fs::path(variable(prefix)) / "bin/python";
    if (python.is_absolute() && ::access(python.c_str(), X_OK) == 0) return python.string();
  }
  if (const auto found = FindProgram("python3", search_path)) return fs::absolute(*found).string();
  return std::string();
}

}  // namespace roost::cli
