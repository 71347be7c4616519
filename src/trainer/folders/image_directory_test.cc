#include "trainer/folders/image_directory.h"

#include <atomic>
#include <nlohmann/json.hpp>

#include "trainer/folders/folder_meta.h"
#include "trainer/folders/folders_test_fixture.h"

namespace roost::trainer {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

const std::vector<std::string> kClasses = {"ants", "b ees, \"big\"", "K\u00e4fer \u866b"};

void WriteThree(const fs::path& folder) {
  auto writer =
      ROOST_VALUE(ImageDirectoryWriter::Create(folder, ImageSchema::Classification(kClasses)));
  Spill(folder / "image/0_0.ppm", TinyPpm());
  Spill(folder / "image/2_1.ppm", TinyPpm(3, 1));
  Spill(folder / "image/1_2.ppm", TinyPpm());
  EXPECT_OK(writer.Add({"image/0_0.ppm", 0, 0}));
  EXPECT_OK(writer.Add({"image/2_1.ppm", 2, 7}));
  EXPECT_OK(writer.Add({"image/1_2.ppm", -1, 9}));
  EXPECT_OK(writer.Finish());
}

TEST(ImageDirectory, WhatIsWrittenIsRead) {
  const TempFolder folder;
  WriteThree(folder.path() / "d");
  const ImageDirectory directory =
      ROOST_VALUE(ImageDirectory::Open(folder.path() / "d", "Dataset"));
  ASSERT_EQ(directory.size(), 3U);
  EXPECT_TRUE(directory.labelled());
  EXPECT_EQ(directory.classes(), kClasses);
  EXPECT_EQ(directory.FileName(1), "image/2_1.ppm");
  EXPECT_EQ(directory.PathOf(2), folder.path() / "d/image/1_2.ppm");
  EXPECT_EQ(directory.ClassOf(0), 0);
  EXPECT_EQ(directory.ClassOf(1), 2);
  EXPECT_EQ(directory.ClassOf(2), -1);
  EXPECT_EQ(directory.IdOf(1), 7);
}

TEST(ImageDirectory, FilesHaveTheFormThatAzureReads) {
  const TempFolder folder;
  WriteThree(folder.path());
  const std::string list = Slurp(folder.path() / "images.lst");
  EXPECT_EQ(list.substr(0, list.find('\n')),
            R"({"image_info":{"file_name":"image/0_0.ppm"},"category":"ants","id":0})");
  EXPECT_TRUE(std::all_of(list.begin(), list.end(), [](char c) { return c > 0; }));

  const json schema = json::parse(Slurp(folder.path() / "_schema.json"))["columnAttributes"];
  ASSERT_EQ(schema.size(), 3U);
  EXPECT_EQ(schema[0],
            (json{{"name", "image"},
                  {"type", "Bytes"},
                  {"isFeature", true},
                  {"elementType", {{"typeName", "bytes"}, {"isNullable", false}}},
                  {"properties", {{"mime_type", "image/png"}, {"image_ref", "image_info"}}}}));
  EXPECT_EQ(schema[1]["elementType"]["typeName"], "int64");
  EXPECT_EQ(schema[2]["properties"]["annotation_type"], "COCO_classification");
  EXPECT_EQ(schema[2]["properties"]["categories"][2], (json{{"id", 2}, {"name", kClasses[2]}}));

  const FolderMeta meta = ROOST_VALUE(ReadFolderMeta(folder.path()));
  EXPECT_EQ(meta.Get("type"), "ImageDirectory");
  EXPECT_EQ(meta.Get("image_list"), "images.lst");
  EXPECT_EQ(meta.Get("schema"), "_schema.json");
  EXPECT_EQ(meta.Get("samples"), "_samples.json");

  const json samples = json::parse(Slurp(folder.path() / "_samples.json"));
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples[1]["id"], 7);
  EXPECT_EQ(samples[1]["category"], kClasses[2]);
  EXPECT_FALSE(samples[1].contains("image_info"));
  EXPECT_GT(samples[1]["image"].get<std::string>().size(), 8U);
}

