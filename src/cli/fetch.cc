#include "cli/fetch.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "cli/terminal.h"

namespace roost::cli {

Result<FetchReport> FetchFiles(client::Client& client, const std::string& base,
                               const std::vector<client::RemoteFile>& files,
                               const fs::path& folder) {
  std::uint64_t total = 0;
  for (const client::RemoteFile& file : files) {
    total += file.size;
    if (!IsSafeRelativePath(file.path)) {
      return Fail(ErrorCode::kInternal, "The server names a file '" + OneLine(file.path) +
                                            "' that would leave the folder; nothing was fetched.");
    }
  }
  FetchReport report;
  std::uint64_t before = 0;
  ProgressBar bar("fetching");
  for (const client::RemoteFile& file : files) {
    const client::DownloadSource source{base + client::EncodePath(file.path), file.digest,
                                        file.size};
    ROOST_ASSIGN(const auto outcome, client::DownloadFile(client, source, folder / file.path,
                                                          [&](std::uint64_t done, std::uint64_t) {
                                                            bar.Update(before + done, total);
                                                          }));
    before += file.size;
    if (outcome == client::DownloadOutcome::kAlreadyThere) {
      ++report.already_there;
    } else {
      ++report.fetched;
      report.bytes += file.size;
    }
  }
  return report;
}

std::string ToText(const FetchReport& report, const fs::path& folder) {
  std::string text =
      fmt::format("{} {} ({}) in {}", report.fetched, report.fetched == 1 ? "file" : "files",
                  FormatBytes(report.bytes), folder.string());
  if (report.already_there > 0) {
    text += fmt::format("; {} {} there already", report.already_there,
                        report.already_there == 1 ? "was" : "were");
  }
  return text;
}

}  // namespace roost::cli
