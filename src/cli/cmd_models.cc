#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/digest.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/fetch.h"
#include "cli/format.h"
#include "cli/run_ref.h"
#include "cli/table.h"
#include "roost/upload.h"

namespace roost::cli {
namespace {

using nlohmann::json;

std::string ModelPath(const std::string& name) { return "/models/" + client::EncodePart(name); }

Result<int> ListModels(client::Client& client, bool as_json) {
  ROOST_ASSIGN(const json models, client.GetItems("/models", {}, 0));
  if (as_json) {
    ROOST_TRY(PrintJson({{"items", models}}));
    return 0;
  }
  if (models.empty()) {
    ROOST_TRY(WriteOut("No model is registered yet.\n"));
    return 0;
  }
  Table table({{"MODEL", false, true}, {"LATEST", true}, {"UPDATED"}});
  for (const json& model : models) {
    table.AddRow({Text(model, "name"), Text(model, "latest_version"),
                  Ago(model.value("updated_at", json()), SystemClock().Now())});
  }
  ROOST_TRY(table.Print());
  return 0;
}

std::string JoinedAliases(const json& version) {
  std::vector<std::string> aliases;
  for (const json& alias : version.value("aliases", json::array())) {
    aliases.push_back(PlainText(alias));
  }
  return Join(aliases, " ");
}

Result<int> ShowModel(client::Client& client, const std::string& name, bool as_json) {
  ROOST_ASSIGN(const json model, client.Get(ModelPath(name)));
  if (as_json) {
    ROOST_TRY(PrintJson(model));
    return 0;
  }
  if (model.value("versions", json::array()).empty()) {
    ROOST_TRY(WriteOut("The model " + name + " has no version yet.\n"));
    return 0;
  }
  Table table({{"VERSION", true},
               {"CREATED"},
               {"FILES", true},
               {"SIZE", true},
               {"RUN", false, true},
               {"BY", false, true},
               {"STAGE"},
               {"ALIASES", false, true},
               {"TAGS", false, true}});
  for (const json& version : model.value("versions", json::array())) {
    std::string tags;
    if (version.contains("tags") && version["tags"].is_object()) {
      for (const auto& [key, value] : version["tags"].items()) {
        tags += (tags.empty() ? "" : " ") + key + "=" + PlainText(value);
      }
    }
    const std::string stage = Text(version, "stage");
    const auto bytes = Number(version.value("bytes", json()));
    table.AddRow(
        {Text(version, "version"), Ago(version.value("created_at", json()), SystemClock().Now()),
         Text(version, "file_count"), bytes ? FormatBytes(static_cast<std::uint64_t>(*bytes)) : "",
         Text(version, "run_id"), Text(version, "submitter"), stage == "None" ? "" : stage,
         JoinedAliases(version), tags});
  }
  ROOST_TRY(table.Print());
  return 0;
}

struct RegisterOptions {
  std::string name, run, path, description, framework, framework_version;
  std::vector<std::string> tags, properties;
  bool as_json = false;
};

// The files of a local path: the file itself, or all below the folder.
Result<std::vector<client::BlobSource>> LocalFiles(const fs::path& path, json& listed) {
  std::vector<client::BlobSource> blobs;
  const auto add = [&](const fs::path& file, const std::string& name) -> Status {
    ROOST_ASSIGN(const Digest digest, DigestOfFile(file));
    std::error_code ignored;
    const std::uint64_t size = fs::file_size(file, ignored);
    blobs.push_back({digest, size, file});
    listed.push_back({{"path", name}, {"digest", digest.ToText()}, {"size", size}});
    return {};
  };
  if (fs::is_directory(path)) {
    ROOST_ASSIGN(const auto entries, ListTree(path));
    for (const TreeEntry& entry : entries) ROOST_TRY(add(path / entry.path, entry.path));
  } else {
    ROOST_TRY(add(path, path.filename().string()));
  }
  if (blobs.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("The folder {} has no files to register.", path.string()));
  }
  return blobs;
}

Result<json> StringMap(const std::vector<std::string>& texts, std::string_view option) {
  json map = json::object();
  for (const std::string& text : texts) {
    ROOST_ASSIGN(const KeyValue pair, ParseKeyValue(text, option, false));
    map[pair.key] = *pair.value;
  }
  return map;
}

Result<int> Register(client::Client& client, const RegisterOptions& options) {
  json body{{"name", options.name}, {"description", options.description}};
  ROOST_ASSIGN(body["tags"], StringMap(options.tags, "--tag"));
  ROOST_ASSIGN(body["properties"], StringMap(options.properties, "--property"));
  if (!options.framework.empty()) body["framework"] = options.framework;
  if (!options.framework_version.empty()) body["framework_version"] = options.framework_version;
  if (!options.run.empty()) {
    ROOST_ASSIGN(body["run_id"], FindRunId(client, options.run));
    if (!options.path.empty()) body["path"] = options.path;
  } else if (!options.path.empty()) {
    json listed = json::array();
    ROOST_ASSIGN(const auto blobs, LocalFiles(options.path, listed));
    ProgressBar bar("sending " + options.name);
    ROOST_TRY(client::SendBlobs(
        client, blobs, [&](std::uint64_t done, std::uint64_t total) { bar.Update(done, total); }));
    body["files"] = listed;
    body["source"] = fs::absolute(options.path).lexically_normal().string();
  } else {
    return Fail(ErrorCode::kInvalidArgument,
                "Name what to register: --run RUN --path PATH for a run's files, --path FILE or "
                "FOLDER for files on this machine.");
  }
  ROOST_ASSIGN(const json version, client.Post("/models", body, RandomHex(16)));
  if (options.as_json) {
    ROOST_TRY(PrintJson(version));
    return 0;
  }
  const auto bytes = Number(version.value("bytes", json()));
  const std::string count = Text(version, "file_count");
  ROOST_TRY(WriteOut(fmt::format("Registered {} version {} ({} {}, {}).\n", Text(version, "name"),
                                 Text(version, "version"), count, count == "1" ? "file" : "files",
                                 FormatBytes(static_cast<std::uint64_t>(bytes.value_or(0))))));
  return 0;
}

// "name:3", "name:latest", "name".
Result<int> DownloadModel(client::Client& client, const std::string& reference, std::string to) {
  const auto colon = reference.rfind(':');
  const std::string name = reference.substr(0, colon);
  const std::string asked = colon == std::string::npos ? "latest" : reference.substr(colon + 1);
  ROOST_ASSIGN(const json version,
               client.Get(ModelPath(name) + "/versions/" + client::EncodePart(asked)));
  // From here on the number, so that a version registered meanwhile does not mix in.
  const std::string number = Text(version, "version");
  ROOST_ASSIGN(const auto files, client::ListModelFiles(client, name, number));
  if (to.empty()) to = name + "-" + number;
  ROOST_ASSIGN(const auto report,
               FetchFiles(client, ModelPath(name) + "/versions/" + number + "/files/", files, to));
  ROOST_TRY(WriteOut(ToText(report, to) + "\n"));
  return 0;
}

void AddRegister(CLI::App& models, Context& context) {
  auto options = std::make_shared<RegisterOptions>();
  CLI::App* command =
      AddClientCommand(models, context, "register",
                       "Register a run's files, or local ones, as a model's next version",
                       [options](client::Client& client) { return Register(client, *options); });
  command->add_option("NAME", options->name, "The model's name")->required();
  command->add_option("--run", options->run, "Run whose files are registered");
  command->add_option("--path", options->path,
                      "With --run: a file or folder of the run (default: the model's name); "
                      "without: a file or folder of this machine");
  command->add_option("--description", options->description, "Description");
  command->add_option("--tag,-t", options->tags, "Tag KEY=VALUE, repeatable")
      ->allow_extra_args(false);
  command->add_option("--property", options->properties, "Property KEY=VALUE, repeatable")
      ->allow_extra_args(false);
  command->add_option("--framework", options->framework, "Such as PyTorch");
  command->add_option("--framework-version", options->framework_version, "Such as 2.4.1");
  command->add_flag("--json", options->as_json, "Print JSON");
}

}  // namespace

void AddModelsCommands(CLI::App& app, Context& context) {
  struct ListOptions {
    std::string name;
    bool as_json = false;
  };
  auto listed = std::make_shared<ListOptions>();
  CLI::App* models = AddClientCommand(
      app, context, "models", "List models or a model's versions; register, download",
      [listed](client::Client& client) {
        return listed->name.empty() ? ListModels(client, listed->as_json)
                                    : ShowModel(client, listed->name, listed->as_json);
      });
  models->add_option("NAME", listed->name, "Show this model's versions");
  models->add_flag("--json", listed->as_json, "Print JSON");
  AddRegister(*models, context);

  struct DownloadOptions {
    std::string reference, to;
  };
  auto fetched = std::make_shared<DownloadOptions>();
  CLI::App* download = AddClientCommand(
      *models, context, "download", "Download a model's files, checked and resumable",
      [fetched](client::Client& client) {
        return DownloadModel(client, fetched->reference, fetched->to);
      });
  download->add_option("NAME[:VERSION]", fetched->reference, "The model (default: latest)")
      ->required();
  download->add_option("--to", fetched->to, "Target folder (default: <name>-<version>)");
}

}  // namespace roost::cli
