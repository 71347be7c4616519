#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/data_words.h"
#include "cli/format.h"
#include "cli/run_ref.h"
#include "cli/table.h"
#include "roost/download.h"

namespace roost::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kFilesShown = 20;

// Lines "name   value" with a common indent; empty values are left out.
class Sheet {
 public:
  void Add(const std::string& name, const std::string& value, Style style = Style::kPlain) {
    if (value.empty()) return;
    text_ += fmt::format("{:<14}{}\n", name, Styled(OneLine(value), style, color_));
  }
  void AddMap(const std::string& name, const json& map) {
    if (!map.is_object() || map.empty()) return;
    text_ += name + "\n";
    for (const auto& [key, value] : map.items()) {
      text_ +=
          "  " + OneLine(key) + (value.is_null() ? "" : " = " + OneLine(ShortNumber(value))) + "\n";
    }
  }
  void AddLine(const std::string& line) { text_ += line + "\n"; }
  const std::string& text() const { return text_; }

 private:
  bool color_ = UseColor(STDOUT_FILENO);
  std::string text_;
};

json Field(const json& object, const char* name) {
  return object.is_object() && object.contains(name) ? object[name] : json();
}

std::string WorkText(const json& definition) {
  const std::string command = Text(definition, "command");
  if (!command.empty()) return command;
  std::string text = Text(definition, "script");
  const json arguments = Field(definition, "arguments");
  for (const json& argument : arguments.is_array() ? arguments : json::array()) {
    text += " " + PlainText(argument);
  }
  return text;
}

std::string ResourcesText(const json& definition) {
  const json resources = Field(definition, "resources");
  if (!resources.is_object()) return "";
  std::string text = fmt::format("{} cpus, {} gpus", ShortNumber(Field(resources, "cpus")),
                                 ShortNumber(Field(resources, "gpus")));
  const auto memory = Number(Field(resources, "memory_mb"));
  if (memory && *memory > 0) text += fmt::format(", {} MiB", *memory);
  return text;
}

void AddEnvironment(Sheet& sheet, const json& environment) {
  const std::string name = Text(environment, "name");
  if (!name.empty()) sheet.Add("environment", name + ":" + Text(environment, "version"));
  const json python = Field(environment, "python");
  sheet.Add("python", Text(python, "interpreter"));
}

// "in            birds:2 (mount, bind)", a line for each name.
void AddData(Sheet& sheet, const std::string& title, const json& items) {
  if (!items.is_array() || items.empty()) return;
  sheet.AddLine(title);
  for (const json& item : items) {
    const std::string how = Text(item, "mechanism");
    sheet.AddLine(fmt::format("  {:<12}{} ({}{})", OneLine(Text(item, "name")),
                              OneLine(DataText(item)), Text(item, "mode"),
                              how.empty() || how == Text(item, "mode") ? "" : ", " + how));
  }
}

void AddError(Sheet& sheet, const json& error) {
  if (!error.is_object()) return;
  sheet.AddLine(fmt::format("error         {}", OneLine(Text(error, "code"))));
  std::string message = Text(error, "message");
  const std::string trace = Text(error, "debug_stack_trace");
  if (!trace.empty()) message += "\n" + trace;
  for (const std::string& line : Split(message, '\n')) {
    if (!line.empty()) sheet.AddLine("  " + ToValidUtf8(OneLine(line)));
  }
}

void AddFiles(Sheet& sheet, const std::vector<client::RemoteFile>& files) {
  if (files.empty()) return;
  sheet.AddLine("files");
  for (std::size_t i = 0; i < files.size() && i < kFilesShown; ++i) {
    sheet.AddLine(fmt::format("  {:>10}  {}", FormatBytes(files[i].size), OneLine(files[i].path)));
  }
  if (files.size() > kFilesShown) {
    sheet.AddLine(fmt::format("  and {} more: roost files", files.size() - kFilesShown));
  }
}

