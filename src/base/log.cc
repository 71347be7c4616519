// A started child must not inherit the log's file.
#define SPDLOG_PREVENT_CHILD_FD

#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/strings.h"

namespace roost {
namespace {

constexpr std::size_t kMaxFileBytes = 32 << 20;
constexpr std::size_t kOldFilesKept = 3;

std::shared_ptr<spdlog::logger> MakeLogger(spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("roost", std::move(sink));
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);
  // Each line reaches the file at once, so that a kill loses none.
  logger->flush_on(spdlog::level::trace);
  return logger;
}

struct LogState {
  std::atomic<LogLevel> level{LogLevel::kWarning};
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> logger =  // guarded by mutex; itself thread-safe
      MakeLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
};

// Never destroyed: threads may log until the very end.
LogState& State() {
  static LogState& state = *new LogState;
  return state;
}

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

void AppendJsonText(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : ToValidUtf8(text)) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void AppendField(std::string& line, std::string_view name, std::string_view value) {
  line += line.empty() ? '{' : ',';
  AppendJsonText(line, name);
  line += ':';
  AppendJsonText(line, value);
}

}  // namespace

Status SetUpLog(LogLevel level, const std::filesystem::path& file_or_empty) {
  spdlog::sink_ptr sink;
  try {
    if (file_or_empty.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(file_or_empty.string(),
                                                                    kMaxFileBytes, kOldFilesKept);
    }
  } catch (const spdlog::spdlog_ex& error) {
    return Fail(ErrorCode::kPermissionDenied, fmt::format("The log file {} cannot be written: {}",
                                                          file_or_empty.string(), error.what()));
  }
  LogState& state = State();
  const std::lock_guard lock(state.mutex);
  state.logger = MakeLogger(std::move(sink));
  state.level = level;
  return {};
}

void Log(LogLevel level, std::string_view event, LogFields fields) {
  LogState& state = State();
  if (level < state.level.load()) return;

  std::string line;
  AppendField(line, "time", FormatTime(SystemClock().Now()));
  AppendField(line, "level", NameOf(level));
  AppendField(line, "event", event);
  for (const auto& [name, value] : fields) AppendField(line, name, value);
  line += '}';

  std::shared_ptr<spdlog::logger> logger;
  {
    const std::lock_guard lock(state.mutex);
    logger = state.logger;
  }
  logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace roost
