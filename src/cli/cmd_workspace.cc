#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/subprocess.h"
#include "cli/command.h"
#include "cli/data_folder.h"
#include "cli/terminal.h"

namespace roost::cli {
namespace {

using nlohmann::json;

struct ConfigOptions {
  std::string folder = ".";
  std::string name = "roost";
  std::string token_variable;
  bool with_token = false;
  bool overwrite = false;
};

// Says in the file where the token is, so that the file itself holds no secret and may be kept with
// the scripts; the token itself only on request.
Status AddTokenSource(const client::ClientOptions& server, const std::string& data,
                      const ConfigOptions& options, json& config) {
  if (options.with_token) {
    config["roost_token"] = server.token;
    return {};
  }
  if (!options.token_variable.empty()) {
    config["roost_token_env"] = options.token_variable;
    return {};
  }
  const auto environment = CurrentEnvironment();
  const fs::path folder = data.empty() ? DefaultDataFolder(environment) : fs::path(data);
  const auto local = ReadServerFile(folder);
  const auto token = ReadTokenFile(folder);
  if (local && *local && (*local)->address == server.url && token && *token == server.token) {
    config["roost_token_file"] = (fs::absolute(folder) / "token").lexically_normal().string();
    return {};
  }
  const auto variable = environment.find("ROOST_TOKEN");
  if (variable != environment.end() && variable->second == server.token) {
    config["roost_token_env"] = "ROOST_TOKEN";
    return {};
  }
  return Fail(
      ErrorCode::kInvalidArgument,
      "The file needs a place where scripts find the token: --token-env NAME for a variable "
      "that they have, or --with-token to write the token itself into the file.");
}

Result<int> WriteConfig(client::Client& client, const std::string& data,
                        const ConfigOptions& options) {
  ROOST_TRY(client.Get("/server"));  // a file that names no server helps nobody
  json config{{"subscription_id", "local"},
              {"resource_group", "local"},
              {"workspace_name", options.name},
              {"roost_url", client.options().url}};
  ROOST_TRY(AddTokenSource(client.options(), data, options, config));
  const fs::path file = (fs::absolute(options.folder) / "config.json").lexically_normal();
  const std::string text = config.dump(4) + "\n";
  const auto there = ReadFile(file);
  if (there && *there != text && !options.overwrite) {
    return Fail(ErrorCode::kConflict,
                file.string() + " is there already, with other content; --overwrite replaces it.");
  }
  ROOST_TRY(MakeFolders(file.parent_path()));
  ROOST_TRY(WriteFileAtomic(file, text, options.with_token ? 0600 : 0644));
  ROOST_TRY(WriteOut(fmt::format(
      "Wrote {}: Workspace.from_config() finds this server from there.\n", file.string())));
  return 0;
}

}  // namespace

void AddWorkspaceCommands(CLI::App& app, Context& context) {
  CLI::App* workspace =
      app.add_subcommand("workspace", "What scripts of Azure ML's SDK need to find this server");
  workspace->require_subcommand(1);
  auto options = std::make_shared<ConfigOptions>();
  CLI::App* config = AddClientCommand(
      *workspace, context, "config", "Write a config.json for Workspace.from_config()",
      [options, &context](client::Client& client) {
        return WriteConfig(client, context.connection.data, *options);
      });
  config->add_option("FOLDER", options->folder, "Where it is written (default: .)");
  config->add_option("--name", options->name, "The workspace's name, a label (default: roost)");
  auto* variable = config->add_option("--token-env", options->token_variable,
                                      "The scripts have the token in this variable");
  config->add_flag("--with-token", options->with_token, "Write the token itself into the file")
      ->excludes(variable);
  config->add_flag("--overwrite", options->overwrite, "Replace a file with other content");
}

}  // namespace roost::cli
