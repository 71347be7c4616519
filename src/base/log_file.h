#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace roost {

// Reading of growing log files. The files hold a child's raw output; these functions never load
// more than they return, so a log of many gigabytes costs nothing.

// The last `lines` lines (a file without a final newline counts its last part as a line), at most
// `max_bytes` of them.
Result<std::string> TailOfLog(const std::filesystem::path& path, std::uint64_t lines,
                              std::uint64_t max_bytes = 256 << 10);

// What a terminal would show: of each line, only what follows its last carriage return (a final one
// directly before the newline does not count). Erase-line escape sequences are dropped with it.
std::string FoldCarriageReturns(std::string_view text);

}  // namespace roost
