#include "engine/outcome.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/log_file.h"
#include "base/strings.h"

namespace roost::engine {
namespace {

// Azure ML's limit for an error message is 3,000 characters.
constexpr std::size_t kMessageLimit = 3000;
constexpr std::size_t kTraceLimit = 32 << 10;
constexpr std::size_t kLogLinesInMessage = 20;

// A cut may not split a character of several bytes: they would travel as replacement characters.
std::string CutTo(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  text.resize(limit);
  return text;
}

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines = Split(text, '\n');
  while (!lines.empty() && Trim(lines.back()).empty()) lines.pop_back();
  return lines;
}

std::string LastLines(std::string_view log_tail) {
  std::vector<std::string> lines = Lines(log_tail);
  if (lines.size() > kLogLinesInMessage) {
    lines.erase(lines.begin(), lines.end() - kLogLinesInMessage);
  }
  std::string text = Join(lines, "\n");
  constexpr std::size_t limit = kMessageLimit - 500;
  return text.size() <= limit ? text : text.substr(text.size() - limit);
}

std::string WithLastLines(const std::string& sentence, std::string_view log_tail) {
  const std::string lines = LastLines(log_tail);
  if (lines.empty()) return sentence + ". Its log is empty.";
  return sentence + ". The log's last lines:\n" + lines;
}

constexpr std::string_view kTraceback = "Traceback (most recent call last):";
constexpr std::string_view kDuring =
    "During handling of the above exception, another exception occurred:";
constexpr std::string_view kCause =
    "The above exception was the direct cause of the following exception:";

// The line that ends a traceback: "package.Error: text", or the type alone.
bool SplitExceptionLine(const std::string& line, PythonError* error) {
  const std::size_t colon = line.find(':');
  const std::string type = line.substr(0, colon);
  const bool is_name = !type.empty() && std::all_of(type.begin(), type.end(), [](char c) {
    return c == '_' || c == '.' || (c & 0x80) != 0 || isalnum(static_cast<unsigned char>(c)) != 0;
  });
  if (!is_name) return false;
  error->type = type;
  error->message =
      colon == std::string::npos ? std::string() : std::string(Trim(line.substr(colon + 1)));
  return true;
}

// Goes back over the tracebacks that the one at `header` was chained to.
std::size_t StartOfChain(const std::vector<std::string>& lines, std::size_t header) {
  std::size_t line = header;
  while (line > 0) {
    --line;
    if (lines[line].empty()) continue;
    if (lines[line] != kDuring && lines[line] != kCause) return header;
    while (line > 0 && lines[line] != kTraceback) --line;
    if (lines[line] != kTraceback) return header;
    header = line;
  }
  return header;
}

// A syntax error in the script itself is printed without a traceback's first line.
std::optional<PythonError> FindSyntaxError(const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  PythonError error;
  if (!SplitExceptionLine(lines.back(), &error)) return {};
  if (error.type != "SyntaxError" && error.type != "IndentationError" && error.type != "TabError") {
    return {};
  }
  std::size_t start = lines.size() - 1;
  while (start > 0 && lines[start - 1].starts_with("  ")) --start;
  error.stack_trace = Join({lines.begin() + static_cast<std::ptrdiff_t>(start), lines.end()}, "\n");
  return error;
}

std::string LimitText(std::int64_t megabytes) {
  return megabytes > 0
             ? fmt::format(" (limit {})", FormatBytes(static_cast<std::uint64_t>(megabytes) << 20))
             : std::string();
}

Outcome Failed(std::string_view code, const std::string& reason, const std::string& message,
               const std::optional<PythonError>& python_error = {}) {
  return {spec::RunState::kFailed, reason, ErrorJson(code, message, python_error)};
}

Outcome JudgeExitCode(const spec::ExitRecord& record, const std::string& subject,
                      std::string_view log_tail) {
  if (record.signal) {
    const std::string sentence =
        fmt::format("{} was ended by signal {}", subject, SignalName(*record.signal));
    return Failed("UserError", sentence, WithLastLines(sentence, log_tail));
  }
  if (record.code == 0) {
    return {spec::RunState::kCompleted, fmt::format("{} ended with exit code 0", subject), {}};
  }
  // Python ends with 1 after an uncaught exception; with another code a traceback in the log is an
  // exception that the script caught and printed itself.
  if (const auto error = record.code == 1 ? FindPythonError(log_tail) : std::nullopt) {
    std::string sentence = "User program failed with " + error->type;
    if (!error->message.empty()) sentence += ": " + error->message;
    return Failed("UserError", CutTo(sentence, 500), sentence, error);
  }
  std::string sentence = fmt::format("{} ended with exit code {}", subject, record.code);
  // How a shell tells that the program it ran was ended by a signal.
  if (record.code > 128 && record.code <= 128 + 31) {
    sentence += fmt::format(", which means signal {}", SignalName(record.code - 128));
  }
  return Failed("UserError", sentence, WithLastLines(sentence, log_tail));
}

}  // namespace

