#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace roost::api::mlflow {

// Page tokens that say how many were given so far; opaque to clients.
std::string OffsetToken(std::size_t offset);
// 0 for no token; INVALID_PARAMETER_VALUE for one that is broken.
Result<std::size_t> ReadOffsetToken(const std::string& token);

}  // namespace roost::api::mlflow
