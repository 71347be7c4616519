#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"

namespace roost::trainer {

struct DownloadOptions {
  int extra_tries = 3;  // after the first, for what may pass: no connection, a server's 5xx
  std::chrono::milliseconds pause{3000};  // before each of them
  // A connection that is not there, or brings nothing, for this long has failed.
  std::chrono::milliseconds patience{60'000};
  std::uint64_t limit_bytes = std::uint64_t{8} << 30;
  std::string sha256_prefix;  // of the content, in hex; empty: any
  // Called from the downloading thread; `total` is 0 while unknown.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

// False where the trainer was built without libcurl.
bool CanDownload();

// Fetches an http or https address into `path`, which appears whole, checked and synced, or not at
// all. Follows redirects; proxies come from the environment (https_proxy, no_proxy), as curl's do.
// kUnavailable says why the address did not answer or answered wrong; errors of the disk keep their
// own code and are not tried again.
Status DownloadFile(const std::string& url, const std::filesystem::path& path,
                    const DownloadOptions& options);

}  // namespace roost::trainer
