#pragma once

#include <string>
#include <string_view>

namespace roost::spec {

// An http or https address as errors and logs may show it: without user and password, query and
// fragment, which may be secrets.
std::string ShownAddress(std::string_view url);

}  // namespace roost::spec