std::string ToJsonText(const LaunchEnd& end) {
  if (end.record) return spec::ToJsonText(*end.record);
  return nlohmann::json{{"lost", ToValidUtf8(end.lost)}, {"unclaimed", end.unclaimed}}.dump();
}

Result<LaunchEnd> ParseLaunchEnd(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_object() && json.contains("lost") && json["lost"].is_string()) {
    LaunchEnd end;
    end.lost = json["lost"].get<std::string>();
    end.unclaimed = json.contains("unclaimed") && json["unclaimed"] == true;
    return end;
  }
  ROOST_ASSIGN(spec::ExitRecord record, spec::ParseExitRecord(text));
  return LaunchEnd{std::move(record), {}, false};
}

std::string SignalName(int signal) {
  const char* name = sigabbrev_np(signal);
  const char* description = sigdescr_np(signal);
  if (name == nullptr || description == nullptr) return std::to_string(signal);
  return fmt::format("SIG{} ({})", name, description);
}

std::string ErrorJson(std::string_view code, std::string_view message,
                      const std::optional<PythonError>& python_error) {
  nlohmann::json error = {{"code", code}, {"message", CutTo(ToValidUtf8(message), kMessageLimit)}};
  if (python_error) {
    error["debug_type"] = ToValidUtf8(python_error->type);
    error["debug_message"] = CutTo(ToValidUtf8(python_error->message), kMessageLimit);
    error["debug_stack_trace"] = CutTo(ToValidUtf8(python_error->stack_trace), kTraceLimit);
  }
  return error.dump();
}

std::optional<PythonError> FindPythonError(std::string_view log_tail) {
  const std::vector<std::string> lines = Lines(log_tail);
  const auto last = std::find(lines.rbegin(), lines.rend(), kTraceback);
  if (last == lines.rend()) return FindSyntaxError(lines);
  const auto header = static_cast<std::size_t>(lines.rend() - last) - 1;

  // Frames and source lines are indented; the first line that is not names the exception.
  std::size_t end = header + 1;
  while (end < lines.size() && (lines[end].empty() || lines[end][0] == ' ')) ++end;
  PythonError error;
  if (end == lines.size() || !SplitExceptionLine(lines[end], &error)) return {};
  const std::size_t start = StartOfChain(lines, header);
  error.stack_trace = Join({lines.begin() + static_cast<std::ptrdiff_t>(start),
                            lines.begin() + static_cast<std::ptrdiff_t>(end) + 1},
                           "\n");
  return error;
}

Outcome JudgeEnd(const LaunchEnd& end, bool cancel_requested, const spec::RunDefinition& definition,
                 std::string_view raw_log_tail) {
  const std::string log_tail = ToValidUtf8(FoldCarriageReturns(raw_log_tail));
  const std::string subject = definition.script.empty() ? "The command" : "The script";
  if (cancel_requested) return {spec::RunState::kCanceled, "Canceled on request", {}};
  if (!end.record) return Failed(end.unclaimed ? "StartFailed" : "Lost", end.lost, end.lost);

  const spec::ExitRecord& record = *end.record;
  switch (record.cause) {
    case spec::EndCause::kCanceled:
      return {spec::RunState::kCanceled, "Canceled on request", {}};
    case spec::EndCause::kTimeLimit: {
      const std::string sentence =
          fmt::format("Canceled at its time limit of {} {}", definition.time_limit_seconds,
                      definition.time_limit_seconds == 1 ? "second" : "seconds");
      return {spec::RunState::kCanceled, sentence, ErrorJson("TimeLimit", sentence)};
    }
    case spec::EndCause::kStartFailed: {
      const std::string sentence =
          fmt::format("{} could not be started: {}", subject, ToValidUtf8(record.message));
      return Failed("StartFailed", sentence, sentence);
    }
    case spec::EndCause::kMemoryLimit:
      break;
    case spec::EndCause::kExited:
      if (!record.out_of_memory) return JudgeExitCode(record, subject, log_tail);
      break;
  }
  const std::string sentence = fmt::format("{} ran out of memory{} and was ended", subject,
                                           LimitText(definition.resources.memory_mb));
  return Failed("OutOfMemory", sentence, WithLastLines(sentence, log_tail));
}

}  // namespace roost::engine
