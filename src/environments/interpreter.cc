#include "environments/interpreter.h"

#include <fmt/format.h>
#include <unistd.h>

namespace roost::environments {

Result<Interpreter> FindInterpreter(const std::string& path, const std::string& default_path) {
  const std::string& wanted = path.empty() ? default_path : path;
  if (wanted.empty()) {
    return Invalid("environment.python",
                   "no Python interpreter was named and the server found none; give --python "
                   "/path/to/python, or start the server with --python");
  }
  if (wanted.front() != '/') {
    return Invalid("environment.python",
                   fmt::format("'{}' is not an absolute path; give the interpreter's full path, as "
                               "`which python3` prints it",
                               wanted));
  }
  std::error_code error;
  if (!std::filesystem::exists(wanted, error)) {
    return Invalid("environment.python",
                   fmt::format("there is no interpreter at {}; choose one with --python", wanted));
  }
  if (!std::filesystem::is_regular_file(wanted, error) || ::access(wanted.c_str(), X_OK) != 0) {
    return Invalid("environment.python",
                   fmt::format("{} is not a program that this server may run; choose another "
                               "interpreter with --python",
                               wanted));
  }
  return Interpreter{wanted};
}

}  // namespace roost::environments
