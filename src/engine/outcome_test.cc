#include "engine/outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

namespace roost::engine {
namespace {

using spec::EndCause;
using spec::RunState;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kValueError =
    "epoch 1\n"
    "Traceback (most recent call last):\n"
    "  File \"train.py\", line 3, in <module>\n"
    "    raise ValueError('bad')\n"
    "ValueError: bad\n";

LaunchEnd EndedWith(int code, EndCause cause = EndCause::kExited) {
  spec::ExitRecord record;
  record.code = code;
  record.cause = cause;
  return {record, {}, false};
}

LaunchEnd KilledBy(int signal) {
  LaunchEnd end = EndedWith(128 + signal);
  end.record->signal = signal;
  return end;
}

spec::RunDefinition Script() {
  spec::RunDefinition definition;
  definition.script = "train.py";
  definition.time_limit_seconds = 60;
  definition.resources.memory_mb = 512;
  return definition;
}

nlohmann::json ErrorOf(const Outcome& outcome) {
  return nlohmann::json::parse(outcome.error_json.value_or("{}"), nullptr, false);
}

TEST(Outcome, OfEachWayToEnd) {
  LaunchEnd out_of_memory = KilledBy(SIGKILL);
  out_of_memory.record->out_of_memory = true;
  LaunchEnd start_failed = EndedWith(127, EndCause::kStartFailed);
  start_failed.record->message = "exec /x/python: No such file or directory";
  const struct {
    const char* name;
    LaunchEnd end;
    RunState state;
    std::string code;
    std::string reason;
  } cases[] = {
      {"success", EndedWith(0), RunState::kCompleted, "", "The script ended with exit code 0"},
      {"exit code", EndedWith(3), RunState::kFailed, "UserError",
       "The script ended with exit code 3"},
      {"signal", KilledBy(SIGSEGV), RunState::kFailed, "UserError",
       "The script was ended by signal SIGSEGV (Segmentation fault)"},
      {"a shell's word for a signal", EndedWith(139), RunState::kFailed, "UserError",
       "The script ended with exit code 139, which means signal SIGSEGV (Segmentation fault)"},
      {"out of memory", out_of_memory, RunState::kFailed, "OutOfMemory",
       "The script ran out of memory (limit 512.0 MiB) and was ended"},
      {"memory limit", EndedWith(137, EndCause::kMemoryLimit), RunState::kFailed, "OutOfMemory",
       "The script ran out of memory (limit 512.0 MiB) and was ended"},
      {"time limit", EndedWith(143, EndCause::kTimeLimit), RunState::kCanceled, "TimeLimit",
       "Canceled at its time limit of 60 seconds"},
      {"start failed", start_failed, RunState::kFailed, "StartFailed",
       "The script could not be started: exec /x/python: No such file or directory"},
      {"canceled by the shim's file", EndedWith(143, EndCause::kCanceled), RunState::kCanceled, "",
       "Canceled on request"},
      {"lost",
       {{}, "The machine was restarted.", false},
       RunState::kFailed,
       "Lost",
       "The machine was restarted."},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    const Outcome outcome = JudgeEnd(one.end, false, Script(), "some output\n");
    EXPECT_EQ(outcome.state, one.state);
    EXPECT_EQ(outcome.reason, one.reason);
    EXPECT_EQ(ErrorOf(outcome).value("code", ""), one.code);
  }
}

TEST(Outcome, OfACanceledRunIsCanceledWhateverItsExitCode) {
  for (const LaunchEnd& end : {EndedWith(0), EndedWith(1), KilledBy(SIGKILL)}) {
    const Outcome outcome = JudgeEnd(end, true, Script(), kValueError);
    EXPECT_EQ(outcome.state, RunState::kCanceled);
    EXPECT_FALSE(outcome.error_json);
  }
}

TEST(Outcome, OfAnUncaughtExceptionNamesIt) {
  const Outcome outcome = JudgeEnd(EndedWith(1), false, Script(), kValueError);
  EXPECT_EQ(outcome.reason, "User program failed with ValueError: bad");
  const auto error = ErrorOf(outcome);
  EXPECT_EQ(error["message"], "User program failed with ValueError: bad");
  EXPECT_EQ(error["debug_type"], "ValueError");
  EXPECT_EQ(error["debug_message"], "bad");
  EXPECT_EQ(error["debug_stack_trace"],
            "Traceback (most recent call last):\n  File \"train.py\", line 3, in <module>\n"
            "    raise ValueError('bad')\nValueError: bad");
}

TEST(Outcome, OfACaughtExceptionTellsTheExitCodeAndTheLog) {
  const Outcome outcome = JudgeEnd(EndedWith(4), false, Script(), kValueError);
  EXPECT_EQ(outcome.reason, "The script ended with exit code 4");
  EXPECT_THAT(ErrorOf(outcome)["message"].get<std::string>(),
              testing::AllOf(HasSubstr("exit code 4"), HasSubstr("ValueError: bad")));
}

TEST(Outcome, HoldsTheLastLinesOfTheLogOnly) {
  std::string log;
  for (int line = 0; line < 100; ++line) log += "line " + std::to_string(line) + "\n";
  log += "10%\r50%\r100%\n";
  const auto message =
      ErrorOf(JudgeEnd(EndedWith(2), false, Script(), log))["message"].get<std::string>();
  EXPECT_THAT(message, HasSubstr("line 99\n100%"));
  EXPECT_THAT(message, Not(HasSubstr("50%")));
  EXPECT_THAT(message, Not(HasSubstr("line 50\n")));
  EXPECT_THAT(ErrorOf(JudgeEnd(EndedWith(2), false, Script(), ""))["message"].get<std::string>(),
              HasSubstr("Its log is empty"));
}

TEST(Outcome, SurvivesALogThatIsNotText) {
  const Outcome outcome = JudgeEnd(EndedWith(2), false, Script(), "\xff\xfe broken \x80\n");
  EXPECT_THAT(ErrorOf(outcome)["message"].get<std::string>(), HasSubstr("broken"));
}

TEST(PythonErrors, AreFoundInTheirForms) {
  const struct {
    const char* name;
    const char* log;
    const char* type;
    const char* message;
  } cases[] = {
      {"with output after it",
       "Traceback (most recent call last):\n  File \"a\"\nKeyError: 'x'\nclean up done\n",
       "KeyError", "'x'"},
      {"without a text", "Traceback (most recent call last):\n  File \"a\"\nKeyboardInterrupt\n",
       "KeyboardInterrupt", ""},
      {"of a package",
       "Traceback (most recent call last):\n  File \"a\"\ntorch.cuda.OutOfMemoryError: no: more\n",
       "torch.cuda.OutOfMemoryError", "no: more"},
      {"the last of several",
       "Traceback (most recent call last):\n  File \"a\"\nValueError: one\n"
       "Traceback (most recent call last):\n  File \"b\"\nTypeError: two\n",
       "TypeError", "two"},
      {"a syntax error",
       "  File \"a.py\", line 1\n    def f(\n         ^\nSyntaxError: never closed\n",
       "SyntaxError", "never closed"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    const auto error = FindPythonError(one.log);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->type, one.type);
    EXPECT_EQ(error->message, one.message);
  }
  EXPECT_FALSE(FindPythonError("all is well\nError: not Python's\n"));
  EXPECT_FALSE(FindPythonError("Traceback (most recent call last):\n  File \"cut off"));
  EXPECT_FALSE(FindPythonError(""));
}

TEST(PythonErrors, KeepTheirChain) {
  const auto error = FindPythonError(
      "before\nTraceback (most recent call last):\n  File \"a\"\nKeyError: 'x'\n\n"
      "During handling of the above exception, another exception occurred:\n\n"
      "Traceback (most recent call last):\n  File \"b\"\nValueError: bad\n");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->type, "ValueError");
  EXPECT_THAT(error->stack_trace, testing::StartsWith("Traceback"));
  EXPECT_THAT(error->stack_trace, HasSubstr("KeyError: 'x'"));
  EXPECT_THAT(error->stack_trace, testing::EndsWith("ValueError: bad"));
}

TEST(LaunchEnds, AreReadBackAsTheyWereKept) {
  const auto record = ParseLaunchEnd(ToJsonText(KilledBy(SIGTERM)));
  ASSERT_TRUE(record && record->record);
  EXPECT_EQ(record->record->signal, SIGTERM);
  const auto lost = ParseLaunchEnd(ToJsonText(LaunchEnd{{}, "gone", true}));
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->lost, "gone");
  EXPECT_TRUE(lost->unclaimed);
  EXPECT_FALSE(ParseLaunchEnd("{"));
}

}  // namespace
}  // namespace roost::engine
