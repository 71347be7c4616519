#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/environment_file.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace roost::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kLogPause{200};

std::string Bytes(const json& object, const char* field) {
  const auto bytes = Number(object.value(field, json()));
  return bytes ? FormatBytes(static_cast<std::uint64_t>(*bytes)) : "";
}

std::string VersionPath(const json& reference) {
  return "/environments/" + client::EncodePart(Text(reference, "name")) + "/versions/" +
         client::EncodePart(reference.value("version", std::string("latest")));
}

// "conda", "pip", "interpreter"...: what the definition's python section says.
std::string KindText(const json& definition) {
  const json python = definition.value("python", json::object());
  for (const char* kind : {"conda", "pip", "interpreter", "conda_environment"}) {
    if (python.contains(kind)) return kind;
  }
  const json docker = definition.value("docker", json::object());
  return Text(docker, "base_image").empty() && Text(docker, "base_dockerfile").empty() ? "server"
                                                                                       : "image";
}

struct ListOptions {
  bool as_json = false;
  bool curated = false;
};

Result<int> ListCurated(client::Client& client, bool as_json) {
  ROOST_ASSIGN(const json curated, client.GetItems("/environments", {{"curated", "true"}}, 0));
  if (as_json) {
    ROOST_TRY(PrintJson({{"items", curated}}));
    return 0;
  }
  Table table({{"ENVIRONMENT"}, {"READY"}, {"WHAT IT IS HERE", false, true}});
  for (const json& one : curated) {
    const bool served = one.contains("definition") && !one["definition"].is_null();
    table.AddRow({Text(one, "name"),
                  !served                     ? "never"
                  : one.value("ready", false) ? "yes"
                                              : "no",
                  Text(one, "description")});
  }
  ROOST_TRY(table.Print());
  return 0;
}

Result<int> ListEnvironments(client::Client& client, const ListOptions& options) {
  if (options.curated) return ListCurated(client, options.as_json);
  const bool as_json = options.as_json;
  ROOST_ASSIGN(const json named, client.GetItems("/environments", {{"curated", "false"}}, 0));
  ROOST_ASSIGN(const json listed, client.Get("/environment-builds"));
  const json builds = listed.value("items", json::array());
  if (as_json) {
    ROOST_TRY(PrintJson({{"environments", named}, {"builds", builds}}));
    return 0;
  }
  if (named.empty() && builds.empty()) {
    ROOST_TRY(WriteOut("No environment is registered or built yet; --curated lists Azure ML's.\n"));
    return 0;
  }
  if (!named.empty()) {
    Table table(
        {{"ENVIRONMENT", false, true}, {"VERSION", true}, {"KIND"}, {"READY"}, {"CREATED"}});
    for (const json& one : named) {
      table.AddRow({Text(one, "name"), Text(one, "version"),
                    KindText(one.value("definition", json::object())),
                    one.value("ready", false) ? "yes" : "no",
                    Ago(one.value("created_at", json()), SystemClock().Now())});
    }
    ROOST_TRY(table.Print());
  }
  if (!builds.empty()) {
    if (!named.empty()) ROOST_TRY(WriteOut("\n"));
    Table table({{"BUILD"},
                 {"STATE"},
                 {"PYTHON"},
                 {"TOOL"},
                 {"SIZE", true},
                 {"LAST USED"},
                 {"FOR", false, true}});
    for (const json& one : builds) {
      const std::string state = one.value("in_use", false) ? "in use" : Text(one, "state");
      table.AddRow({Text(one, "key"), state, Text(one, "python_version"), Text(one, "tool"),
                    Bytes(one, "bytes"), Ago(one.value("last_used", json()), SystemClock().Now()),
                    Text(one, "name")});
    }
    ROOST_TRY(table.Print());
  }
  return 0;
}

Result<int> ShowEnvironment(client::Client& client, const std::string& name) {
  ROOST_ASSIGN(const json version, client.Get(VersionPath(EnvironmentReference(name))));
  ROOST_TRY(PrintJson(version));
  return 0;
}

Result<int> RegisterEnvironment(client::Client& client, const std::string& file,
                                const std::string& name) {
  ROOST_ASSIGN(json definition, ReadEnvironmentFile(file));
  if (!name.empty()) definition["name"] = name;
  ROOST_ASSIGN(const json version, client.Post("/environments", definition));
  ROOST_TRY(WriteOut(
      fmt::format("Registered {} version {}.\n", Text(version, "name"), Text(version, "version"))));
  return 0;
}

// Prints the log from `offset` on, as far as it is written; the server gives it in pieces. True
// when there is no more to come.
Result<bool> PrintLog(client::Client& client, const std::string& key, std::size_t* offset) {
  while (true) {
    client::HttpRequest request;
    request.target =
        "/environment-builds/" + client::EncodePart(key) + "/log?offset=" + std::to_string(*offset);
    ROOST_ASSIGN(const auto log, client.Send(std::move(request), true));
    ROOST_TRY(WriteOut(ToValidUtf8(log.body)));
    *offset += log.body.size();
    if (log.Header("roost-log-complete") == "true") return true;
    if (log.body.empty()) return false;
  }
}

// Prints what the build writes until it ends, and gives its last state.
Result<json> FollowBuild(client::Client& client, const std::string& key) {
  std::size_t offset = 0;
  while (true) {
    ROOST_ASSIGN(const json build, client.Get("/environment-builds/" + key));
    // A build that waits for its turn has no log yet.
    const auto ended = PrintLog(client, key, &offset);
    if (!ended && ended.error().code != ErrorCode::kNotFound) return Fail(ended.error());
    if (Text(build, "state") != "building" && ended.value_or(true)) return build;
    std::this_thread::sleep_for(kLogPause);
  }
}

