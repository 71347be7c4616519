#include "cli/watch.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/comparison.h"

namespace roost::cli {
namespace {

using nlohmann::json;

TEST(ExitCodeTest, FollowsTheRunsEnd) {
  const auto run = [](const char* status, const char* reason, const char* error_code) {
    json made{{"status", status}, {"reason", reason}, {"error", nullptr}};
    if (error_code != nullptr) made["error"] = {{"code", error_code}, {"message", "x"}};
    return made;
  };
  const struct {
    json run;
    int code;
  } cases[] = {
      {run("Completed", "The script ended with exit code 0", nullptr), 0},
      {run("Failed", "The script ended with exit code 7", "UserError"), 7},
      {run("Failed", "User program failed with ValueError: exit code 9", "UserError"), 1},
      {run("Failed", "The command was ended by signal SIGSEGV (Segmentation fault)", "UserError"),
       139},
      {run("Failed", "The script could not be started: no such file", "StartFailed"), 1},
      {run("Failed", "The script ran out of memory and was ended", "OutOfMemory"), 137},
      {run("Canceled", "Canceled at its time limit of 5 seconds", "TimeLimit"), 124},
      {run("Canceled", "Canceled on request", nullptr), 143},
  };
  for (const auto& one : cases) EXPECT_EQ(ExitCodeOfRun(one.run), one.code) << one.run;
}

TEST(CompareTest, PutsRunsSideBySide) {
  const json first{{"status", "Completed"},
                   {"tags", {{"team", "vision"}}},
                   {"definition", {{"script", "t.py"}, {"arguments", {"--lr", "0.1", "--fast"}}}},
                   {"metrics", {{"acc", 0.5}}}};
  json second = first;
  second["definition"]["arguments"] = {"--lr=0.2", "--fast", "data"};
  second["metrics"]["loss"] = "NaN";
  std::vector<std::string> shown;
  for (const ComparisonRow& row : CompareRuns({first, second})) {
    shown.push_back((row.differs ? "* " : "  ") + row.name + ": " + row.values[0] + " | " +
                    row.values[1]);
  }
  // "--fast data" reads as an option with a value: nobody but the script can know better.
  const std::vector<std::string> expected = {
      "  script: t.py | t.py",           "  status: Completed | Completed",
      "* argument --fast: (set) | data", "* argument --lr: 0.1 | 0.2",
      "  tags.team: vision | vision",    "  metrics.acc: 0.5 | 0.5",
      "* metrics.loss:  | NaN"};
  EXPECT_EQ(shown, expected);
}

}  // namespace
}  // namespace roost::cli
