#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/data_words.h"
#include "cli/fetch.h"
#include "cli/file_list.h"
#include "cli/format.h"
#include "cli/table.h"
#include "roost/data.h"
#include "spec/data_definition.h"

namespace roost::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kRunsShown = 20;

std::string Size(const json& object) {
  const auto bytes = Number(object.value("bytes", json()));
  return bytes ? FormatBytes(static_cast<std::uint64_t>(*bytes)) : "";
}

std::string Files(std::uint64_t count) {
  return fmt::format("{} {}", count, count == 1 ? "file" : "files");
}

std::string PathText(const json& path) {
  if (path.contains("url")) return Text(path, "url");
  return Text(path, "datastore") + ":" + Text(path, "path");
}

Result<int> ListData(client::Client& client, bool as_json) {
  ROOST_ASSIGN(const json datasets, client.GetItems("/datasets", {}, 0));
  if (as_json) {
    ROOST_TRY(PrintJson({{"items", datasets}}));
    return 0;
  }
  if (datasets.empty()) {
    ROOST_TRY(WriteOut("No dataset is registered yet.\n"));
    return 0;
  }
  Table table(
      {{"DATASET", false, true}, {"VERSION", true}, {"FILES", true}, {"SIZE", true}, {"CREATED"}});
  for (const json& dataset : datasets) {
    table.AddRow({Text(dataset, "name"), Text(dataset, "version"), Text(dataset, "file_count"),
                  Size(dataset), Ago(dataset.value("created_at", json()), SystemClock().Now())});
  }
  ROOST_TRY(table.Print());
  return 0;
}

// Which runs read and wrote it: "read by      night-owl (run_1, Completed)".
std::string LineageText(const json& runs, const std::string& dataset) {
  std::string text;
  std::size_t lines = 0;
  for (const json& run : runs) {
    for (const auto& [list, word] : {std::pair("inputs", "read by"), {"outputs", "written by"}}) {
      if (run.value(list, json::array()).empty() || ++lines > kRunsShown) continue;
      text += fmt::format("{:<13}{} ({}, {})\n", word, OneLine(Text(run, "display_name")),
                          Text(run, "run_id"), Text(run, "status"));
    }
  }
  if (lines > kRunsShown) {
    text += fmt::format("             and {} more: roost data show {} --json\n", lines - kRunsShown,
                        dataset);
  }
  return text;
}

Result<int> ShowData(client::Client& client, const std::string& reference, bool with_files,
                     bool as_json) {
  ROOST_ASSIGN(json dataset, FindDataset(client, reference));
  std::vector<client::RemoteFile> files;
  if (with_files) {
    ROOST_ASSIGN(files, client::ListDatasetFiles(client, Text(dataset, "dataset_id")));
  }
  ROOST_ASSIGN(const json runs,
               client.GetItems("/dataset-ids/" + Text(dataset, "dataset_id") + "/runs", {}, 0));
  if (as_json) {
    dataset["runs"] = runs;
    if (with_files) dataset["files"] = FilesJson(files);
    ROOST_TRY(PrintJson(dataset));
    return 0;
  }
  std::string text = fmt::format("id           {}\n", Text(dataset, "dataset_id"));
  if (!Text(dataset, "name").empty()) {
    text += fmt::format("name         {}\nversion      {}\n", Text(dataset, "name"),
                        Text(dataset, "version"));
  }
  for (const json& path : dataset.value("paths", json::array())) {
    text += fmt::format("path         {}\n", PathText(path));
  }
  text += fmt::format("files        {}\nsize         {}\ncreated      {}\n",
                      Text(dataset, "file_count"), Size(dataset),
                      LocalTime(dataset.value("created_at", json())));
  if (!Text(dataset, "description").empty()) {
    text += fmt::format("description  {}\n", Text(dataset, "description"));
  }
  for (const auto& [key, value] : dataset.value("tags", json::object()).items()) {
    text += fmt::format("tag          {}={}\n", key, PlainText(value));
  }
  ROOST_TRY(WriteOut(text + LineageText(runs, reference)));
  if (with_files) ROOST_TRY(PrintFileTable(files));
  return 0;
}

struct DefineOptions {
  std::string name, description;
  std::vector<std::string> paths, tags;
  bool new_version = false;
  bool as_json = false;
};