Result<int> BuildEnvironment(client::Client& client, const std::string& what) {
  json environment = EnvironmentReference(what);
  const std::string extension = fs::path(what).extension().string();
  if (extension == ".yml" || extension == ".yaml" || extension == ".txt" || extension == ".json") {
    ROOST_ASSIGN(environment, ReadEnvironmentFile(what));
  }
  ROOST_ASSIGN(json build, client.Post("/environment-builds", {{"environment", environment}}));
  const std::string key = Text(build, "key");
  if (key.empty()) {
    ROOST_TRY(WriteOut("Nothing is built for it: it uses what exists.\n"));
    return 0;
  }
  if (Text(build, "state") == "building") {
    ROOST_ASSIGN(build, FollowBuild(client, key));
  } else {
    ROOST_TRY(WriteOut("Ready: " + key + "\n"));
  }
  if (Text(build, "state") != "failed") return 0;
  const std::string error = Text(build, "error");
  return Fail(ErrorCode::kInvalidArgument,
              "The environment could not be built; its log is above." +
                  (error.empty() ? "" : " " + std::string(Split(error, '\n').front())));
}

Result<int> ShowLog(client::Client& client, const std::string& key) {
  std::size_t offset = 0;
  ROOST_TRY(PrintLog(client, key, &offset));
  return 0;
}

struct PruneOptions {
  std::string max_size, unused_for;
  std::string key;
};

Result<int> Prune(client::Client& client, const PruneOptions& options) {
  if (!options.key.empty()) {
    ROOST_TRY(client.Delete("/environment-builds/" + client::EncodePart(options.key)));
    ROOST_TRY(WriteOut("Removed " + options.key + ".\n"));
    return 0;
  }
  json body = json::object();
  if (!options.max_size.empty()) {
    ROOST_ASSIGN(const std::int64_t megabytes, ParseMemory(options.max_size));
    body["max_bytes"] = megabytes << 20;
  }
  if (!options.unused_for.empty()) {
    ROOST_ASSIGN(body["unused_for_seconds"], ParseDuration(options.unused_for));
  }
  ROOST_ASSIGN(const json report, client.PostPatiently("/environment-builds/prune", body));
  ROOST_TRY(WriteOut(fmt::format("Removed {} unused environments, {}; {} are kept.\n",
                                 report.value("removed", json::array()).size(),
                                 Bytes(report, "removed_bytes"), Bytes(report, "kept_bytes"))));
  return 0;
}

}  // namespace

void AddEnvironmentsCommands(CLI::App& app, Context& context) {
  auto listed = std::make_shared<ListOptions>();
  CLI::App* environments = AddClientCommand(
      app, context, "environments", "List, register, build and remove environments",
      [listed](client::Client& client) { return ListEnvironments(client, *listed); });
  environments->add_flag("--json", listed->as_json, "Print JSON");
  CLI::App* list = AddClientCommand(
      *environments, context, "list", "The registered and the built ones",
      [listed](client::Client& client) { return ListEnvironments(client, *listed); });
  list->add_flag("--json", listed->as_json, "Print JSON");
  list->add_flag("--curated", listed->curated, "Azure ML's names, and what stands for them here");

  auto name = std::make_shared<std::string>();
  AddClientCommand(*environments, context, "show", "A registered environment, as JSON",
                   [name](client::Client& client) { return ShowEnvironment(client, *name); })
      ->add_option("NAME[@VERSION]", *name, "The environment (default: its newest version)")
      ->required();

  auto file = std::make_shared<std::string>();
  auto as_name = std::make_shared<std::string>();
  CLI::App* add = AddClientCommand(*environments, context, "register",
                                   "Register a conda, requirements or JSON file under a name",
                                   [file, as_name](client::Client& client) {
                                     return RegisterEnvironment(client, *file, *as_name);
                                   });
  add->add_option("FILE", *file, "conda.yml, requirements.txt or environment.json")->required();
  add->add_option("--name,-n", *as_name, "Its name (default: the one in the file)");

  auto what = std::make_shared<std::string>();
  AddClientCommand(*environments, context, "build", "Build one now, and show its log",
                   [what](client::Client& client) { return BuildEnvironment(client, *what); })
      ->add_option("NAME[@VERSION]|FILE", *what, "A registered environment, or a file")
      ->required();

  auto key = std::make_shared<std::string>();
  AddClientCommand(*environments, context, "log", "The log of a build",
                   [key](client::Client& client) { return ShowLog(client, *key); })
      ->add_option("KEY", *key, "The build, as `roost environments` lists it")
      ->required();

  auto pruned = std::make_shared<PruneOptions>();
  CLI::App* prune = AddClientCommand(
      *environments, context, "prune", "Remove built environments that nobody uses",
      [pruned](client::Client& client) { return Prune(client, *pruned); });
  auto* one = prune->add_option("KEY", pruned->key, "This one alone (default: all)");
  prune->add_option("--max-size", pruned->max_size, "Keep the latest used ones up to 512M, 20G...")
      ->excludes(one);
  prune->add_option("--unused-for", pruned->unused_for, "Only those unused for 12h, 30d...")
      ->excludes(one);
}

}  // namespace roost::cli