TEST(ImageDirectory, AGapInTheIdsIsCalledOthers) {
  const std::string text = R"({"columnAttributes": [
    {"name": "picture", "elementType": {"typeName": "bytes"},
     "properties": {"mime_type": "image/png", "image_ref": "info"}},
    {"name": "kind", "properties": {"annotation_type": "COCO_classification",
     "categories": [{"id": 3, "name": "c"}, {"id": 1, "name": "a"}]}}]})";
  const ImageSchema schema = ROOST_VALUE(ImageSchema::Parse(text, "Dataset"));
  EXPECT_THAT(schema.ClassNames(), ElementsAre("Others", "a", "Others", "c"));

  const TempFolder folder;
  Spill(folder.path() / "_schema.json", text);
  Spill(folder.path() / "x.ppm", TinyPpm());
  Spill(folder.path() / "images.lst",
        "{\"info\": {\"file_name\": \"x.ppm\", \"width\": 2}, \"kind\": \"c\", \"id\": "
        "\"text\"}\r\n\n");
  const ImageDirectory directory = ROOST_VALUE(ImageDirectory::Open(folder.path(), "Dataset"));
  EXPECT_EQ(directory.ClassOf(0), 3);
  EXPECT_EQ(directory.IdOf(0), 0);
}

TEST(ImageDirectory, WhatIsNoImageDirectoryIsNamed) {
  const TempFolder folder;
  const fs::path d = folder.path() / "d";
  EXPECT_NUMBER(ImageDirectory::Open(d, "Training dataset"), 18, "Training dataset is not valid");
  WriteThree(d);
  EXPECT_OK(ImageDirectory::Open(d, "Training dataset"));

  Spill(d / "_meta.yaml", "type: ModelDirectory\n");
  EXPECT_NUMBER(ImageDirectory::Open(d, "x"), 18, "is of type ModelDirectory");
  Spill(d / "_meta.yaml", "type: ImageDirectory\nimage_list: ../../etc/passwd\n");
  EXPECT_NUMBER(ImageDirectory::Open(d, "x"), 18, "../../etc/passwd");
  Spill(d / "_meta.yaml", "{{{{");
  EXPECT_NUMBER(ImageDirectory::Open(d, "x"), 18, "no YAML");
  fs::remove(d / "_meta.yaml");

  for (const auto& [line, reason] : std::vector<std::pair<std::string, std::string>>{
           {"", "is empty"},
           {"{", "line 1 of "},
           {"[1]", "no JSON object"},
           {R"({"image_info": {"file_name": "../x"}})", "no file_name"},
           {R"({"image_info": {"file_name": "/etc/passwd"}})", "no file_name"},
           {R"({"image_info": "x"})", "no file_name"},
           {R"({"image_info": {"file_name": "image/0_0.ppm"}, "category": "wasp"})",
            "'wasp', which is not in"},
           {R"({"image_info": {"file_name": "image/0_0.ppm"}, "category": 3})", "no text"},
           {R"({"image_info": {"file_name": "image/none.ppm"}, "category": "ants"})", "missing"}}) {
    Spill(d / "images.lst", line);
    EXPECT_NUMBER(ImageDirectory::Open(d, "x"), 18, reason) << line;
  }
}