Result<json> Define(client::Client& client, const DefineOptions& options, json paths) {
  json body{{"name", options.name},
            {"description", options.description},
            {"create_new_version", options.new_version},
            {"paths", std::move(paths)},
            {"tags", json::object()}};
  for (const std::string& text : options.tags) {
    ROOST_ASSIGN(const KeyValue pair, ParseKeyValue(text, "--tag", false));
    body["tags"][pair.key] = *pair.value;
  }
  return client.PostPatiently("/datasets", body);
}

std::string Registered(const json& dataset) {
  return fmt::format("Dataset {} version {} ({} files, {}).\n", Text(dataset, "name"),
                     Text(dataset, "version"), Text(dataset, "file_count"), Size(dataset));
}

Result<int> RegisterData(client::Client& client, const DefineOptions& options) {
  json paths = json::array();
  for (const std::string& path : options.paths) paths.push_back(DataPathOf(path));
  ROOST_ASSIGN(const json dataset, Define(client, options, std::move(paths)));
  if (options.as_json) {
    ROOST_TRY(PrintJson(dataset));
  } else {
    ROOST_TRY(WriteOut(Registered(dataset)));
  }
  return 0;
}

struct UploadOptions {
  std::string path, datastore, target;
  bool overwrite = false;
  DefineOptions define;
};

Result<std::string> DefaultDatastore(client::Client& client) {
  ROOST_ASSIGN(const json all, client.GetItems("/datastores", {}, 0));
  for (const json& datastore : all) {
    if (datastore.value("is_default", false)) return Text(datastore, "name");
  }
  return std::string(spec::kBlobDatastore);
}

Result<int> Upload(client::Client& client, const UploadOptions& options) {
  ROOST_ASSIGN(const client::FolderSnapshot data, client::ReadDataFolder(options.path));
  if (data.manifest.files.empty()) {
    return Fail(ErrorCode::kInvalidArgument, options.path + " has no files to upload.");
  }
  std::string datastore = options.datastore;
  if (datastore.empty()) {
    ROOST_ASSIGN(datastore, DefaultDatastore(client));
  }
  ROOST_ASSIGN(const std::string target, spec::NormalisedDataPath(options.target));
  client::SentData sent;
  {
    ProgressBar bar("uploading");
    ROOST_ASSIGN(sent, client::SendData(client, datastore, data, target, options.overwrite,
                                        [&](std::uint64_t done, std::uint64_t total) {
                                          bar.Update(done, total);
                                        }));
  }
  const std::string place = datastore + (target.empty() ? "" : ":" + target);
  const std::string told =
      fmt::format("{} added to {}, {} there already; {} sent.\n", Files(sent.added), place,
                  sent.unchanged, FormatBytes(sent.bytes_sent));
  if (!options.define.as_json) ROOST_TRY(WriteOut(told));
  if (options.define.name.empty()) {
    if (options.define.as_json) {
      ROOST_TRY(PrintJson({{"datastore", datastore},
                           {"path", target},
                           {"added", sent.added},
                           {"unchanged", sent.unchanged},
                           {"bytes_sent", sent.bytes_sent}}));
    }
    return 0;
  }
  // One file is a dataset of that file, so that a run gets its path.
  const bool one = !fs::is_directory(options.path);
  const std::string file = data.manifest.files.front().path;
  const std::string path = !one ? target : target.empty() ? file : target + "/" + file;
  const json paths = json::array({{{"datastore", datastore}, {"path", path}}});
  ROOST_ASSIGN(const json dataset, Define(client, options.define, paths));
  if (options.define.as_json) {
    ROOST_TRY(PrintJson(dataset));
  } else {
    ROOST_TRY(WriteOut(Registered(dataset)));
  }
  return 0;
}

Result<int> Download(client::Client& client, const std::string& reference, std::string to) {
  ROOST_ASSIGN(const json dataset, FindDataset(client, reference));
  const std::string id = Text(dataset, "dataset_id");
  ROOST_ASSIGN(const auto files, client::ListDatasetFiles(client, id));
  if (to.empty()) to = Text(dataset, "name").empty() ? id : Text(dataset, "name");
  ROOST_ASSIGN(const auto report, FetchFiles(client, "/dataset-ids/" + id + "/files/", files, to));
  ROOST_TRY(WriteOut(ToText(report, to) + "\n"));
  return 0;
}

