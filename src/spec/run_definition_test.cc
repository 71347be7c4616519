#include "spec/run_definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace roost::spec {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

const std::string kDigest = "b2:" + std::string(64, 'a');

std::vector<std::string> FieldsWithProblems(const json& body) {
  std::vector<std::string> fields;
  if (const auto run = ParseRunDefinition(body); !run) {
    EXPECT_EQ(run.error().code, ErrorCode::kInvalidArgument);
    for (const Problem& problem : run.error().details) fields.push_back(problem.field);
  }
  return fields;
}

json With(std::string_view field, json value) {
  json body = {{"script", "train.py"}};
  body[std::string(field)] = std::move(value);
  return body;
}

RunDefinition FullDefinition() {
  RunDefinition run;
  run.experiment = "cifar";
  run.snapshot = *Digest::Parse(kDigest);
  run.script = "src/train.py";
  run.arguments = {"--lr", "0.1", ""};
  run.display_name = "first try";
  run.description = "two\nlines";
  run.tags = {{"team", "vision"}, {"flag", std::nullopt}, {"empty", ""}};
  run.properties = {{"azureml.git.branch", "main"}};
  run.environment_variables = {{"CUDA_LAUNCH_BLOCKING", "1"}, {"EMPTY", ""}};
  run.resources = {.cpus = 0.5, .gpus = 2, .memory_mb = 4096};
  run.time_limit_seconds = 60;
  run.compute_target = "cluster";
  run.environment.interpreter = "/usr/bin/python3";
  run.parent = "cifar_1732174528_2dd21b40";
  return run;
}

TEST(RunDefinition, AScriptIsEnough) {
  const auto run = ParseRunDefinition({{"script", "train.py"}});
  ASSERT_TRUE(run) << run.error().message;
  RunDefinition expected;
  expected.script = "train.py";
  EXPECT_EQ(*run, expected);
  EXPECT_EQ(run->experiment, "Default");
  EXPECT_EQ(run->time_limit_seconds, 30 * 24 * 3600);
}

TEST(RunDefinition, WireFormReadsBack) {
  RunDefinition command;
  command.command = "python train.py | tee outputs/log.txt";
  RunDefinition script;
  script.script = "train.py";
  for (const RunDefinition& run : {FullDefinition(), command, script}) {
    const auto back = ParseRunDefinition(ToJson(run));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, run) << ToJson(run);
  }
}

TEST(RunDefinition, WireFormIsCompleteWithNullsForUnset) {
  const json wire = ToJson(RunDefinition{});
  for (const char* field : {"snapshot", "script", "command", "parent"}) {
    EXPECT_TRUE(wire.at(field).is_null()) << field;
  }
  EXPECT_TRUE(wire.at("environment").at("python").empty());
  EXPECT_TRUE(wire.at("environment").at("name").is_null());
  EXPECT_EQ(wire.at("resources"), json({{"cpus", 1.0}, {"gpus", 0}, {"memory_mb", 0}}));
  for (const char* field : {"inputs", "outputs"}) EXPECT_EQ(wire.at(field), json::object());
  EXPECT_EQ(wire.size(), 17U);
}

TEST(RunDefinition, ACommandIsATextOrAList) {
  const auto text = ParseRunDefinition({{"command", "echo hi"}});
  ASSERT_TRUE(text);
  EXPECT_EQ(text->command, "echo hi");
  const auto list = ParseRunDefinition({{"command", {"python", "train.py", "--lr", 0.1, true}}});
  ASSERT_TRUE(list);
  EXPECT_EQ(list->command, "python train.py --lr 0.1 true");
}

TEST(RunDefinition, ArgumentsAndTagsTakeNumbers) {
  json body = With("arguments", {"--epochs", 3, "--lr", 1e-4, "--big", 10.0, false});
  body["tags"] = {{"epochs", 3}, {"on", true}, {"none", nullptr}};
  const auto run = ParseRunDefinition(body);
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_THAT(run->arguments,
              ElementsAre("--epochs", "3", "--lr", "0.0001", "--big", "10.0", "false"));
  EXPECT_EQ(run->tags.at("epochs"), "3");
  EXPECT_EQ(run->tags.at("on"), "true");
  EXPECT_EQ(run->tags.at("none"), std::nullopt);
}