TEST(ImageDirectory, SchemasThatLieAreRefused) {
  const auto with = [](const std::string& categories) {
    return R"({"columnAttributes": [{"name": "image", "elementType": {"typeName": "bytes"},
      "properties": {"mime_type": "image/png", "image_ref": "image_info"}},
      {"name": "category", "properties": {"annotation_type": "COCO_classification",
      "categories": )" +
           categories + "}}]}";
  };
  EXPECT_OK(ImageSchema::Parse(with("[]"), "x"));
  for (const char* categories :
       {"null", "{}", "[1]", R"([{"id": 0}])", R"([{"id": -1, "name": "a"}])",
        R"([{"id": 99999999999, "name": "a"}])", R"([{"id": 0.5, "name": "a"}])",
        R"([{"id": 0, "name": "a"}, {"id": 0, "name": "b"}])",
        R"([{"id": 0, "name": "a"}, {"id": 1, "name": "a"}])"}) {
    EXPECT_NUMBER(ImageSchema::Parse(with(categories), "x"), 18, "category list") << categories;
  }
  EXPECT_NUMBER(ImageSchema::Parse("", "x"), 18, "columnAttributes");
  EXPECT_NUMBER(ImageSchema::Parse(R"({"columnAttributes": []})", "x"), 18, "image column");
}

TEST(ImageDirectory, ManyRowsCostLittleMemory) {
  const TempFolder folder;
  auto writer = ROOST_VALUE(
      ImageDirectoryWriter::Create(folder.path(), ImageSchema::Classification({"a", "b"})));
  Spill(folder.path() / "image/0_0.ppm", TinyPpm());
  constexpr int kRows = 50'000;
  for (int i = 0; i < kRows; ++i) {
    const int c = i % 2;
    EXPECT_OK(writer.Add({"image/" + std::to_string(c) + "_" + std::to_string(i) + ".ppm", c, i}));
  }
  EXPECT_OK(writer.Finish());
  const ImageDirectory directory = ROOST_VALUE(ImageDirectory::Open(folder.path(), "x"));
  ASSERT_EQ(directory.size(), static_cast<std::size_t>(kRows));
  EXPECT_EQ(directory.FileName(kRows - 1), "image/1_49999.ppm");
  EXPECT_LT(directory.memory_bytes(), 40U * kRows);
}

TEST(LineReader, LinesOfAnyLengthUpToTheLimit) {
  const TempFolder folder;
  const std::string longest(1'000'000, 'x');
  Spill(folder.path() / "f", "a\r\n\n" + longest + "\nlast");
  auto reader = ROOST_VALUE(LineReader::Open(folder.path() / "f"));
  std::vector<std::size_t> sizes;
  std::string_view line;
  while (ROOST_VALUE(reader.Next(line))) sizes.push_back(line.size());
  EXPECT_THAT(sizes, ElementsAre(1U, 0U, 1'000'000U, 4U));

  auto strict = ROOST_VALUE(LineReader::Open(folder.path() / "f"));
  EXPECT_OK(strict.Next(line, 1000));
  EXPECT_OK(strict.Next(line, 1000));
  const auto refused = strict.Next(line, 1000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
}

TEST(ParallelFor, RunsAllAndReportsTheFirstFailure) {
  std::atomic<int> sum = 0;
  EXPECT_OK(ParallelFor(1000, 4, [&](std::size_t i) -> Status {
    sum += static_cast<int>(i);
    return {};
  }));
  EXPECT_EQ(sum, 499'500);
  for (int round = 0; round < 20; ++round) {
    const Status failed = ParallelFor(1000, 4, [&](std::size_t i) -> Status {
      if (i >= 37) return Fail(ErrorCode::kInternal, std::to_string(i));
      return {};
    });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "37");
  }
  EXPECT_OK(
      ParallelFor(0, 4, [](std::size_t) -> Status { return Fail(ErrorCode::kInternal, ""); }));
}

TEST(Base64, MatchesRfc4648) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("\xff\xfe\xfd"), "//79");
}

TEST(OutputFolder, MustBeEmpty) {
  const TempFolder folder;
  EXPECT_OK(PrepareOutputFolder(folder.path() / "a/b"));
  Spill(folder.path() / "a/b/x", "x");
  EXPECT_NUMBER(PrepareOutputFolder(folder.path() / "a/b"), 160, "is not empty");
  EXPECT_NUMBER(PrepareOutputFolder(folder.path() / "a/b/x"), 160, "x");
}

}  // namespace
}  // namespace roost::trainer
