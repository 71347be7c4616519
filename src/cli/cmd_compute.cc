#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/table.h"

namespace roost::cli {
namespace {

using nlohmann::json;

json Field(const json& object, const char* name) {
  return object.is_object() && object.contains(name) ? object[name] : json();
}

std::string ComputePath(const std::string& name) { return "/compute/" + client::EncodePart(name); }

std::string Memory(const json& megabytes) {
  const auto number = Number(megabytes);
  return number && *number >= 0 ? FormatBytes(static_cast<std::uint64_t>(*number) << 20) : "?";
}

// "2 CPUs, 1 GPU, 14.0 GiB".
std::string ResourcesText(const json& resources) {
  const std::string cpus = ShortNumber(Field(resources, "cpus"));
  const std::string gpus = Text(resources, "gpus");
  std::string text = cpus + (cpus == "1" ? " CPU" : " CPUs");
  if (gpus != "0") text += ", " + gpus + (gpus == "1" ? " GPU" : " GPUs");
  return text + ", " + Memory(Field(resources, "memory_mb"));
}

Result<int> ListCompute(client::Client& client, bool as_json) {
  ROOST_ASSIGN(const json answer, client.Get("/compute"));
  if (as_json) {
    ROOST_TRY(PrintJson(answer));
    return 0;
  }
  Table table({{"TARGET", false, true},
               {"SIZE", false, true},
               {"STATE"},
               {"NODES", true},
               {"MIN", true},
               {"MAX", true},
               {"BUSY", true},
               {"WAITING", true},
               {"A NODE HAS", false, true}});
  for (const json& target : answer.value("items", json::array())) {
    table.AddRow({Text(target, "name"), Text(target, "vm_size"), Text(target, "provisioning_state"),
                  Text(target, "current_nodes"), Text(target, "min_nodes"),
                  Text(target, "max_nodes"), Text(Field(target, "node_states"), "running"),
                  Text(target, "waiting_runs"), ResourcesText(Field(target, "node"))});
  }
  ROOST_TRY(table.Print());
  return 0;
}

std::string TagsText(const json& tags) {
  std::string text;
  if (!tags.is_object()) return text;
  for (const auto& [key, value] : tags.items()) {
    text += (text.empty() ? "" : " ") + key + "=" + PlainText(value);
  }
  return text;
}

Result<int> ShowCompute(client::Client& client, const std::string& name, bool as_json) {
  ROOST_ASSIGN(const json target, client.Get(ComputePath(name)));
  if (as_json) {
    ROOST_TRY(PrintJson(target));
    return 0;
  }
  ROOST_ASSIGN(const json nodes, client.Get(ComputePath(name) + "/nodes"));
  std::string text;
  const auto add = [&](const char* title, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<13}{}\n", title, OneLine(value));
  };
  add("target", Text(target, "name") + " (" + Text(target, "type") + ")");
  add("state", Text(target, "provisioning_state") + ", " + Text(target, "allocation_state"));
  add("size", Text(target, "vm_size"));
  add("a node has", ResourcesText(Field(target, "node")));
  if (Field(target, "node") != Field(target, "wanted")) {
    add("size promises", ResourcesText(Field(target, "wanted")));
  }
  add("nodes", fmt::format("{} of {} to {}", Text(target, "current_nodes"),
                           Text(target, "min_nodes"), Text(target, "max_nodes")));
  if (Text(target, "type") != "local") {
    add("scales down", "after " + Text(target, "idle_seconds_before_scaledown") + " idle seconds");
  }
  add("waiting runs", Text(target, "waiting_runs"));
  add("description", Text(target, "description"));
  add("tags", TagsText(Field(target, "tags")));
  for (const json& warning : target.value("warnings", json::array())) {
    add("warning", PlainText(warning));
  }
  ROOST_TRY(WriteOut(text));
  const json items = nodes.value("items", json::array());
  if (items.empty()) return 0;
  Table table({{"NODE", false, true}, {"STATE"}, {"SINCE"}, {"RUN", false, true}});
  for (const json& node : items) {
    table.AddRow({Text(node, "node_id"), Text(node, "state"),
                  Ago(Field(node, "since"), SystemClock().Now()), Text(node, "run_id")});
  }
  ROOST_TRY(WriteOut("\n"));
  ROOST_TRY(table.Print());
  return 0;
}

Result<int> ListSizes(client::Client& client, bool as_json) {
  ROOST_ASSIGN(const json answer, client.Get("/compute-sizes"));
  if (as_json) {
    ROOST_TRY(PrintJson(answer));
    return 0;
  }
  Table table({{"SIZE", false, true}, {"CPUS", true}, {"GPUS", true}, {"MEMORY", true}});
  for (const json& size : answer.value("items", json::array())) {
    table.AddRow({Text(size, "name"), Text(size, "cpus"), Text(size, "gpus"),
                  Memory(Field(size, "memory_mb"))});
  }
  ROOST_TRY(table.Print());
  return 0;
}

struct ClusterOptions {
  std::string name, size, priority, description, idle;
  std::optional<std::int64_t> min_nodes, max_nodes;
  std::vector<std::string> tags, removed_tags;
  bool has_description = false;
  bool as_json = false;
};

Result<json> MakeBody(const ClusterOptions& options) {
  json body = json::object();
  if (!options.size.empty()) body["vm_size"] = options.size;
  if (!options.priority.empty()) body["vm_priority"] = options.priority;
  if (options.min_nodes) body["min_nodes"] = *options.min_nodes;
  if (options.max_nodes) body["max_nodes"] = *options.max_nodes;
  if (options.idle == "0") {
    body["idle_seconds_before_scaledown"] = 0;
  } else if (!options.idle.empty()) {
    ROOST_ASSIGN(body["idle_seconds_before_scaledown"], ParseDuration(options.idle));
  }
  if (!options.description.empty() || options.has_description) {
    body["description"] = options.description;
  }
  for (const std::string& text : options.tags) {
    ROOST_ASSIGN(const KeyValue pair, ParseKeyValue(text, "--tag", false));
    body["tags"][pair.key] = *pair.value;
  }
  for (const std::string& key : options.removed_tags) body["tags"][key] = nullptr;
  return body;
}

Result<int> PrintChanged(const json& target, const std::string& done, bool as_json) {
  if (as_json) {
    ROOST_TRY(PrintJson(target));
    return 0;
  }
  ROOST_TRY(
      WriteOut(fmt::format("{} {}: {}, {} to {} nodes; a node has {}.\n", done,
                           Text(target, "name"), Text(target, "vm_size"), Text(target, "min_nodes"),
                           Text(target, "max_nodes"), ResourcesText(Field(target, "node")))));
  for (const json& warning : target.value("warnings", json::array())) {
    Note("warning: " + OneLine(PlainText(warning)));
  }
  return 0;
}

Result<int> CreateCompute(client::Client& client, const ClusterOptions& options) {
  ROOST_ASSIGN(json body, MakeBody(options));
  body["name"] = options.name;
  // The same settings again give the same cluster, so the request may be repeated.
  ROOST_ASSIGN(const json target, client.PostRepeatable("/compute", body));
  return PrintChanged(target, "Cluster", options.as_json);
}

Result<int> UpdateCompute(client::Client& client, const ClusterOptions& options) {
  ROOST_ASSIGN(const json body, MakeBody(options));
  if (body.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "Name what to change: --min-nodes, --max-nodes, --idle, --description, --tag or "
                "--remove-tag.");
  }
  ROOST_ASSIGN(const json target, client.Patch(ComputePath(options.name), body));
  return PrintChanged(target, "Changed", options.as_json);
}

