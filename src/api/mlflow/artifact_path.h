#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace roost::api::mlflow {

// A path that a client sent, as a path below a root: escapes are undone until nothing changes, as
// MLflow's server does it, so that no encoding hides what it leads to; '.' and a last slash go.
// Whatever could lead elsewhere (`..`, an absolute path, a drive, a file: URL, a backslash, '#',
// control characters) is INVALID_PARAMETER_VALUE. Empty: the root itself.
Result<std::string> SafePath(std::string_view sent);

}  // namespace roost::api::mlflow
