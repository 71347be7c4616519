#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/http_types.h"

namespace roost::api {

// Decodes %XX once ('+' too when `plus_is_blank`). None: a broken escape, or a NUL byte.
std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_blank);
// Every byte but unreserved ones and '/' as %XX.
std::string PercentEncodePath(std::string_view path);

// Splits a request target into path (not decoded) and query (decoded). False: broken escapes, or
// no absolute path.
bool ParseTarget(std::string_view target, std::string* path, Query* query);

}  // namespace roost::api
