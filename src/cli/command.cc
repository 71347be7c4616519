#include "cli/command.h"

#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/terminal.h"

namespace roost::cli {
namespace {

void AddConnectionOptions(CLI::App& command, Context& context) {
  command
      .add_option("--server", context.connection.server,
                  "The server's address (else ROOST_URL, else the local data folder's server)")
      ->group("Connection");
  command.add_option("--token", context.connection.token, "Access token (else ROOST_TOKEN)")
      ->group("Connection");
  command
      .add_option("--data", context.connection.data,
                  "Data folder (default: ${XDG_DATA_HOME:-~/.local/share}/roost)")
      ->group("Connection");
}

// `submit` hands on what follows "--" to the script, unread.
std::vector<std::string> TakeScriptArguments(int argc, char** argv, Context& context) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty() || arguments.front() != "submit") return arguments;
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  if (separator == arguments.end()) return arguments;
  context.has_separator = true;
  context.script_arguments.assign(separator + 1, arguments.end());
  arguments.erase(separator, arguments.end());
  return arguments;
}

int UsageError(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  std::string name = command->get_name();
  for (const CLI::App* parent = command->get_parent(); parent != nullptr;
       parent = parent->get_parent()) {
    name = parent->get_name() + " " + name;
  }
  PrintError({ErrorCode::kInvalidArgument,
              std::string(error.what()) + "\nRun `" + name + " --help` for what it takes.",
              {}});
  return ToExitCode(ErrorCode::kInvalidArgument);
}

}  // namespace

CLI::App* AddCommand(CLI::App& parent, Context& context, const std::string& name,
                     const std::string& help, std::function<Result<int>()> run) {
  CLI::App* command = parent.add_subcommand(name, help);
  AddConnectionOptions(*command, context);
  // A command within a command is called back before its parent, and is the one that counts.
  command->callback([&context, run = std::move(run)] {
    if (!context.action) context.action = run;
  });
  return command;
}

Result<int> WithClient(Context& context, const std::function<Result<int>(client::Client&)>& run) {
  ROOST_ASSIGN(const auto client, Connect(context.connection));
  auto done = run(*client);
  if (done) return done;
  Error error = done.error();
  if (error.message.starts_with("Cannot reach the server")) {
    error.details.push_back(
        {"", "Start it with `roost serve`, or name another one with --server or ROOST_URL."});
  } else if (error.code == ErrorCode::kUnauthenticated) {
    error.details.push_back(
        {"", "The token comes from --token, ROOST_TOKEN, or the file `token` of the data folder."});
  }
  return Fail(error);
}

CLI::App* AddClientCommand(CLI::App& parent, Context& context, const std::string& name,
                           const std::string& help,
                           std::function<Result<int>(client::Client&)> run) {
  return AddCommand(parent, context, name, help,
                    [&context, run = std::move(run)] { return WithClient(context, run); });
}

Status PrintJson(const nlohmann::json& json) {
  return WriteOut(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void AddAllCommands(CLI::App& app, Context& context) {
  app.require_subcommand(1);
  AddConnectionOptions(app, context);
  AddServeCommand(app, context);
  AddSubmitCommand(app, context);
  AddRunsCommands(app, context);
  AddShowCommand(app, context);
  AddLogsCommand(app, context);
  AddMetricsCommands(app, context);
  AddChangeCommands(app, context);
  AddFilesCommands(app, context);
  AddModelsCommands(app, context);
  AddDataCommands(app, context);
  AddDatastoresCommands(app, context);
  AddEnvironmentsCommands(app, context);
  AddComputeCommands(app, context);
  AddWorkspaceCommands(app, context);
  AddServerCommands(app, context);
  AddMaintenanceCommands(app, context);
  AddMlflowCommands(app, context);
  AddCompletionCommand(app, context);
}

int Main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  Context context;
  CLI::App app("Roost: submit training scripts, watch them, keep everything.", "roost");
  app.set_help_all_flag("--help-all", "Print the help of every command");
  app.set_version_flag("--version", "roost " ROOST_VERSION);
  AddAllCommands(app, context);
  auto arguments = TakeScriptArguments(argc, argv, context);
  if (arguments.empty()) {
    WriteOut(app.help());
    return ToExitCode(ErrorCode::kInvalidArgument);
  }
  const std::string& first = arguments.front();
  const bool known =
      !app.get_subcommands([&](const CLI::App* command) { return command->check_name(first); })
           .empty();
  if (!known && !first.starts_with('-')) {
    PrintError({ErrorCode::kInvalidArgument,
                "There is no command '" + first + "'. `roost --help` lists them.",
                {}});
    return ToExitCode(ErrorCode::kInvalidArgument);
  }
  if (CLI::App* submit = app.get_subcommand("submit"); context.has_separator) {
    submit->prefix_command(false);
    submit->allow_extras(true);
  }
  std::reverse(arguments.begin(), arguments.end());  // what CLI11 expects of a vector
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return UsageError(app, error);
  }
  Result<int> done = 0;
  try {
    done = context.action();
  } catch (const nlohmann::json::exception& error) {
    // An answer without the form that docs/wire.md promises.
    done = Fail(ErrorCode::kInternal, std::string("The server's answer has another form than this "
                                                  "program knows (") +
                                          error.what() +
                                          "). `roost version` and `roost status` tell whether "
                                          "their versions fit.");
  }
  if (done) return *done;
  // `roost runs | head`: the reader has had enough.
  if (done.error().message.starts_with("writing to standard output: Broken pipe")) return 0;
  PrintError(done.error());
  return ToExitCode(done.error().code);
}

}  // namespace roost::cli
