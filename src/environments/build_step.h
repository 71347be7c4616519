#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "environments/build_log.h"
#include "environments/command_runner.h"

namespace roost::environments {

// The steps of one build: programs that run to their end, each written into the log with its
// command line (without passwords), its output and its time.
class BuildStep {
 public:
  // All outlive it. `stdin_fd` is every program's standard input: a lock's descriptor keeps the
  // lock held until the last of them is gone, even when the server is not there any more.
  BuildStep(const std::map<std::string, std::string>& variables, CommandRunner& runner,
            BuildLog& log, const Cancellation& cancel, int stdin_fd)
      : variables_(variables), runner_(runner), log_(log), cancel_(cancel), stdin_fd_(stdin_fd) {}

  // Fails with a sentence about `doing` when the program ends with another code than 0.
  Status Run(const std::string& doing, std::vector<std::string> argv,
             const fs::path& working_folder) const;
  // The same with variables of its own.
  Status Run(const std::string& doing, std::vector<std::string> argv,
             const fs::path& working_folder,
             const std::map<std::string, std::string>& variables) const;

 private:
  const std::map<std::string, std::string>& variables_;
  CommandRunner& runner_;
  BuildLog& log_;
  const Cancellation& cancel_;
  const int stdin_fd_;
};

// "$ uv pip install ..." as a shell would take it, without passwords.
std::string ShownCommand(const std::vector<std::string>& argv);

}  // namespace roost::environments
