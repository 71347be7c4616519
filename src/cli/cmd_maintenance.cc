#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/terminal.h"
#include "store/maintenance.h"

namespace roost::cli {
namespace {

using nlohmann::json;

std::string Bytes(const json& object, const char* field) {
  const auto bytes = object.contains(field) ? Number(object[field]) : std::optional<double>{};
  return FormatBytes(static_cast<std::uint64_t>(bytes.value_or(0)));
}

Result<int> CollectGarbage(client::Client& client, bool dry_run, const std::string& grace,
                           bool as_json) {
  json body{{"dry_run", dry_run}};
  if (grace == "0") {
    body["grace_seconds"] = 0;
  } else if (!grace.empty()) {
    ROOST_ASSIGN(body["grace_seconds"], ParseDuration(grace));
  }
  ROOST_ASSIGN(const json report, client.PostPatiently("/admin/gc", body));
  if (as_json) {
    ROOST_TRY(PrintJson(report));
    return 0;
  }
  ROOST_TRY(WriteOut(fmt::format("{} {} deleted runs and {} blobs, {}\n",
                                 dry_run ? "Would remove" : "Removed", Text(report, "runs_removed"),
                                 Text(report, "blobs_removed"), Bytes(report, "bytes_freed"))));
  return 0;
}

Result<int> BackUp(client::Client& client, const std::string& folder) {
  const std::string absolute = fs::absolute(folder).lexically_normal().string();
  ROOST_ASSIGN(const json report, client.PostPatiently("/admin/backup", {{"folder", absolute}}));
  ROOST_TRY(WriteOut(fmt::format("Backed up {} files ({}) to {}\n", Text(report, "files"),
                                 Bytes(report, "bytes"), Text(report, "folder"))));
  return 0;
}

}  // namespace

void AddMaintenanceCommands(CLI::App& app, Context& context) {
  struct GcOptions {
    bool dry_run = false;
    bool as_json = false;
    std::string grace;
  };
  auto gc_options = std::make_shared<GcOptions>();
  CLI::App* gc = AddClientCommand(
      app, context, "gc", "Remove deleted runs for good, and what nothing refers to",
      [gc_options](client::Client& client) {
        return CollectGarbage(client, gc_options->dry_run, gc_options->grace, gc_options->as_json);
      });
  gc->add_flag("--dry-run", gc_options->dry_run, "Only tell what would be removed");
  gc->add_option("--grace", gc_options->grace,
                 "Spare unused blobs younger than this, such as 2h (default: 1h)");
  gc->add_flag("--json", gc_options->as_json, "Print JSON");

  auto backup_folder = std::make_shared<std::string>();
  AddClientCommand(
      app, context, "backup", "Write a consistent copy of everything while the server runs",
      [backup_folder](client::Client& client) { return BackUp(client, *backup_folder); })
      ->add_option("FOLDER", *backup_folder, "New folder on the server's machine")
      ->required();

  auto backup = std::make_shared<std::string>();
  AddCommand(app, context, "restore",
             "Make a data folder from a backup (for a run: `roost runs restore`)",
             [backup, &context]() -> Result<int> {
               // Never by default over the data folder in daily use.
               if (context.connection.data.empty()) {
                 return Fail(ErrorCode::kInvalidArgument,
                             "Name the new data folder with --data; a server is started on it with "
                             "`roost serve --data`.");
               }
               ROOST_TRY(store::Restore(*backup, context.connection.data));
               ROOST_TRY(WriteOut(fmt::format("Restored. Start it with   roost serve --data {}\n",
                                              context.connection.data)));
               return 0;
             })
      ->add_option("BACKUP", *backup, "Folder that `roost backup` wrote")
      ->required();
}

}  // namespace roost::cli
