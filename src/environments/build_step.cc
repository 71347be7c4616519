#include "environments/build_step.h"

#include <fmt/format.h>

#include <chrono>

#include "environments/build_settings.h"
#include "environments/import_check.h"

namespace roost::environments {

std::string ShownCommand(const std::vector<std::string>& argv) {
  std::string line = "$";
  for (const std::string& given : argv) {
    const std::string word = given == kImportCheckScript ? "<import check>" : given;
    const bool plain =
        !word.empty() && word.find_first_of(" \t\n'\"$&;|<>*()") == std::string::npos;
    line += plain ? " " + word : " '" + word + "'";
  }
  return WithoutSecrets(line);
}

Status BuildStep::Run(const std::string& doing, std::vector<std::string> argv,
                      const fs::path& working_folder) const {
  return Run(doing, std::move(argv), working_folder, variables_);
}

Status BuildStep::Run(const std::string& doing, std::vector<std::string> argv,
                      const fs::path& working_folder,
                      const std::map<std::string, std::string>& variables) const {
  log_.Line(ShownCommand(argv));
  const auto begin = std::chrono::steady_clock::now();
  const Command command{.argv = std::move(argv),
                        .environment = variables,
                        .working_folder = working_folder,
                        .stdin_fd = stdin_fd_};
  ROOST_ASSIGN(const int code, runner_.Run(command, log_, cancel_));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  log_.Line(fmt::format("({:.1f} s)", took.count()));
  if (code == 0) return {};
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} ended with exit code {}", doing, code));
}

}  // namespace roost::environments
