#pragma once

#include <string_view>

namespace roost::api {

// Files that travel inside the program; embed.cmake writes their bytes at build time.
std::string_view EmbeddedPage();      // page/index.html
std::string_view EmbeddedContract();  // api/openapi.yaml

}  // namespace roost::api
