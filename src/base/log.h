#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace roost {

// The server's own structured log: one JSON object a line with time, level, event and fields.
//   LogInfo("run_started", {{"run", id}, {"attempt", "1"}});
// Never holds tokens or a script's output.
using LogFields = std::initializer_list<std::pair<std::string_view, std::string>>;

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Until called, lines go to stderr from kWarning up. With a file, lines are appended to it (turned
// over at 32 MiB, three kept).
Status SetUpLog(LogLevel level, const std::filesystem::path& file_or_empty);
void Log(LogLevel level, std::string_view event, LogFields fields);
inline void LogInfo(std::string_view event, LogFields fields = {}) {
  Log(LogLevel::kInfo, event, fields);
}
inline void LogWarning(std::string_view event, LogFields fields = {}) {
  Log(LogLevel::kWarning, event, fields);
}
inline void LogError(std::string_view event, LogFields fields = {}) {
  Log(LogLevel::kError, event, fields);
}

}  // namespace roost
