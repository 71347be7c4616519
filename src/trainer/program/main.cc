#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "trainer/folders/component_error.h"
#include "trainer/models/cpu_memory.h"
#include "trainer/program/commands.h"
#include "trainer/program/wait_policy.h"
#include "trainer/train/torch_error.h"

namespace roost::trainer {
namespace {

void Print(const Error& error) {
  const std::optional<ModuleError> module = ModuleErrorOf(error);
  const std::string number = module ? " " + ErrorNumberText(module->number) : "";
  std::fprintf(stderr, "error%s: %s\n", number.c_str(), error.message.c_str());
}

// Where standard output is closed, the next file that is opened would take its place, and the log
// would be written into a checkpoint.
void OpenStandardFiles() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", O_RDWR);  // the lowest number that is free
  }
}

int Main(int argc, char** argv) {
  OpenStandardFiles();
  // Starting anew takes a fifth of a second: where much is computed.
  const bool trains = std::find(argv, argv + argc, std::string_view("train")) != argv + argc;
  if (trains) WaitPassively(argv);
  KeepCpuMemory();
  CLI::App app(
      "Trains image classifiers natively, and the designer's image components as subcommands.\n"
      "Each reads and writes the typed folders of Azure ML's components.",
      "roost-trainer");
  app.set_version_flag("--version", std::string("roost-trainer ") + ROOST_VERSION);
  app.require_subcommand(1);
  // The last of two wins, so that a script may append to a command of its own.
  app.option_defaults()->always_capture_default()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);
  fs::path error_info;
  app.add_option("--error-info", error_info,
                 "Folder for error_info.json, which tells how the component ended");
  Command chosen;
  AddFolderCommands(app, &chosen);
  AddModelCommands(app, &chosen);
  AddTrainCommand(app, &chosen);
  AddScoreCommand(app, &chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  signal(SIGXFSZ, SIG_IGN);  // so that a write beyond a limit fails and the error is told
  const Result<int> outcome = GuardTorch("The input", chosen);
  if (!outcome) Print(outcome.error());
  if (!error_info.empty()) {
    const Status written = WriteErrorInfo(error_info, outcome ? nullptr : &outcome.error());
    if (!written) Print(written.error());
  }
  return outcome.value_or(1);
}

}  // namespace
}  // namespace roost::trainer

int main(int argc, char** argv) { return roost::trainer::Main(argc, argv); }
