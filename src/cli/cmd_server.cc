#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/table.h"

namespace roost::cli {
namespace {

using nlohmann::json;

json Field(const json& object, const char* name) {
  return object.is_object() && object.contains(name) ? object[name] : json();
}

std::string Bytes(const json& value) {
  const auto bytes = Number(value);
  return bytes && *bytes >= 0 ? FormatBytes(static_cast<std::uint64_t>(*bytes)) : "?";
}

std::string Used(const json& resources, const std::string& name) {
  return fmt::format("{} of {}", ShortNumber(Field(resources, (name + "_used").c_str())),
                     ShortNumber(Field(resources, name.c_str())));
}

Result<int> PrintStatus(client::Client& client, bool as_json) {
  ROOST_ASSIGN(const json server, client.Get("/server"));
  if (as_json) {
    ROOST_TRY(PrintJson(server));
    return 0;
  }
  const json queue = Field(server, "queue");
  const json resources = Field(server, "resources");
  std::string text;
  const auto add = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<10}{}\n", name, OneLine(value));
  };
  add("server", fmt::format("{}, version {}, since {}", Text(server, "address"),
                            Text(server, "version"), LocalTime(Field(server, "started_at"))));
  add("you", Text(server, "user"));
  add("data", fmt::format("{} ({} free of {})", Text(server, "data_folder"),
                          Bytes(Field(server, "free_bytes")), Bytes(Field(server, "total_bytes"))));
  add("queue",
      fmt::format("{} running, {} waiting{}", Text(queue, "running"), Text(queue, "waiting"),
                  Field(queue, "paused") == true ? "; paused: " + Text(queue, "reason") : ""));
  add("in use", fmt::format("{} cpus, {} gpus, {} MiB", Used(resources, "cpus"),
                            Used(resources, "gpus"), Used(resources, "memory_mb")));
  const json trainer = Field(server, "trainer");
  add("trainer", trainer.is_string() ? Text(server, "trainer")
                                     : "absent: build it where PyTorch is, see docs/trainer.md");
  ROOST_TRY(WriteOut(text));
  return 0;
}

Result<int> ListExperiments(client::Client& client, bool archived, bool as_json) {
  client::Query query;
  if (archived) query.emplace_back("lifecycle", "archived");
  ROOST_ASSIGN(const json experiments, client.GetItems("/experiments", query, 0));
  if (as_json) {
    ROOST_TRY(PrintJson({{"items", experiments}}));
    return 0;
  }
  if (experiments.empty()) {
    ROOST_TRY(WriteOut("There is no experiment.\n"));
    return 0;
  }
  Table table(
      {{"ID", true}, {"EXPERIMENT", false, true}, {"UPDATED"}, {"DESCRIPTION", false, true}});
  for (const json& experiment : experiments) {
    table.AddRow({Text(experiment, "experiment_id"), Text(experiment, "name"),
                  Ago(Field(experiment, "updated_at"), SystemClock().Now()),
                  Text(experiment, "description")});
  }
  ROOST_TRY(table.Print());
  return 0;
}

Result<int> ListTokens(client::Client& client, bool as_json) {
  ROOST_ASSIGN(const json answer, client.Get("/tokens"));
  if (as_json) {
    ROOST_TRY(PrintJson(answer));
    return 0;
  }
  Table table({{"TOKEN", false, true}, {"CREATED"}});
  for (const json& token : answer.value("items", json::array())) {
    table.AddRow({Text(token, "name"), LocalTime(Field(token, "created_at"))});
  }
  ROOST_TRY(table.Print());
  return 0;
}

Result<int> OpenPage(client::Client& client, bool print_only) {
  const std::string link = client.options().url + "/?token=" + client.options().token;
  ROOST_TRY(WriteOut(link + "\n"));
  const auto environment = CurrentEnvironment();
  const bool has_display =
      environment.contains("DISPLAY") || environment.contains("WAYLAND_DISPLAY");
  if (print_only || !has_display) return 0;
  SubprocessOptions browser;
  browser.argv = {"xdg-open", link};
  browser.environment = environment;
  // Without a browser the printed link is all there is to do.
  if (auto started = Subprocess::Start(browser)) (void)started->Wait();
  return 0;
}

void AddTokens(CLI::App& app, Context& context) {
  auto name = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  CLI::App* tokens =
      AddClientCommand(app, context, "tokens", "List, create or delete access tokens",
                       [as_json](client::Client& client) { return ListTokens(client, *as_json); });
  tokens->add_flag("--json", *as_json, "Print JSON");
  CLI::App* list =
      AddClientCommand(*tokens, context, "list", "List the tokens' names",
                       [as_json](client::Client& client) { return ListTokens(client, *as_json); });
  list->add_flag("--json", *as_json, "Print JSON");
  CLI::App* create =
      AddClientCommand(*tokens, context, "create", "Make a token and print it, this once",
                       [name](client::Client& client) -> Result<int> {
                         ROOST_ASSIGN(const json token, client.Post("/tokens", {{"name", *name}}));
                         ROOST_TRY(WriteOut(Text(token, "token") + "\n"));
                         return 0;
                       });
  create->add_option("NAME", *name, "Kept as the submitter of what its holder makes")->required();
  CLI::App* remove =
      AddClientCommand(*tokens, context, "delete", "Make a token worthless",
                       [name](client::Client& client) -> Result<int> {
                         ROOST_TRY(client.Delete("/tokens/" + client::EncodePart(*name)));
                         return 0;
                       });
  remove->add_option("NAME", *name, "Its name")->required();
}

}  // namespace

void AddServerCommands(CLI::App& app, Context& context) {
  auto status_json = std::make_shared<bool>(false);
  AddClientCommand(
      app, context, "status", "Show the server, its queue and what is in use",
      [status_json](client::Client& client) { return PrintStatus(client, *status_json); })
      ->add_flag("--json", *status_json, "Print JSON");

  auto archived = std::make_shared<bool>(false);
  auto experiments_json = std::make_shared<bool>(false);
  CLI::App* experiments = AddClientCommand(
      app, context, "experiments", "List experiments", [=](client::Client& client) {
        return ListExperiments(client, *archived, *experiments_json);
      });
  experiments->add_flag("--archived", *archived, "Archived experiments instead");
  experiments->add_flag("--json", *experiments_json, "Print JSON");

  AddTokens(app, context);

  auto print_only = std::make_shared<bool>(false);
  AddClientCommand(app, context, "open", "Open the server's page, signed in; print its link",
                   [print_only](client::Client& client) { return OpenPage(client, *print_only); })
      ->add_flag("--print", *print_only, "Print the link only");

  AddCommand(app, context, "version", "Print the version", []() -> Result<int> {
    ROOST_TRY(WriteOut("roost " ROOST_VERSION "\n"));
    return 0;
  });
}

}  // namespace roost::cli