Result<int> Unregister(client::Client& client, const std::string& name) {
  ROOST_TRY(client.Delete("/datasets/" + client::EncodePart(name)));
  ROOST_TRY(
      WriteOut(fmt::format("The name {} is gone; runs that read it keep their data.\n", name)));
  return 0;
}

void AddDefineOptions(CLI::App& command, DefineOptions& options) {
  command.add_option("--description", options.description, "Description");
  command.add_option("--tag,-t", options.tags, "Tag KEY=VALUE, repeatable")
      ->allow_extra_args(false);
  command.add_flag("--new-version", options.new_version,
                   "Make the next version when the name has another definition");
  command.add_flag("--json", options.as_json, "Print JSON");
}

void AddUpload(CLI::App& data, Context& context) {
  auto options = std::make_shared<UploadOptions>();
  CLI::App* command =
      AddClientCommand(data, context, "upload", "Bring a folder or a file into a datastore",
                       [options](client::Client& client) { return Upload(client, *options); });
  command->add_option("PATH", options->path, "Folder or file on this machine")->required();
  command->add_option("--datastore", options->datastore, "Datastore (default: the default one)");
  command->add_option("--to", options->target, "Folder in the datastore (default: its root)");
  command->add_flag("--overwrite", options->overwrite, "Replace files of another content");
  command->add_option("--name", options->define.name, "Register a dataset of what was uploaded");
  AddDefineOptions(*command, options->define);
}

}  // namespace

void AddDataCommands(CLI::App& app, Context& context) {
  auto list_json = std::make_shared<bool>(false);
  CLI::App* data = AddClientCommand(
      app, context, "data", "List datasets; upload, register, show, download",
      [list_json](client::Client& client) { return ListData(client, *list_json); });
  data->add_flag("--json", *list_json, "Print JSON");
  CLI::App* list = AddClientCommand(
      *data, context, "list", "List the newest version of every dataset",
      [list_json](client::Client& client) { return ListData(client, *list_json); });
  list->add_flag("--json", *list_json, "Print JSON");
  AddUpload(*data, context);

  auto define = std::make_shared<DefineOptions>();
  CLI::App* command =
      AddClientCommand(*data, context, "register", "Define a dataset of what lies in datastores",
                       [define](client::Client& client) { return RegisterData(client, *define); });
  command->add_option("NAME", define->name, "The dataset's name")->required();
  command
      ->add_option("PATH", define->paths,
                   "DATASTORE:PATH (a file, a folder, or with wildcards), or an http(s) address")
      ->required();
  AddDefineOptions(*command, *define);

  struct ShowOptions {
    std::string reference;
    bool with_files = false;
    bool as_json = false;
  };
  auto shown = std::make_shared<ShowOptions>();
  CLI::App* show =
      AddClientCommand(*data, context, "show", "Show a dataset", [shown](client::Client& client) {
        return ShowData(client, shown->reference, shown->with_files, shown->as_json);
      });
  show->add_option("NAME[:VERSION]", shown->reference, "The dataset, or its id")->required();
  show->add_flag("--files", shown->with_files, "List its files");
  show->add_flag("--json", shown->as_json, "Print JSON");

  struct DownloadOptions {
    std::string reference, to;
  };
  auto fetched = std::make_shared<DownloadOptions>();
  CLI::App* download =
      AddClientCommand(*data, context, "download", "Download a dataset, checked and resumable",
                       [fetched](client::Client& client) {
                         return Download(client, fetched->reference, fetched->to);
                       });
  download->add_option("NAME[:VERSION]", fetched->reference, "The dataset, or its id")->required();
  download->add_option("--to", fetched->to, "Target folder (default: the dataset's name)");

  auto gone = std::make_shared<std::string>();
  CLI::App* unregister =
      AddClientCommand(*data, context, "unregister", "Take the name from all versions of a dataset",
                       [gone](client::Client& client) { return Unregister(client, *gone); });
  unregister->add_option("NAME", *gone, "The dataset's name")->required();
}

}  // namespace roost::cli
