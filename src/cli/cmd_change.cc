#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/run_ref.h"
#include "cli/terminal.h"
#include "roost/log_follow.h"

namespace roost::cli {
namespace {

using nlohmann::json;

Status WaitForEnd(client::Client& client, const std::string& run_id) {
  while (true) {
    ROOST_ASSIGN(const json run, client.Get(RunPath(run_id)));
    const std::string status = Text(run, "status");
    if (client::IsFinalStatus(status)) {
      return WriteOut(fmt::format("{} is {}\n", run_id, status));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

Result<int> Cancel(client::Client& client, const std::vector<std::string>& references, bool wait) {
  std::vector<std::string> run_ids;
  for (const std::string& reference : references) {
    ROOST_ASSIGN(run_ids.emplace_back(), FindRunId(client, reference));
  }
  for (const std::string& run_id : run_ids) {
    ROOST_ASSIGN(const json run,
                 client.PostRepeatable(RunPath(run_id) + "/cancel", json::object()));
    if (wait) continue;
    const std::string status = Text(run, "status");
    ROOST_TRY(WriteOut(client::IsFinalStatus(status) ? fmt::format("{} is {}\n", run_id, status)
                                                     : fmt::format("canceling {}\n", run_id)));
  }
  for (const std::string& run_id : run_ids) {
    if (wait) ROOST_TRY(WaitForEnd(client, run_id));
  }
  return 0;
}

struct TagOptions {
  std::string run;
  std::vector<std::string> tags;
  std::vector<std::string> removed;
};

Result<int> Tag(client::Client& client, const TagOptions& options) {
  json tags = json::object();
  for (const std::string& text : options.tags) {
    ROOST_ASSIGN(const KeyValue tag, ParseKeyValue(text, "The tag", true));
    tags[tag.key] = tag.value ? json(*tag.value) : json();
  }
  if (tags.empty() && options.removed.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "Name tags to set (KEY=VALUE) or to remove (--remove KEY).");
  }
  ROOST_ASSIGN(const std::string run_id, FindRunId(client, options.run));
  if (!tags.empty()) ROOST_TRY(client.Put(RunPath(run_id) + "/tags", tags));
  for (const std::string& key : options.removed) {
    ROOST_TRY(client.Delete(RunPath(run_id) + "/tags/" + client::EncodePart(key)));
  }
  return 0;
}

}  // namespace

void AddChangeCommands(CLI::App& app, Context& context) {
  struct CancelOptions {
    std::vector<std::string> runs;
    bool wait = false;
  };
  auto canceled = std::make_shared<CancelOptions>();
  CLI::App* cancel = AddClientCommand(app, context, "cancel", "End runs and all their processes",
                                      [canceled](client::Client& client) {
                                        return Cancel(client, canceled->runs, canceled->wait);
                                      });
  cancel->add_option("RUN", canceled->runs, "Runs")->required();
  cancel->add_flag("--wait", canceled->wait, "Return when they have ended");

  auto tagged = std::make_shared<TagOptions>();
  CLI::App* tag =
      AddClientCommand(app, context, "tag", "Set or remove a run's tags",
                       [tagged](client::Client& client) { return Tag(client, *tagged); });
  tag->add_option("RUN", tagged->run, "Id, start of an id, display name, or latest")->required();
  tag->add_option("TAG", tagged->tags, "KEY=VALUE, or KEY for a tag without value");
  tag->add_option("--remove", tagged->removed, "Remove this tag, repeatable")
      ->allow_extra_args(false);
}

}  // namespace roost::cli
