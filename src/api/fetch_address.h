#pragma once

#include <string>

#include "base/result.h"
#include "store/blobs.h"

namespace roost::api {

// Keeps what an http or https address gives now. Done by the program curl, which knows certificates
// and proxies; without it the error says so.
Result<store::BlobInfo> FetchAddress(store::Blobs& blobs, const std::string& url);

}  // namespace roost::api