// Versions that were registered from this run. There are few models, so a look at all is fine.
Result<std::vector<std::string>> ModelsOfRun(client::Client& client, const std::string& run_id) {
  std::vector<std::string> found;
  ROOST_ASSIGN(const json models, client.GetItems("/models", {}, 200));
  for (const json& model : models) {
    ROOST_ASSIGN(const json versions,
                 client.Get("/models/" + client::EncodePart(Text(model, "name"))));
    for (const json& version : versions.value("versions", json::array())) {
      if (Text(version, "run_id") != run_id) continue;
      found.push_back(Text(version, "name") + ":" + Text(version, "version"));
    }
  }
  return found;
}

Sheet MakeSheet(const json& run) {
  Sheet sheet;
  const std::string status = Text(run, "status");
  sheet.Add("name", Text(run, "display_name"), Style::kBold);
  sheet.Add("id", Text(run, "run_id"));
  sheet.Add("experiment", Text(run, "experiment"));
  sheet.Add("status", status, StyleOfStatus(status));
  sheet.Add("reason", Text(run, "reason"));
  if (Field(run, "cancel_requested") == true && status != "Canceled") {
    sheet.Add("cancel", "requested");
  }
  if (Text(run, "lifecycle") != "active") sheet.Add("lifecycle", Text(run, "lifecycle"));
  sheet.Add("exit code", Text(run, "exit_code"));
  AddError(sheet, Field(run, "error"));
  sheet.Add("description", Text(run, "description"));
  sheet.Add("created", LocalTime(Field(run, "created_at")));
  sheet.Add("started", LocalTime(Field(run, "started_at")));
  sheet.Add("ended", LocalTime(Field(run, "ended_at")));
  if (const auto seconds = Number(Field(run, "duration_seconds"))) {
    sheet.Add("duration", FormatDuration(*seconds));
  }
  sheet.Add("submitter", Text(run, "submitter"));
  sheet.Add("parent", Text(run, "parent"));
  const json definition = Field(run, "definition");
  sheet.Add("target", Text(run, "compute_target"));
  sheet.Add("runs", WorkText(definition));
  AddEnvironment(sheet, Field(definition, "environment"));
  sheet.Add("resources", ResourcesText(definition));
  sheet.Add("snapshot", Text(run, "snapshot"));
  sheet.AddMap("params", Field(run, "params"));
  AddData(sheet, "inputs", Field(run, "inputs"));
  AddData(sheet, "outputs", Field(run, "outputs"));
  sheet.AddMap("tags", Field(run, "tags"));
  sheet.AddMap("properties", Field(run, "properties"));
  sheet.AddMap("metrics", Field(run, "metrics"));
  return sheet;
}

Result<int> Show(client::Client& client, const std::string& reference, bool as_json) {
  ROOST_ASSIGN(json run, FindRun(client, reference));
  // Lists leave the definition out.
  const std::string run_id = Text(run, "run_id");
  ROOST_ASSIGN(run, client.Get(RunPath(run_id)));
  if (as_json) {
    ROOST_TRY(PrintJson(run));
    return 0;
  }
  Sheet sheet = MakeSheet(run);
  ROOST_ASSIGN(const auto files, client::ListRunFiles(client, run_id, ""));
  AddFiles(sheet, files);
  ROOST_ASSIGN(const auto models, ModelsOfRun(client, run_id));
  sheet.Add("models", Join(models, ", "));
  ROOST_TRY(WriteOut(sheet.text()));
  return 0;
}

}  // namespace

void AddShowCommand(CLI::App& app, Context& context) {
  struct Options {
    std::string run;
    bool as_json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = AddClientCommand(
      app, context, "show", "Show everything about a run",
      [options](client::Client& client) { return Show(client, options->run, options->as_json); });
  command->add_option("RUN", options->run, "Id, start of an id, display name, or latest")
      ->required();
  command->add_flag("--json", options->as_json, "Print JSON");
}

}  // namespace roost::cli