TEST(RunDefinition, RefusesWithTheFieldsPath) {
  const std::string nul("a\0b", 3);
  const std::string big(200'000, 'x');
  const struct {
    json body;
    std::string field;
  } cases[] = {
      {json::object(), "script"},
      {{{"script", nullptr}, {"command", nullptr}}, "script"},
      {{{"command", ""}}, "command"},
      {{{"command", "  "}}, "command"},
      {{{"command", json::array()}}, "command"},
      {{{"command", 5}}, "command"},
      {{{"command", {"a", json::object()}}}, "command[1]"},
      {{{"command", nul}}, "command"},
      {{{"command", {"a", nul}}}, "command[1]"},
      {{{"command", big}}, "command"},
      {With("command", "echo"), "command"},
      {{{"command", "echo"}, {"arguments", {"x"}}}, "arguments"},
      {With("script", ""), "script"},
      {With("script", "/etc/passwd"), "script"},
      {With("script", "../train.py"), "script"},
      {With("script", "a//b.py"), "script"},
      {With("script", nul), "script"},
      {With("arguments", "x"), "arguments"},
      {With("arguments", {"a", nul}), "arguments[1]"},
      {With("arguments", {"a", json::array()}), "arguments[1]"},
      {With("arguments", {"a", nullptr}), "arguments[1]"},
      {With("arguments", {"a", big}), "arguments[1]"},
      {With("arguments", json(std::vector<int>(10'001, 7))), "arguments"},
      {With("arguments", json(std::vector<std::string>(11, std::string(100'000, 'x')))),
       "arguments"},
      {With("experiment", ""), "experiment"},
      {With("experiment", "a\nb"), "experiment"},
      {With("experiment", std::string(257, 'a')), "experiment"},
      {With("snapshot", "b2:12"), "snapshot"},
      {With("snapshot", 5), "snapshot"},
      {With("display_name", std::string(257, 'a')), "display_name"},
      {With("display_name", "a\tb"), "display_name"},
      {With("description", std::string(5001, 'a')), "description"},
      {With("tags", {{"", "x"}}), "tags"},
      {With("tags", {{"k", std::string(5001, 'a')}}), "tags.k"},
      {With("tags", {{"k", {1}}}), "tags.k"},
      {With("properties", {{"k", nullptr}}), "properties.k"},
      {With("properties", {{"k", 5}}), "properties.k"},
      {With("environment_variables", {{"1A", "x"}}), "environment_variables.1A"},
      {With("environment_variables", {{"A-B", "x"}}), "environment_variables.A-B"},
      {With("environment_variables", {{"", "x"}}), "environment_variables"},
      {With("environment_variables", {{"A", nul}}), "environment_variables.A"},
      {With("environment_variables", {{"A", 5}}), "environment_variables.A"},
      {With("environment_variables", {{"A", big}}), "environment_variables.A"},
      {With("environment_variables", {{"ROOST_TOKEN", "x"}}), "environment_variables.ROOST_TOKEN"},
      {With("environment_variables", {{"AZUREML_RUN_ID", "x"}}),
       "environment_variables.AZUREML_RUN_ID"},
      {With("resources", {{"cpus", 0}}), "resources.cpus"},
      {With("resources", {{"cpus", -1}}), "resources.cpus"},
      {With("resources", {{"cpus", "4"}}), "resources.cpus"},
      {With("resources", {{"gpus", -1}}), "resources.gpus"},
      {With("resources", {{"gpus", 0.5}}), "resources.gpus"},
      {With("resources", {{"memory_mb", -5}}), "resources.memory_mb"},
      {With("resources", {{"memory", 5}}), "resources.memory"},
      {With("resources", "big"), "resources"},
      {With("time_limit_seconds", 0), "time_limit_seconds"},
      {With("time_limit_seconds", kMaxTimeLimitSeconds + 1), "time_limit_seconds"},
      {With("compute_target", ""), "compute_target"},
      {With("environment", "/usr/bin/python3"), "environment"},
      {With("environment", {{"python", "python3"}}), "environment.python"},
      {With("environment", {{"conda", "x"}}), "environment.conda"},
      {With("parent", "../x"), "parent"},
      {With("parent", ""), "parent"},
      {With("scirpt", "x"), "scirpt"},
      {json::array(), ""},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(FieldsWithProblems(c.body), ElementsAre(c.field)) << c.body.dump().substr(0, 200);
  }
}

TEST(RunDefinition, TellsAllProblemsAtOnce) {
  const json body = {{"script", "../x"},
                     {"resources", {{"cpus", 0}, {"gpus", -1}}},
                     {"tags", {{"k", {1}}}},
                     {"time_limit_seconds", "long"},
                     {"unknown", 1}};
  EXPECT_THAT(FieldsWithProblems(body), IsSupersetOf({"script", "resources.cpus", "resources.gpus",
                                                      "tags.k", "time_limit_seconds", "unknown"}));
}

}  // namespace
}  // namespace roost::spec
