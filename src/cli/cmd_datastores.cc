#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/file_list.h"
#include "cli/format.h"
#include "cli/table.h"
#include "roost/data.h"

namespace roost::cli {
namespace {

using nlohmann::json;

std::string DatastorePath(const std::string& name) {
  return "/datastores/" + client::EncodePart(name);
}

Result<int> List(client::Client& client, bool as_json) {
  ROOST_ASSIGN(const json datastores, client.GetItems("/datastores", {}, 0));
  if (as_json) {
    ROOST_TRY(PrintJson({{"items", datastores}}));
    return 0;
  }
  Table table({{"DATASTORE", false, true}, {"TYPE"}, {"FOLDER", false, true}, {""}});
  for (const json& datastore : datastores) {
    std::string marks = datastore.value("is_default", false) ? "default" : "";
    if (datastore.value("read_only", false)) marks += marks.empty() ? "read only" : ", read only";
    table.AddRow(
        {Text(datastore, "name"), Text(datastore, "type"), Text(datastore, "path"), marks});
  }
  ROOST_TRY(table.Print());
  return 0;
}

Result<int> Files(client::Client& client, const std::string& name, const std::string& prefix,
                  bool as_json) {
  ROOST_ASSIGN(const auto files, client::ListDatastoreFiles(client, name, prefix));
  return PrintFiles(files, as_json);
}

}  // namespace

void AddDatastoresCommands(CLI::App& app, Context& context) {
  auto list_json = std::make_shared<bool>(false);
  CLI::App* datastores = AddClientCommand(
      app, context, "datastores", "List datastores; add a folder, remove one, list files",
      [list_json](client::Client& client) { return List(client, *list_json); });
  datastores->add_flag("--json", *list_json, "Print JSON");
  CLI::App* list =
      AddClientCommand(*datastores, context, "list", "List datastores",
                       [list_json](client::Client& client) { return List(client, *list_json); });
  list->add_flag("--json", *list_json, "Print JSON");

  struct AddOptions {
    std::string name, folder;
    bool is_default = false;
    bool read_only = false;
  };
  auto added = std::make_shared<AddOptions>();
  CLI::App* add = AddClientCommand(
      *datastores, context, "add", "Make a folder of the server's machine a datastore",
      [added](client::Client& client) -> Result<int> {
        const std::string folder = fs::absolute(added->folder).lexically_normal().string();
        ROOST_ASSIGN(const json made,
                     client.Post("/datastores", {{"name", added->name},
                                                 {"path", folder},
                                                 {"is_default", added->is_default},
                                                 {"read_only", added->read_only}}));
        ROOST_TRY(
            WriteOut(fmt::format("Datastore {} is {}\n", Text(made, "name"), Text(made, "path"))));
        return 0;
      });
  add->add_option("NAME", added->name, "The datastore's name")->required();
  add->add_option("FOLDER", added->folder, "A folder on the server's machine")->required();
  add->add_flag("--default", added->is_default, "Make it the default datastore");
  add->add_flag("--read-only", added->read_only, "Nothing is written to it");

  auto removed = std::make_shared<std::string>();
  CLI::App* remove = AddClientCommand(
      *datastores, context, "remove", "Forget a folder; its files stay",
      [removed](client::Client& client) -> Result<int> {
        ROOST_TRY(client.Delete(DatastorePath(*removed)));
        ROOST_TRY(WriteOut(fmt::format("Datastore {} is gone; its files stay.\n", *removed)));
        return 0;
      });
  remove->add_option("NAME", *removed, "The datastore's name")->required();

  auto chosen = std::make_shared<std::string>();
  CLI::App* make_default = AddClientCommand(
      *datastores, context, "default", "Make a datastore the default one",
      [chosen](client::Client& client) -> Result<int> {
        ROOST_TRY(client.Patch(DatastorePath(*chosen), {{"is_default", true}}));
        ROOST_TRY(WriteOut(fmt::format("Datastore {} is the default one.\n", *chosen)));
        return 0;
      });
  make_default->add_option("NAME", *chosen, "The datastore's name")->required();

  struct FilesOptions {
    std::string name, prefix;
    bool as_json = false;
  };
  auto files = std::make_shared<FilesOptions>();
  CLI::App* listed = AddClientCommand(
      *datastores, context, "files", "List a datastore's files", [files](client::Client& client) {
        return Files(client, files->name, files->prefix, files->as_json);
      });
  listed->add_option("NAME", files->name, "The datastore's name")->required();
  listed->add_option("PREFIX", files->prefix, "Only paths that start with this");
  listed->add_flag("--json", files->as_json, "Print JSON");
}

}  // namespace roost::cli
