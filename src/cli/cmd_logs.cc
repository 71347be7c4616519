#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/run_ref.h"
#include "cli/table.h"
#include "roost/log_follow.h"

namespace roost::cli {
namespace {

using nlohmann::json;

struct LogsOptions {
  std::string run;
  std::string file;
  std::uint64_t tail = 0;
  bool follow = false;
  bool fold = false;
  bool list = false;
};

Result<int> ListLogs(client::Client& client, const std::string& run_id) {
  ROOST_ASSIGN(const json logs, client.Get(RunPath(run_id) + "/logs"));
  Table table({{"LOG", false, true}, {"ATTEMPT", true}, {"BYTES", true}, {"STATE"}});
  for (const json& log : logs.value("items", json::array())) {
    table.AddRow({Text(log, "path"), Text(log, "attempt"), Text(log, "size"),
                  log.value("complete", false) ? "complete" : "growing"});
  }
  ROOST_TRY(table.Print());
  return 0;
}

// The log as it is now, in pieces as they arrive.
Status PrintLog(client::Client& client, const std::string& run_id, const LogsOptions& options) {
  client::Query query;
  if (options.tail > 0) query.emplace_back("tail", std::to_string(options.tail));
  if (options.fold) query.emplace_back("fold", "true");
  client::HttpRequest request;
  request.target =
      RunPath(run_id) + "/logs/" + client::EncodePath(options.file) + client::EncodeQuery(query);
  request.on_body = WriteOut;
  ROOST_TRY(client.Send(std::move(request), false));
  return {};
}

Status FollowUntilEnd(client::Client& client, const std::string& run_id,
                      const LogsOptions& options) {
  client::LogFollowOptions follow;
  follow.run_id = run_id;
  follow.path = options.file;
  follow.tail_lines = options.tail;
  follow.on_connection = [](bool connected) {
    Note(connected ? "connected again"
                   : "the connection to the server is lost; waiting for the server");
  };
  ROOST_TRY(client::FollowLog(client, follow, WriteOut));
  return {};
}

Result<int> Logs(client::Client& client, LogsOptions options) {
  ROOST_ASSIGN(const std::string run_id, FindRunId(client, options.run));
  if (options.list) return ListLogs(client, run_id);
  if (options.file.empty()) options.file = client::LogFollowOptions{}.path;
  ROOST_TRY(options.follow ? FollowUntilEnd(client, run_id, options)
                           : PrintLog(client, run_id, options));
  return 0;
}

}  // namespace

void AddLogsCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<LogsOptions>();
  CLI::App* command =
      AddClientCommand(app, context, "logs", "Print a run's log, or follow it live",
                       [options](client::Client& client) { return Logs(client, *options); });
  command->add_option("RUN", options->run, "Id, start of an id, display name, or latest")
      ->required();
  auto* follow = command->add_flag("--follow,-f", options->follow, "Go on until the run is over");
  command->add_option("--tail,-n", options->tail, "Start with the last N lines");
  command->add_option("--file", options->file,
                      "Log to print (default: azureml-logs/70_driver_log.txt)");
  command->add_flag("--fold", options->fold, "Only the final state of progress bars")
      ->excludes(follow);
  command->add_flag("--list", options->list, "List the run's logs");
}

}  // namespace roost::cli
