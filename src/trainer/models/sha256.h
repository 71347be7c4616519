#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace roost::trainer {

// 64 lower-case hex digits. The names of torchvision's weight files end in the first eight.
Result<std::string> Sha256OfFile(const std::filesystem::path& path);

}  // namespace roost::trainer
