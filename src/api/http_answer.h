#pragma once

#include <string>
#include <string_view>

#include "api/http_types.h"

namespace roost::api {

// "Not Found".
std::string_view StatusText(int status);

// Compresses a text body of more than 1 KiB when the client takes gzip and it gets smaller.
void CompressBody(const Request& request, Response* response);

// Appends status line and headers, with the empty line. `chunked` and `keep_alive` are decided by
// the connection.
void AppendHead(const Request& request, const Response& response, bool chunked, bool keep_alive,
                std::string* to);

}  // namespace roost::api
