#include "trainer/models/download.h"

namespace roost::trainer {

bool CanDownload() { return false; }

Status DownloadFile(const std::string& url, const std::filesystem::path&, const DownloadOptions&) {
  return Fail(ErrorCode::kUnavailable,
              "This roost-trainer was built without libcurl and cannot download " + url + ".");
}

}  // namespace roost::trainer
