#include "spec/data_definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "spec/run_definition.h"

namespace roost::spec {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

json With(const char* field, json value) {
  return {{"script", "train.py"}, {field, std::move(value)}};
}

std::vector<std::string> ProblemsOf(const json& body) {
  std::vector<std::string> fields;
  if (const auto run = ParseRunDefinition(body); !run) {
    for (const Problem& problem : run.error().details) fields.push_back(problem.field);
  }
  return fields;
}

TEST(DataDefinition, InputsAndOutputsAreReadAndWrittenBack) {
  const json body = {
      {"script", "train.py"},
      {"inputs",
       {{"images", {{"mode", "mount"}, {"dataset", "7f0a"}}},
        {"raw",
         {{"mode", "download"},
          {"datastore", "disk"},
          {"path", "/a/b/"},
          {"path_on_compute", "/data/raw"},
          {"overwrite", true}}}}},
      {"outputs",
       {{"result",
         {{"mode", "upload"},
          {"path", "out"},
          {"source_globs", {"*.csv"}},
          {"register_as", {{"name", "results"}, {"tags", {{"a", "b"}}}}}}}}},
  };
  const auto run = ParseRunDefinition(body);
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->inputs.at("images").dataset, "7f0a");
  EXPECT_EQ(run->inputs.at("raw").mode, InputMode::kDownload);
  EXPECT_EQ(run->inputs.at("raw").place.path, "a/b");
  EXPECT_EQ(run->inputs.at("raw").path_on_compute, "/data/raw");
  EXPECT_EQ(run->outputs.at("result").register_as->tags.at("a"), "b");
  EXPECT_THAT(run->outputs.at("result").source_globs, ElementsAre("*.csv"));
  EXPECT_EQ(*ParseRunDefinition(ToJson(*run)), *run);
}

TEST(DataDefinition, EveryMistakeIsNamed) {
  const struct {
    json body;
    std::string field;
  } cases[] = {
      {With("inputs", {{"a", json::object()}}), "inputs.a.dataset"},
      {With("inputs", {{"a", {{"dataset", "x"}, {"datastore", "y"}}}}), "inputs.a.dataset"},
      {With("inputs", {{"a", {{"dataset", "x"}, {"path", "y"}}}}), "inputs.a.path"},
      {With("inputs", {{"a", {{"dataset", "x"}, {"mode", "hold"}}}}), "inputs.a.mode"},
      {With("inputs", {{"a", {{"datastore", "x"}, {"mode", "direct"}}}}), "inputs.a.mode"},
      {With("inputs", {{"a", {{"datastore", "x"}, {"path", "*.csv"}}}}), "inputs.a.path"},
      {With("inputs", {{"a", {{"datastore", "x"}, {"path", "../y"}}}}), "inputs.a.path"},
      {With("inputs", {{"a", {{"dataset", "x"}, {"path_on_compute", "../y"}}}}),
       "inputs.a.path_on_compute"},
      {With("inputs", {{"1a", {{"dataset", "x"}}}}), "inputs.1a"},
      {With("inputs", {{"a", {{"dataset", "x"}, {"more", 1}}}}), "inputs.a.more"},
      {With("inputs", {{"a", nullptr}}), "inputs.a"},
      {With("inputs", json::array()), "inputs"},
      {With("outputs", {{"a", {{"mode", "download"}}}}), "outputs.a.mode"},
      {With("outputs", {{"a", {{"register_as", {{"name", "x/y"}}}}}}),
       "outputs.a.register_as.name"},
      {With("outputs", {{"a", {{"register_as", json::object()}}}}), "outputs.a.register_as.name"},
  };
  for (const auto& each : cases) {
    EXPECT_THAT(ProblemsOf(each.body), ElementsAre(each.field)) << each.body;
  }
  json both = With("inputs", {{"a", {{"dataset", "x"}}}});
  both["outputs"] = {{"a", json::object()}};
  EXPECT_THAT(ProblemsOf(both), ElementsAre("outputs.a"));
}

TEST(DataDefinition, PathsInADatastoreHaveOneForm) {
  for (const char* text : {"", "/", ".", "./"}) EXPECT_EQ(*NormalisedDataPath(text), "") << text;
  for (const char* text : {"a/b", "/a/b", "a/b/", "./a/b//"}) {
    EXPECT_EQ(*NormalisedDataPath(text), "a/b") << text;
  }
  for (const char* text : {"..", "a/../b", "a//b", "a/./b", "a\nb"}) {
    EXPECT_FALSE(NormalisedDataPath(text)) << text;
  }
}

TEST(DataDefinition, NamesAreChecked) {
  EXPECT_TRUE(CheckDatastoreName("workspaceblobstore"));
  EXPECT_FALSE(CheckDatastoreName("a b"));
  EXPECT_FALSE(CheckDatastoreName("-a"));
  EXPECT_TRUE(CheckDatasetName("CIFAR 10 train"));
  for (const char* name : {"", " ", "a/b", "a:1", "a@1", "a\nb"}) {
    EXPECT_FALSE(CheckDatasetName(name)) << name;
  }
  EXPECT_TRUE(CheckInputName("_a1"));
  EXPECT_FALSE(CheckInputName("a-b"));
}

}  // namespace
}  // namespace roost::spec