Result<int> DeleteCompute(client::Client& client, const std::string& name) {
  ROOST_TRY(client.Delete(ComputePath(name)));
  ROOST_TRY(WriteOut(fmt::format("Deleting {}; it goes when its last run is over.\n", name)));
  return 0;
}

void AddScaleOptions(CLI::App& command, ClusterOptions& options) {
  command.add_option("NAME", options.name, "The cluster's name")->required();
  command.add_option("--min-nodes", options.min_nodes, "Nodes that are always there (default: 0)");
  command.add_option("--max-nodes", options.max_nodes, "Most nodes, that is, runs at a time");
  command.add_option("--idle", options.idle,
                     "Idle time after which a node goes: seconds, or 90s, 30m, 2h (default: 30m)");
  command.add_option("--description", options.description, "Description");
  command.add_option("--tag,-t", options.tags, "Tag KEY=VALUE, repeatable")
      ->allow_extra_args(false);
  command.add_flag("--json", options.as_json, "Print JSON");
}

void AddCreate(CLI::App& compute, Context& context) {
  auto options = std::make_shared<ClusterOptions>();
  CLI::App* command = AddClientCommand(
      compute, context, "create", "Make a cluster of slots of this machine",
      [options](client::Client& client) { return CreateCompute(client, *options); });
  AddScaleOptions(*command, *options);
  command->get_option("--max-nodes")->required();
  command->add_option("--size", options->size,
                      "Size of a node, see `roost compute sizes` (default: STANDARD_NC6)");
  command->add_option("--priority", options->priority, "dedicated or lowpriority: the same here");
}

void AddUpdate(CLI::App& compute, Context& context) {
  auto options = std::make_shared<ClusterOptions>();
  auto described = std::make_shared<CLI::Option*>();
  CLI::App* command =
      AddClientCommand(compute, context, "update", "Change a cluster's scale, description or tags",
                       [options, described](client::Client& client) {
                         options->has_description = (*described)->count() > 0;
                         return UpdateCompute(client, *options);
                       });
  AddScaleOptions(*command, *options);
  *described = command->get_option("--description");
  command->add_option("--remove-tag", options->removed_tags, "Tag to take away, repeatable")
      ->allow_extra_args(false);
}

}  // namespace

void AddComputeCommands(CLI::App& app, Context& context) {
  auto as_json = std::make_shared<bool>(false);
  auto name = std::make_shared<std::string>();
  const auto list = [as_json](client::Client& client) { return ListCompute(client, *as_json); };
  CLI::App* compute = AddClientCommand(app, context, "compute",
                                       "List compute targets; make, change, delete clusters", list);
  compute->add_flag("--json", *as_json, "Print JSON");
  AddClientCommand(*compute, context, "list", "List compute targets", list)
      ->add_flag("--json", *as_json, "Print JSON");
  CLI::App* show = AddClientCommand(
      *compute, context, "show", "Show a compute target and its nodes",
      [name, as_json](client::Client& client) { return ShowCompute(client, *name, *as_json); });
  show->add_option("NAME", *name, "Its name")->required();
  show->add_flag("--json", *as_json, "Print JSON");
  AddCreate(*compute, context);
  AddUpdate(*compute, context);
  AddClientCommand(*compute, context, "delete",
                   "Delete a cluster: waiting runs fail, running ones are cancelled",
                   [name](client::Client& client) { return DeleteCompute(client, *name); })
      ->add_option("NAME", *name, "Its name")
      ->required();
  AddClientCommand(*compute, context, "sizes", "List the sizes of nodes",
                   [as_json](client::Client& client) { return ListSizes(client, *as_json); })
      ->add_flag("--json", *as_json, "Print JSON");
}

}  // namespace roost::cli
