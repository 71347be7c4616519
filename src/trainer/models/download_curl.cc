#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

#include "base/digest.h"
#include "base/files.h"
#include "trainer/models/download.h"
#include "trainer/models/sha256.h"

namespace roost::trainer {
namespace {

// A file beside the target, gone again unless it was renamed.
class PartialFile {
 public:
  explicit PartialFile(const fs::path& target)
      : path_(target.string() + "." + RandomHex(6) + ".part") {}
  ~PartialFile() {
    std::error_code ignored;
    if (!named_) fs::remove(path_, ignored);
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  Status Empty() {
    ROOST_ASSIGN(file_, OpenFile(path_, O_WRONLY | O_CREAT | O_TRUNC));
    return {};
  }
  Status Append(std::string_view piece) { return WriteAll(file_.get(), piece, path_); }
  Status Sync() {
    if (fsync(file_.get()) != 0) return Fail(ErrnoError("syncing " + path_.string(), errno));
    return {};
  }
  Status Name(const fs::path& target) {
    if (std::rename(path_.c_str(), target.c_str()) != 0) {
      return Fail(ErrnoError("renaming " + path_.string(), errno));
    }
    named_ = true;
    return SyncFolder(target.parent_path());
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  Fd file_;
  bool named_ = false;
};

// One try. curl calls back while it runs.
struct Transfer {
  const DownloadOptions& options;
  PartialFile& file;
  CURL* handle = nullptr;
  std::uint64_t done = 0;
  std::optional<Error> local_problem{};  // ours, not the server's
  bool too_large = false;

  static std::size_t Write(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::size_t bytes = size * count;
    if (bytes > transfer.options.limit_bytes - transfer.done) {
      transfer.too_large = true;
      return 0;
    }
    // The page of an error is no content; the status decides at the end.
    long status = 0;
    curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
      if (Status written = transfer.file.Append({data, bytes}); !written) {
        transfer.local_problem = written.error();
        return 0;
      }
    }
    transfer.done += bytes;
    return bytes;
  }
  static int Progress(void* self, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
    const auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.options.progress && done > 0) {
      transfer.options.progress(static_cast<std::uint64_t>(done),
                                static_cast<std::uint64_t>(std::max<curl_off_t>(total, 0)));
    }
    return 0;
  }
};

struct Outcome {
  std::string problem;  // of the server or the way there; empty: all well
  bool may_pass = false;
};

Result<Outcome> TryOnce(const std::string& url, PartialFile& file, const DownloadOptions& options) {
  ROOST_TRY(file.Empty());
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(),
                                                                   &curl_easy_cleanup);
  if (!handle) return Fail(ErrorCode::kInternal, "libcurl could not be started.");
  CURL* const curl = handle.get();
  Transfer transfer{.options = options, .file = file, .handle = curl};
  char reason[CURL_ERROR_SIZE] = "";
  const long patience_s = std::max<long>(1, static_cast<long>(options.patience.count() / 1000));
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.patience.count()));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, patience_s);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "roost-trainer");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::Write);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::Progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  const CURLcode code = curl_easy_perform(curl);

  if (transfer.local_problem) return Fail(*transfer.local_problem);
  if (transfer.too_large) {
    return Outcome{fmt::format("the answer has more than {} bytes", options.limit_bytes), false};
  }
  if (code != CURLE_OK) {
    return Outcome{*reason != '\0' ? reason : curl_easy_strerror(code),
                   code != CURLE_UNSUPPORTED_PROTOCOL && code != CURLE_URL_MALFORMAT};
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) {
    return Outcome{fmt::format("the server answered {}", status),
                   status >= 500 || status == 408 || status == 429};
  }
  return Outcome{};
}

// Content that arrived but is not the announced one: worth another try, a proxy may have mixed in.
Result<Outcome> CheckContent(const PartialFile& file, const DownloadOptions& options) {
  if (options.sha256_prefix.empty()) return Outcome{};
  ROOST_ASSIGN(const std::string sha256, Sha256OfFile(file.path()));
  if (sha256.starts_with(options.sha256_prefix)) return Outcome{};
  return Outcome{fmt::format("the content's SHA-256 is {}, which does not begin with {}", sha256,
                             options.sha256_prefix),
                 true};
}

}  // namespace

bool CanDownload() { return true; }

Status DownloadFile(const std::string& url, const std::filesystem::path& path,
                    const DownloadOptions& options) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) return Fail(ErrorCode::kInternal, "libcurl could not be started.");
  PartialFile file(path);
  for (int tries = 1;; ++tries) {
    ROOST_ASSIGN(Outcome outcome, TryOnce(url, file, options));
    if (outcome.problem.empty()) {
      ROOST_ASSIGN(outcome, CheckContent(file, options));
    }
    if (outcome.problem.empty()) {
      ROOST_TRY(file.Sync());
      return file.Name(path);
    }
    if (!outcome.may_pass || tries > options.extra_tries) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("{} ({} {})", outcome.problem, tries, tries == 1 ? "try" : "tries"));
    }
    std::this_thread::sleep_for(options.pause);
  }
}

}  // namespace roost::trainer
