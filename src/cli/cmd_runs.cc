#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/run_ref.h"
#include "cli/table.h"

namespace roost::cli {
namespace {

using nlohmann::json;

struct RunsOptions {
  std::vector<std::string> experiments;
  std::string filter;
  std::string order_by;
  std::size_t limit = 20;
  bool all = false;
  bool archived = false;
  bool deleted = false;
  bool as_json = false;
  bool watch = false;
};

client::Query MakeQuery(const RunsOptions& options) {
  client::Query query{{"include", "metrics"}};
  for (const std::string& experiment : options.experiments) {
    query.emplace_back("experiment", experiment);
  }
  if (!options.filter.empty()) query.emplace_back("filter", options.filter);
  if (!options.order_by.empty()) query.emplace_back("order_by", options.order_by);
  if (options.archived) query.emplace_back("lifecycle", "archived");
  if (options.deleted) query.emplace_back("lifecycle", "deleted");
  return query;
}

// The first few metrics; all of them are in `roost metrics`.
std::string MetricsText(const json& run) {
  const json metrics = run.contains("metrics") ? run["metrics"] : json::object();
  if (!metrics.is_object()) return "";
  constexpr std::size_t kShown = 4;
  std::string text;
  std::size_t count = 0;
  for (const auto& [name, value] : metrics.items()) {
    if (count++ == kShown) break;
    text += (text.empty() ? "" : "  ") + name + "=" + ShortNumber(value);
  }
  if (metrics.size() > kShown) text += fmt::format("  +{}", metrics.size() - kShown);
  return text;
}

std::string DurationText(const json& run) {
  const auto seconds =
      run.contains("duration_seconds") ? Number(run["duration_seconds"]) : std::optional<double>{};
  return seconds ? FormatDuration(*seconds) : "";
}

// Below this many columns ids would be cut to uselessness; a display name names a run as well.
constexpr std::size_t kWidthForIds = 100;

Status PrintTable(const json& runs) {
  const std::size_t width = TerminalWidth();
  const bool with_ids = width == 0 || width >= kWidthForIds;
  std::vector<Table::Column> columns{
      {"NAME", false, true}, {"EXPERIMENT", false, true}, {"STATUS"},
      {"STARTED"},           {"DURATION", true},          {"METRICS", false, true}};
  if (with_ids) columns.insert(columns.begin() + 1, {"ID"});
  Table table(std::move(columns));
  for (const json& run : runs) {
    const std::string status = Text(run, "status");
    const json started = run.value("started_at", json());
    std::vector<Cell> cells{
        Text(run, "display_name"),
        Text(run, "experiment"),
        {status, StyleOfStatus(status)},
        Ago(started.is_null() ? run.value("created_at", json()) : started, SystemClock().Now()),
        DurationText(run),
        MetricsText(run)};
    if (with_ids) cells.insert(cells.begin() + 1, Text(run, "run_id"));
    table.AddRow(std::move(cells));
  }
  return table.Print();
}

Status PrintOnce(client::Client& client, const RunsOptions& options) {
  ROOST_ASSIGN(const json runs,
               client.GetItems("/runs", MakeQuery(options), options.all ? 0 : options.limit));
  if (options.as_json) return PrintJson({{"items", runs}});
  if (options.watch) ROOST_TRY(WriteOut("\033[H\033[2J"));
  if (runs.empty()) return WriteOut("No run fits.\n");
  ROOST_TRY(PrintTable(runs));
  if (!options.all && runs.size() == options.limit) {
    Note(fmt::format("the first {}; --all or --limit shows more", options.limit));
  }
  return {};
}

Result<int> ListRuns(client::Client& client, const RunsOptions& options) {
  if (options.watch && !IsTerminal(STDOUT_FILENO)) {
    return Fail(ErrorCode::kInvalidArgument, "--watch redraws a terminal; here is none.");
  }
  ROOST_TRY(PrintOnce(client, options));
  while (options.watch) {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    ROOST_TRY(PrintOnce(client, options));
  }
  return 0;
}

// Archive, restore and delete take several runs; all are tried, and the first error is the result.
Result<int> ForEachRun(client::Client& client, const std::vector<std::string>& references,
                       const std::string& done_word,
                       const std::function<Status(const std::string&)>& change) {
  std::optional<Error> first;
  for (const std::string& reference : references) {
    auto run_id = FindRunId(client, reference);
    Status done = run_id ? change(*run_id) : Status(Fail(run_id.error()));
    if (done) {
      ROOST_TRY(WriteOut(fmt::format("{} {}\n", done_word, *run_id)));
    } else if (!first) {
      first = done.error();
    } else {
      PrintError(done.error());
    }
  }
  if (first) return Fail(*first);
  return 0;
}

void AddLifecycleCommand(CLI::App& parent, Context& context, const std::string& name,
                         const std::string& help, const std::string& done_word) {
  auto references = std::make_shared<std::vector<std::string>>();
  CLI::App* command =
      AddClientCommand(parent, context, name, help, [=](client::Client& client) -> Result<int> {
        return ForEachRun(client, *references, done_word, [&](const std::string& id) -> Status {
          if (name == "delete") {
            ROOST_TRY(client.Delete(RunPath(id)));
          } else {
            ROOST_TRY(client.PostRepeatable(RunPath(id) + "/" + name, json::object()));
          }
          return {};
        });
      });
  command->add_option("RUN", *references, "Runs")->required();
}

}  // namespace

void AddRunsCommands(CLI::App& app, Context& context) {
  auto options = std::make_shared<RunsOptions>();
  CLI::App* command =
      AddClientCommand(app, context, "runs", "List runs; restore archived or deleted ones",
                       [options](client::Client& client) { return ListRuns(client, *options); });
  command->add_option("--experiment,-e", options->experiments, "Only this experiment, repeatable")
      ->allow_extra_args(false);
  command->add_option("--filter", options->filter,
                      "Such as \"metrics.acc > 0.9 AND tags.team = 'vision'\"");
  command->add_option("--order-by", options->order_by, "Such as \"metrics.acc DESC\"");
  command->add_option("--limit", options->limit, "At most so many (default: 20)")
      ->check(CLI::Range(1, 1000000));
  command->add_flag("--all,-a", options->all, "All of them");
  auto* archived = command->add_flag("--archived", options->archived, "Archived runs instead");
  command->add_flag("--deleted", options->deleted, "Deleted runs that gc has not removed yet")
      ->excludes(archived);
  auto* as_json = command->add_flag("--json", options->as_json, "Print JSON");
  command->add_flag("--watch,-w", options->watch, "Show the list anew every 2 s")
      ->excludes(as_json);
  // `roost restore` is for backups, so this one stands below `runs`.
  AddLifecycleCommand(*command, context, "restore", "Take back an archive or delete", "restored");
  AddLifecycleCommand(app, context, "archive",
                      "Hide runs from lists (`roost runs restore` takes it back)", "archived");
  AddLifecycleCommand(app, context, "delete",
                      "Delete ended runs (`roost runs restore` takes it back, until `roost gc`)",
                      "deleted");
}

}  // namespace roost::cli
