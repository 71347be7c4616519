#include "api/fetch_address.h"

#include <unistd.h>

#include "base/strings.h"
#include "base/subprocess.h"

namespace roost::api {
namespace {

constexpr std::chrono::minutes kLimit{60};

}  // namespace

Result<store::BlobInfo> FetchAddress(store::Blobs& blobs, const std::string& url) {
  SubprocessOptions options;
  options.environment = CurrentEnvironment();
  const auto curl = FindProgram("curl", options.environment["PATH"]);
  if (!curl) {
    return Fail(ErrorCode::kUnavailable,
                "The server needs the program curl to fetch " + url +
                    ", and does not find it. Install it, or fetch the file yourself and upload it "
                    "to a datastore.");
  }
  const fs::path file = blobs.folder() / "tmp" / ("url-" + RandomHex(8));
  options.argv = {curl->string(),
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
                  "--output",
                  file.string(),
                  "--",
                  url};
  options.new_session = true;
  const auto fetched = RunAndCapture(options, kLimit);
  Result<store::BlobInfo> kept = Fail(ErrorCode::kInvalidArgument, "");
  if (!fetched) {
    kept = Fail(fetched.error());
  } else if (fetched->status.code != 0) {
    kept = Fail(ErrorCode::kInvalidArgument, "The address " + url + " could not be fetched: " +
                                                 std::string(Trim(ToValidUtf8(fetched->errors))));
  } else {
    kept = blobs.PutFile(file);
  }
  ::unlink(file.c_str());
  return kept;
}

}  // namespace roost::api
