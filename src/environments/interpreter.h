#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace roost::environments {

// An existing Python interpreter: Azure ML's "user-managed" environment. Nothing is installed.
struct Interpreter {
  std::filesystem::path path;  // absolute, as given: a virtual environment's link is not resolved
};

// Checks that `path` (or, when empty, `default_path`) is an executable file. The error names the
// path and says how to choose another one (`--python`).
Result<Interpreter> FindInterpreter(const std::string& path, const std::string& default_path);

}  // namespace roost::environments
