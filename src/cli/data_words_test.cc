#include "cli/data_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

TEST(DataWordsTest, WhatARunReadOrWroteIsTold) {
  json item = {{"dataset_id", "id"},
               {"dataset_name", "birds"},
               {"version", 3},
               {"datastore", nullptr},
               {"path", nullptr}};
  EXPECT_EQ(DataText(item), "birds:3");
  item["datastore"] = "disk";
  item["path"] = "in/a";
  EXPECT_EQ(DataText(item), "birds:3 in disk:in/a");
  item["dataset_name"] = nullptr;
  EXPECT_EQ(DataText(item), "disk:in/a");
  item["datastore"] = nullptr;
  EXPECT_EQ(DataText(item), "id");
}

TEST(DataWordsTest, AnInputIsADatasetOrAPlaceInADatastore) {
  const struct {
    const char *text, *name, *dataset;
    json input;
  } cases[] = {
      {"birds=birds", "birds", "birds", {{"mode", "mount"}}},
      {"a=birds:3", "a", "birds:3", {{"mode", "mount"}}},
      {"a=birds:latest,download", "a", "birds:latest", {{"mode", "download"}}},
      {"a=my birds,direct", "a", "my birds", {{"mode", "direct"}}},
      {"a=disk:in/", "a", "", {{"mode", "mount"}, {"datastore", "disk"}, {"path", "in"}}},
      {"a=disk:", "a", "", {{"mode", "mount"}, {"datastore", "disk"}, {"path", ""}}},
      {"a=disk:3/", "a", "", {{"mode", "mount"}, {"datastore", "disk"}, {"path", "3"}}},
      {"a=disk:k=v,to=/mnt/a,overwrite,download",
       "a",
       "",
       {{"mode", "download"},
        {"datastore", "disk"},
        {"path", "k=v"},
        {"path_on_compute", "/mnt/a"},
        {"overwrite", true}}},
  };
  for (const auto& one : cases) {
    const auto read = ReadInputWords(one.text);
    ASSERT_TRUE(read) << one.text << ": " << read.error().message;
    EXPECT_EQ(read->name, one.name) << one.text;
    EXPECT_EQ(read->dataset, one.dataset) << one.text;
    EXPECT_EQ(read->input, one.input) << one.text;
  }
}

TEST(DataWordsTest, AnOutputGoesToADatastoreOrTheDefaultPlace) {
  const struct {
    const char *text, *name;
    json output;
  } cases[] = {
      {"model", "model", {{"mode", "mount"}}},
      {"model,upload", "model", {{"mode", "upload"}}},
      {"m=disk:runs/{run-id}",
       "m",
       {{"mode", "mount"}, {"datastore", "disk"}, {"path", "runs/{run-id}"}}},
      {"m=disk:", "m", {{"mode", "mount"}, {"datastore", "disk"}}},
      {"m,register=birds,from=out,overwrite",
       "m",
       {{"mode", "mount"},
        {"register_as", {{"name", "birds"}}},
        {"source", "out"},
        {"overwrite", true}}},
  };
  for (const auto& one : cases) {
    const auto read = ReadOutputWords(one.text);
    ASSERT_TRUE(read) << one.text << ": " << read.error().message;
    EXPECT_EQ(read->name, one.name) << one.text;
    EXPECT_EQ(read->output, one.output) << one.text;
  }
}

TEST(DataWordsTest, MistakesNameTheWordAndTheWayOut) {
  const struct {
    std::vector<std::string> inputs, outputs;
    const char *what, *way;
  } cases[] = {
      {{"birds"}, {}, "--input 'birds'", "NAME=DATASET[:VERSION]"},
      {{"a="}, {}, "--input 'a='", "NAME=DATASTORE:PATH"},
      {{"=birds"}, {}, "--input '=birds'", "NAME="},
      {{"1a=birds"}, {}, "'1a'", "not first a digit"},
      {{"a=birds,dwnload"}, {}, "'dwnload'", "mount, download, direct"},
      {{"a=birds,to="}, {}, "'to='", "to=FOLDER"},
      {{"a=birds,download=yes"}, {}, "'download=yes'", "download"},
      {{"a=https://x/y.csv"}, {}, "https://x/y.csv", "roost data register"},
      {{"a=b", "a=c"}, {}, "'a' twice", "its own name"},
      {{}, {"m=folder"}, "'folder' names no datastore", "m=DATASTORE:folder"},
      {{}, {"m,download"}, "'download'", "upload"},
      {{}, {"m", "m"}, "'m' twice", "its own name"},
  };
  for (const auto& one : cases) {
    const auto inputs = ReadInputs(one.inputs);
    const auto outputs = ReadOutputs(one.outputs);
    ASSERT_NE(inputs.has_value(), outputs.has_value()) << one.what;
    const Error& error = inputs ? outputs.error() : inputs.error();
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument) << one.what;
    EXPECT_THAT(error.message, AllOf(HasSubstr(one.what), HasSubstr(one.way)));
  }
}

TEST(DataWordsTest, PathsOfDatasets) {
  EXPECT_EQ(DataPathOf("https://x/y"), json({{"url", "https://x/y"}}));
  EXPECT_EQ(DataPathOf("disk:a:b"), json({{"datastore", "disk"}, {"path", "a:b"}}));
  EXPECT_EQ(DataPathOf("a/b"), json({{"datastore", "workspaceblobstore"}, {"path", "a/b"}}));
}

}  // namespace
}  // namespace roost::cli
