#include "cli/command.h"
#include "cli/completion.h"
#include "cli/terminal.h"

namespace roost::cli {

void AddCompletionCommand(CLI::App& app, Context& context) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      AddCommand(app, context, "completion", "Print a completion script for bash, zsh or fish",
                 [shell, &app]() -> Result<int> {
                   ROOST_ASSIGN(const std::string script, CompletionScript(app, *shell));
                   ROOST_TRY(WriteOut(script));
                   return 0;
                 });
  command->add_option("SHELL", *shell, "bash, zsh or fish")->required();
}

}  // namespace roost::cli
