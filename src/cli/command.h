#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/connection.h"

namespace roost::cli {

// What parsing of the command line leaves behind for main: where the server is and what to do.
struct Context {
  ConnectionOptions connection;
  std::vector<std::string> script_arguments;  // what stood behind "--" of `submit`
  bool has_separator = false;
  std::function<Result<int>()> action;  // gives the exit code
};

// Adds a command with the connection options; `run` becomes the action when it is the one chosen.
CLI::App* AddCommand(CLI::App& parent, Context& context, const std::string& name,
                     const std::string& help, std::function<Result<int>()> run);
// Connects and does `run`; errors about reaching the server get the way out.
Result<int> WithClient(Context& context, const std::function<Result<int>(client::Client&)>& run);
// A command that does nothing but that.
CLI::App* AddClientCommand(CLI::App& parent, Context& context, const std::string& name,
                           const std::string& help,
                           std::function<Result<int>(client::Client&)> run);

// The server's JSON for programs.
Status PrintJson(const nlohmann::json& json);

// One function for each cmd_<subject>.cc.
void AddServeCommand(CLI::App& app, Context& context);
void AddSubmitCommand(CLI::App& app, Context& context);
void AddRunsCommands(CLI::App& app, Context& context);
void AddShowCommand(CLI::App& app, Context& context);
void AddLogsCommand(CLI::App& app, Context& context);
void AddMetricsCommands(CLI::App& app, Context& context);
void AddChangeCommands(CLI::App& app, Context& context);
void AddFilesCommands(CLI::App& app, Context& context);
void AddModelsCommands(CLI::App& app, Context& context);
void AddDataCommands(CLI::App& app, Context& context);
void AddDatastoresCommands(CLI::App& app, Context& context);
void AddEnvironmentsCommands(CLI::App& app, Context& context);
void AddComputeCommands(CLI::App& app, Context& context);
void AddWorkspaceCommands(CLI::App& app, Context& context);
void AddServerCommands(CLI::App& app, Context& context);
void AddMaintenanceCommands(CLI::App& app, Context& context);
void AddMlflowCommands(CLI::App& app, Context& context);
void AddCompletionCommand(CLI::App& app, Context& context);

// Everything above.
void AddAllCommands(CLI::App& app, Context& context);

// The program: parses, acts, prints errors. Gives the exit code.
int Main(int argc, char** argv);

}  // namespace roost::cli
