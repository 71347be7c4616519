#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/mlflow/export.h"
#include "cli/mlflow/import.h"
#include "cli/mlflow/source.h"
#include "cli/table.h"
#include "cli/terminal.h"

// Moving in from MLflow, and out.
namespace roost::cli {
namespace {

using nlohmann::json;

json ReportJson(const mlflow::ImportReport& report) {
  json experiments = json::array();
  for (const auto& place : report.experiments) {
    experiments.push_back({{"name", place.name},
                           {"source_id", place.source_id},
                           {"experiment_id", place.id.empty() ? json(nullptr) : json(place.id)},
                           {"outcome", place.outcome}});
  }
  json counts = json::object();
  for (const auto& [name, count] : report.counts) {
    if (name == "points" && !report.points_counted) continue;
    counts[name] = {{"in_source", count.in_source}, {"here", count.here}, {"added", count.added}};
  }
  return {{"dry_run", report.dry_run},
          {"verified", report.ok() && !report.dry_run},
          {"experiments", std::move(experiments)},
          {"counts", std::move(counts)},
          {"runs_compared_by_digest", report.runs_by_digest},
          {"runs_compared_by_last_point", report.runs_by_last_point},
          {"left_out", report.left_out},
          {"differences", report.differences}};
}

Status PrintExperiments(const mlflow::ImportReport& report) {
  Table table({{"EXPERIMENT", false, true}, {"ID THERE"}, {"ID HERE"}, {""}});
  for (const auto& place : report.experiments) {
    table.AddRow(
        {OneLine(place.name), place.source_id, place.id.empty() ? "-" : place.id, place.outcome});
  }
  return table.Print();
}

Status PrintCounts(const mlflow::ImportReport& report) {
  const std::string added = report.dry_run ? "NEW" : "ADDED";
  Table table({{""}, {"THERE", true}, {report.dry_run ? "" : "HERE", true}, {added, true}});
  for (const auto& [name, count] : report.counts) {
    if (name == "bytes" || (name == "points" && !report.points_counted)) continue;
    const bool counted = name == "experiments" || name == "runs" || name == "files" ||
                         name == "logged models" || name == "registered models";
    table.AddRow(
        {name, std::to_string(count.in_source), report.dry_run ? "" : std::to_string(count.here),
         counted && (!report.dry_run || name == "runs") ? std::to_string(count.added) : ""});
  }
  return table.Print();
}

Status PrintReport(const mlflow::ImportReport& report) {
  ROOST_TRY(PrintExperiments(report));
  ROOST_TRY(WriteOut("\n"));
  ROOST_TRY(PrintCounts(report));
  for (const std::string& reason : report.left_out) {
    ROOST_TRY(WriteOut("Left out: " + OneLine(reason) + "\n"));
  }
  for (const std::string& difference : report.differences) {
    ROOST_TRY(WriteOut("Differs: " + OneLine(difference) + "\n"));
  }
  if (report.dry_run) return WriteOut("Nothing was written.\n");
  if (!report.ok()) return {};
  return WriteOut(fmt::format("Verified: {} runs by the digest of their whole content{}.\n",
                              report.runs_by_digest,
                              report.runs_by_last_point == 0
                                  ? std::string()
                                  : fmt::format(", {} that were here before by their newest points",
                                                report.runs_by_last_point)));
}

struct ImportArguments {
  mlflow::SourceOptions source;
  mlflow::ImportOptions options;
  bool as_json = false;
};

Result<int> ImportMlflow(client::Client& client, const ImportArguments& arguments) {
  ROOST_ASSIGN(const auto source, mlflow::OpenSource(arguments.source));
  OnInterrupt("Stopped. The same command goes on where this one was.\n", 130);
  ROOST_ASSIGN(const auto report, mlflow::Import(client, *source, arguments.options));
  if (arguments.as_json) {
    ROOST_TRY(PrintJson(ReportJson(report)));
  } else {
    ROOST_TRY(PrintReport(report));
  }
  return report.ok() ? 0 : 1;
}

json ReportJson(const mlflow::ExportReport& report) {
  return {{"experiments", report.experiments},
          {"runs", report.runs},
          {"runs_already_there", report.already_there},
          {"points", report.points},
          {"files", report.files},
          {"logged_models", report.logged_models},
          {"registered_models", report.registered_models},
          {"model_versions", report.versions},
          {"left_out", report.left_out},
          {"differences", report.differences}};
}

Status PrintReport(const mlflow::ExportReport& report, const std::string& folder) {
  ROOST_TRY(WriteOut(fmt::format(
      "{} experiments, {} runs ({} were there already) with {} points, {} files, {} logged models, "
      "{} registered models with {} versions in {}\n",
      report.experiments, report.runs, report.already_there, report.points, report.files,
      report.logged_models, report.registered_models, report.versions, folder)));
  for (const std::string& reason : report.left_out) {
    ROOST_TRY(WriteOut("Left out: " + OneLine(reason) + "\n"));
  }
  for (const std::string& difference : report.differences) {
    ROOST_TRY(WriteOut("Differs: " + OneLine(difference) + "\n"));
  }
  if (!report.ok()) return {};
  return WriteOut("Verified: the folder was read again, and each run compared by its digest.\n");
}

Result<int> ExportMlflow(client::Client& client, const std::string& to, bool as_json) {
  const std::string folder = fs::absolute(to).lexically_normal().string();
  const auto& options = client.options();
  const auto server = mlflow::OpenServerSource(
      {options.url, options.token.empty() ? "" : "Bearer " + options.token, options.ca_file});
  OnInterrupt("Stopped. The same command goes on where this one was.\n", 130);
  ROOST_ASSIGN(const auto report, mlflow::Export(client, *server, folder));
  ROOST_TRY(as_json ? PrintJson(ReportJson(report)) : PrintReport(report, folder));
  return report.ok() ? 0 : 1;
}

}  // namespace

void AddMlflowCommands(CLI::App& app, Context& context) {
  CLI::App* import = app.add_subcommand("import", "Bring in what another tracking server has");
  import->require_subcommand(1);
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* from = AddClientCommand(
      *import, context, "mlflow", "From an MLflow server, its SQLite file or an mlruns folder",
      [arguments](client::Client& client) { return ImportMlflow(client, *arguments); });
  from->add_option("FROM", arguments->source.address,
                   "http://host:5000, mlflow.db (or sqlite:///mlflow.db), or an mlruns folder")
      ->required();
  from->add_option("--artifacts", arguments->source.artifacts,
                   "Folder where its server keeps files (default: mlartifacts beside it)");
  from->add_flag("--dry-run", arguments->options.dry_run, "Only tell what would come");
  from->add_flag("--json", arguments->as_json, "Print the report as JSON");

  CLI::App* out = app.get_subcommand("export");  // of a run; this goes below it
  auto folder = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  CLI::App* to = AddClientCommand(*out, context, "mlflow",
                                  "Everything as an mlruns folder, which any MLflow opens",
                                  [folder, as_json](client::Client& client) {
                                    return ExportMlflow(client, *folder, *as_json);
                                  });
  to->add_option("FOLDER", *folder, "New folder, or one that an earlier export was writing")
      ->required();
  to->add_flag("--json", *as_json, "Print the report as JSON");
}

}  // namespace roost::cli
