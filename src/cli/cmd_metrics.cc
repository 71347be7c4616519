#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/comparison.h"
#include "cli/format.h"
#include "cli/run_ref.h"
#include "cli/table.h"

namespace roost::cli {
namespace {

using nlohmann::json;

struct MetricsOptions {
  std::string run;
  std::string name;
  bool points = false;
  bool as_csv = false;
  bool as_json = false;
};

json Field(const json& object, const char* name) {
  return object.is_object() && object.contains(name) ? object[name] : json();
}

// A field of a comma-separated file, quoted where it needs to be.
std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// Every point of a series, page by page, so that long ones need little memory.
Status ForEachPoint(client::Client& client, const std::string& run_id, const std::string& name,
                    const std::function<Status(const json& point)>& take) {
  std::string after;
  while (true) {
    client::Query query{{"name", name}, {"limit", "10000"}};
    if (!after.empty()) query.emplace_back("after_seq", after);
    ROOST_ASSIGN(const json page, client.Get(RunPath(run_id) + "/metrics/history", query));
    for (const json& point : page.value("points", json::array())) ROOST_TRY(take(point));
    after = Text(page, "next_seq");
    if (after.empty()) return {};
  }
}

Status PrintPoints(client::Client& client, const std::string& run_id, const std::string& name,
                   const MetricsOptions& options) {
  if (options.as_json) {
    json points = json::array();
    const auto keep = [&](const json& point) -> Status {
      points.push_back(point);
      return {};
    };
    ROOST_TRY(ForEachPoint(client, run_id, name, keep));
    return PrintJson({{"name", name}, {"points", points}});
  }
  const char separator = options.as_csv ? ',' : '\t';
  ROOST_TRY(WriteOut(fmt::format("step{0}time{0}value\n", separator)));
  std::string lines;
  const auto take = [&](const json& point) -> Status {
    lines += fmt::format("{}{}{}{}{}\n", Text(point, "step"), separator, Text(point, "time"),
                         separator, Text(point, "value"));
    if (lines.size() < 64 << 10) return {};
    ROOST_TRY(WriteOut(lines));
    lines.clear();
    return {};
  };
  ROOST_TRY(ForEachPoint(client, run_id, name, take));
  return WriteOut(lines);
}

Status PrintSummary(const json& items, const MetricsOptions& options) {
  if (options.as_csv) {
    std::string text = "name,type,count,last,step,min,max\n";
    for (const json& item : items) {
      const json last = Field(item, "last");
      text += fmt::format("{},{},{},{},{},{},{}\n", CsvField(Text(item, "name")),
                          Text(item, "type"), Text(item, "count"), CsvField(Text(last, "value")),
                          Text(last, "step"), Text(item, "min"), Text(item, "max"));
    }
    return WriteOut(text);
  }
  if (items.empty()) return WriteOut("No metric fits.\n");
  Table table({{"METRIC", false, true},
               {"TYPE"},
               {"COUNT", true},
               {"LAST", true},
               {"STEP", true},
               {"MIN", true},
               {"MAX", true}});
  for (const json& item : items) {
    const json last = Field(item, "last");
    table.AddRow({Text(item, "name"), Text(item, "type"), Text(item, "count"),
                  ShortNumber(Field(last, "value")), Text(last, "step"),
                  ShortNumber(Field(item, "min")), ShortNumber(Field(item, "max"))});
  }
  return table.Print();
}

Result<int> Metrics(client::Client& client, const MetricsOptions& options) {
  ROOST_ASSIGN(const std::string run_id, FindRunId(client, options.run));
  if (options.points) {
    if (options.name.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "--points needs the metric's name: roost metrics RUN NAME --points.");
    }
    ROOST_TRY(PrintPoints(client, run_id, options.name, options));
    return 0;
  }
  ROOST_ASSIGN(const json answer, client.Get(RunPath(run_id) + "/metrics"));
  json items = json::array();
  for (const json& item : answer.value("items", json::array())) {
    if (options.name.empty() || Text(item, "name") == options.name) items.push_back(item);
  }
  if (items.empty() && !options.name.empty()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("The run {} has no metric '{}'.", run_id, options.name));
  }
  ROOST_TRY(options.as_json ? PrintJson({{"items", items}}) : PrintSummary(items, options));
  return 0;
}

Result<int> Compare(client::Client& client, const std::vector<std::string>& references,
                    bool differences_only, bool as_json) {
  std::vector<json> runs;
  std::vector<Table::Column> columns{{""}, {"", false, true}};
  for (const std::string& reference : references) {
    ROOST_ASSIGN(const std::string run_id, FindRunId(client, reference));
    ROOST_ASSIGN(json run, client.Get(RunPath(run_id)));
    columns.push_back({Text(run, "display_name"), false, true});
    runs.push_back(std::move(run));
  }
  const auto rows = CompareRuns(runs);
  if (as_json) {
    json items = json::array();
    for (const ComparisonRow& row : rows) {
      items.push_back({{"name", row.name}, {"values", row.values}, {"differs", row.differs}});
    }
    json ids = json::array();
    for (const json& run : runs) ids.push_back(Text(run, "run_id"));
    ROOST_TRY(PrintJson({{"runs", ids}, {"items", items}}));
    return 0;
  }
  Table table(columns);
  for (const ComparisonRow& row : rows) {
    if (differences_only && !row.differs) continue;
    const Style style = row.differs ? Style::kBold : Style::kDim;
    std::vector<Cell> cells{{row.differs ? "*" : " ", style}, {row.name, style}};
    for (const std::string& value : row.values) cells.emplace_back(value, style);
    table.AddRow(std::move(cells));
  }
  ROOST_TRY(table.Print());
  return 0;
}

}  // namespace

void AddMetricsCommands(CLI::App& app, Context& context) {
  auto options = std::make_shared<MetricsOptions>();
  CLI::App* metrics =
      AddClientCommand(app, context, "metrics", "Show a run's metrics",
                       [options](client::Client& client) { return Metrics(client, *options); });
  metrics->add_option("RUN", options->run, "Id, start of an id, display name, or latest")
      ->required();
  metrics->add_option("NAME", options->name, "Only this metric");
  metrics->add_flag("--points", options->points, "Every point of NAME, not the summary");
  auto* as_csv = metrics->add_flag("--csv", options->as_csv, "Print comma-separated values");
  metrics->add_flag("--json", options->as_json, "Print JSON")->excludes(as_csv);

  struct CompareOptions {
    std::vector<std::string> runs;
    bool differences_only = false;
    bool as_json = false;
  };
  auto compared = std::make_shared<CompareOptions>();
  CLI::App* compare = AddClientCommand(
      app, context, "compare", "Show runs side by side; rows that differ are marked with *",
      [compared](client::Client& client) {
        return Compare(client, compared->runs, compared->differences_only, compared->as_json);
      });
  compare->add_option("RUN", compared->runs, "Two runs or more")->required()->expected(2, 50);
  compare->add_flag("--differences", compared->differences_only, "Only the rows that differ");
  compare->add_flag("--json", compared->as_json, "Print JSON");
}

}  // namespace roost::cli
