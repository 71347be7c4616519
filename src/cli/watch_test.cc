#include "cli/watch.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/comparison.h"

namespace roost::cli {
namespace {

using nlohmann::json;

TEST(ExitCodeTest, FollowsTheRunsEnd) {
  const auto run = [](const char* status, const json& exit_code, const char* error_code) {
    // A reason may quote anything, so it decides nothing.
    json made{{"status", status},
              {"reason", "The script ended with exit code 9"},
              {"exit_code", exit_code},
              {"error", nullptr}};
    if (error_code != nullptr) made["error"] = {{"code", error_code}, {"message", "x"}};
    return made;
  };
  const struct {
    json run;
    int code;
  } cases[] = {
      {run("Completed", 0, nullptr), 0},
      {run("Failed", 7, "UserError"), 7},
      {run("Failed", 139, "UserError"), 139},
      {run("Failed", nullptr, "StartFailed"), 1},
      {run("Failed", nullptr, "Lost"), 1},
      {run("Failed", 0, "ServerError"), 1},
      {run("Failed", 137, "OutOfMemory"), 137},
      {run("Canceled", 143, "TimeLimit"), 124},
      {run("Canceled", nullptr, nullptr), 143},
      {json{{"status", "Failed"}}, 1},  // of an older server
  };
  for (const auto& one : cases) EXPECT_EQ(ExitCodeOfRun(one.run), one.code) << one.run;
}

TEST(CompareTest, PutsRunsSideBySide) {
  const json first{{"status", "Completed"},
                   {"params", {{"depth", "18"}}},
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
      "  params.depth: 18 | 18",         "  tags.team: vision | vision",
      "  metrics.acc: 0.5 | 0.5",        "* metrics.loss:  | NaN"};
  EXPECT_EQ(shown, expected);
}

}  // namespace
}  // namespace roost::cli
