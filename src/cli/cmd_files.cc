#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/fetch.h"
#include "cli/file_list.h"
#include "cli/format.h"
#include "cli/run_ref.h"
#include "cli/table.h"

namespace roost::cli {
namespace {

using nlohmann::json;

Result<int> ListFiles(client::Client& client, const std::string& reference,
                      const std::string& prefix, bool as_json) {
  ROOST_ASSIGN(const std::string run_id, FindRunId(client, reference));
  ROOST_ASSIGN(const auto files, client::ListRunFiles(client, run_id, prefix));
  return PrintFiles(files, as_json);
}

struct DownloadOptions {
  std::string run;
  std::vector<std::string> paths;
  std::string to;
};

// The files that a path names: itself, or all below it as a folder.
std::vector<client::RemoteFile> Select(const std::vector<client::RemoteFile>& files,
                                       std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  while (path.ends_with('/')) path.pop_back();
  std::vector<client::RemoteFile> selected;
  for (const client::RemoteFile& file : files) {
    if (path.empty() || file.path == path || file.path.starts_with(path + "/")) {
      selected.push_back(file);
    }
  }
  return selected;
}

Result<int> Download(client::Client& client, const DownloadOptions& options) {
  ROOST_ASSIGN(const std::string run_id, FindRunId(client, options.run));
  ROOST_ASSIGN(const auto files, client::ListRunFiles(client, run_id, ""));
  std::vector<client::RemoteFile> selected;
  for (const std::string& path :
       options.paths.empty() ? std::vector<std::string>{""} : options.paths) {
    const auto part = Select(files, path);
    if (part.empty()) {
      return Fail(ErrorCode::kNotFound,
                  fmt::format("The run {} has no file '{}'. `roost files {}` lists its files.",
                              run_id, path, run_id));
    }
    selected.insert(selected.end(), part.begin(), part.end());
  }
  const fs::path folder = options.to.empty() ? fs::path(run_id) : fs::path(options.to);
  ROOST_ASSIGN(const auto report,
               FetchFiles(client, RunPath(run_id) + "/files/", selected, folder));
  ROOST_TRY(WriteOut(ToText(report, folder) + "\n"));
  return 0;
}

// The archive is made while it is sent, so its size is not known before.
Result<int> Export(client::Client& client, const std::string& reference, std::string to) {
  ROOST_ASSIGN(const std::string run_id, FindRunId(client, reference));
  if (to.empty()) to = run_id + ".tar.gz";
  const fs::path part = to + ".roost-part";
  ROOST_ASSIGN(const Fd file, OpenFile(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC));
  std::uint64_t done = 0;
  ProgressBar bar("exporting");
  client::HttpRequest request;
  request.target = RunPath(run_id) + "/export";
  request.stall_limit = std::chrono::seconds(0);
  request.on_body = [&](std::string_view piece) -> Status {
    ROOST_TRY(WriteAll(file.get(), piece, part));
    done += piece.size();
    bar.Update(done, 0);
    return {};
  };
  if (auto sent = client.Send(std::move(request), false); !sent) {
    ::unlink(part.c_str());
    return Fail(sent.error());
  }
  if (::rename(part.c_str(), to.c_str()) != 0) {
    return Fail(ErrnoError("renaming " + part.string() + " to " + to, errno));
  }
  bar.Finish();
  ROOST_TRY(WriteOut(fmt::format("{} ({})\n", to, FormatBytes(done))));
  return 0;
}

}  // namespace

void AddFilesCommands(CLI::App& app, Context& context) {
  struct FilesOptions {
    std::string run, prefix;
    bool as_json = false;
  };
  auto listed = std::make_shared<FilesOptions>();
  CLI::App* files = AddClientCommand(
      app, context, "files", "List a run's files", [listed](client::Client& client) {
        return ListFiles(client, listed->run, listed->prefix, listed->as_json);
      });
  files->add_option("RUN", listed->run, "Id, start of an id, display name, or latest")->required();
  files->add_option("PREFIX", listed->prefix, "Only paths that start with this");
  files->add_flag("--json", listed->as_json, "Print JSON");

  auto fetched = std::make_shared<DownloadOptions>();
  CLI::App* download =
      AddClientCommand(app, context, "download", "Download a run's files, checked and resumable",
                       [fetched](client::Client& client) { return Download(client, *fetched); });
  download->add_option("RUN", fetched->run, "Id, start of an id, display name, or latest")
      ->required();
  download->add_option("PATH", fetched->paths, "Files or folders (default: all)");
  download->add_option("--to", fetched->to, "Target folder (default: the run's id)");

  struct ExportOptions {
    std::string run, to;
  };
  auto exported = std::make_shared<ExportOptions>();
  CLI::App* export_command = AddClientCommand(
      app, context, "export",
      "Write a run (definition, logs, metrics, files, snapshot) as one .tar.gz",
      [exported](client::Client& client) -> Result<int> {
        // Not required of the parser, since the command has commands below it.
        if (exported->run.empty()) {
          return Fail(ErrorCode::kInvalidArgument,
                      "RUN is required.\nRun `roost export --help` for what it takes.");
        }
        return Export(client, exported->run, exported->to);
      });
  export_command->add_option("RUN", exported->run, "Id, start of an id, display name, or latest");
  export_command->add_option("--to", exported->to, "Target file (default: <run id>.tar.gz)");
}

}  // namespace roost::cli
