#include "api/fetch_address.h"

#include <unistd.h>

#include "base/strings.h"
#include "base/subprocess.h"
#include "spec/shown_address.h"

namespace roost::api {
namespace {

constexpr std::chrono::minutes kLimit{60};
constexpr std::uint64_t kMaxBytes = 100ULL << 30;

// A line of curl's own settings; on its command line everybody on the machine could read it.
std::string SettingOfAddress(const std::string& url) {
  std::string line = "url = \"";
  for (const char c : url) {
    if (c == '"' || c == '\\') line += '\\';
    line += c;
  }
  return line + "\"\n";
}

}  // namespace

Result<store::BlobInfo> FetchAddress(store::Blobs& blobs, const std::string& url) {
  const std::string shown = spec::ShownAddress(url);
  SubprocessOptions options;
  options.environment = CurrentEnvironment();
  const auto curl = FindProgram("curl", options.environment["PATH"]);
  if (!curl) {
    return Fail(ErrorCode::kUnavailable,
                "The server needs the program curl to fetch " + shown +
                    ", and does not find it. Install it, or fetch the file yourself and upload it "
                    "to a datastore.");
  }
  const fs::path file = blobs.folder() / "tmp" / ("url-" + RandomHex(8));
  ROOST_ASSIGN(const Fd settings, MemoryFile(SettingOfAddress(url)));
  options.stdin_fd = settings.get();
  options.argv = {curl->string(),
                  "-q",  // first, or it reads settings of the server's user
                  "--silent",
                  "--show-error",
                  "--fail",
                  "--location",
                  "--proto",
                  "=http,https",
                  "--retry",
                  "2",
                  "--globoff",
                  "--connect-timeout",
                  "20",
                  "--speed-limit",
                  "1",
                  "--speed-time",
                  "60",
                  "--max-filesize",
                  std::to_string(kMaxBytes),
                  "--output",
                  file.string(),
                  "--config",
                  "-"};
  options.new_session = true;
  const auto fetched = RunAndCapture(options, kLimit);
  Result<store::BlobInfo> kept = Fail(ErrorCode::kInvalidArgument, "");
  if (!fetched) {
    kept = Fail(fetched.error());
  } else if (fetched->status.code != 0) {
    kept = Fail(ErrorCode::kInvalidArgument, "The address " + shown + " could not be fetched: " +
                                                 std::string(Trim(ToValidUtf8(fetched->errors))));
  } else {
    kept = blobs.PutFile(file);
  }
  ::unlink(file.c_str());
  return kept;
}

}  // namespace roost::api
