#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "spec/launch_format.h"
#include "spec/run_definition.h"
#include "spec/run_state.h"

namespace roost::engine {

// How a launch ended, as it is kept in its row: the shim's exit record, or the sentence that tells
// how its processes were lost. `unclaimed`: recovery fenced it before anything ran.
struct LaunchEnd {
  std::optional<spec::ExitRecord> record;
  std::string lost;
  bool unclaimed = false;
};
std::string ToJsonText(const LaunchEnd& end);
Result<LaunchEnd> ParseLaunchEnd(const std::string& text);

// A run's final state and what is told about it.
struct Outcome {
  spec::RunState state = spec::RunState::kCompleted;
  std::string reason;
  std::optional<std::string> error_json;
};

// Judges the end of a run. `log_tail` is the end of its driver log, where the reason of a failure
// stands. A run whose cancel was accepted is Canceled, whatever its exit code.
Outcome JudgeEnd(const LaunchEnd& end, bool cancel_requested, const spec::RunDefinition& definition,
                 std::string_view log_tail);

// The last uncaught exception that Python printed.
struct PythonError {
  std::string type;         // "ValueError"
  std::string message;      // "bad"
  std::string stack_trace;  // with the exceptions it was chained to
};
std::optional<PythonError> FindPythonError(std::string_view log_tail);

// docs/wire.md, "error".
std::string ErrorJson(std::string_view code, std::string_view message,
                      const std::optional<PythonError>& python_error = {});

// "SIGSEGV (Segmentation fault)".
std::string SignalName(int signal);

}  // namespace roost::engine
