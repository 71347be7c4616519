#include "spec/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace roost::spec {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kHexA(64, 'a');
const std::string kHexB(64, 'b');

json File(const std::string& path, std::uint64_t size = 3, bool executable = false) {
  return {{"path", path}, {"digest", "b2:" + kHexA}, {"size", size}, {"executable", executable}};
}
json Files(std::vector<json> files) { return {{"files", std::move(files)}}; }

SnapshotManifest Manifest(const std::vector<std::pair<std::string, std::uint64_t>>& files) {
  SnapshotManifest manifest;
  for (const auto& [path, size] : files) {
    manifest.files.push_back({.path = path, .digest = {}, .size = size});
  }
  return manifest;
}

TEST(Snapshot, SortsByPathAndWritesOneLineAFile) {
  const auto manifest = ParseManifest(
      {{"files",
        {{{"path", "b/run.sh"}, {"digest", "b2:" + kHexB}, {"size", 12}, {"executable", true}},
         {{"path", "a.py"}, {"digest", "b2:" + kHexA}, {"size", 0}}}}});
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->Canonical(), kHexA + " 0 - a.py\n" + kHexB + " 12 x b/run.sh\n");
  EXPECT_EQ(manifest->TotalBytes(), 12U);
  EXPECT_EQ(manifest->Id(), DigestOf(manifest->Canonical()));
}

TEST(Snapshot, TheSameFolderGivesTheSameIdWhateverTheOrder) {
  const auto one = ParseManifest(Files({File("a"), File("b/c"), File("z")}));
  const auto other = ParseManifest(Files({File("z"), File("a"), File("b/c")}));
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->Id(), other->Id());
  for (const json& changed :
       {Files({File("a"), File("b/c")}), Files({File("a"), File("b/c"), File("z", 4)}),
        Files({File("a"), File("b/c"), File("z", 3, true)}),
        Files({File("a"), File("b/c"), File("y")})}) {
    EXPECT_NE(ParseManifest(changed)->Id(), one->Id()) << changed;
  }
}

TEST(Snapshot, WireFormReadsBack) {
  const auto manifest = ParseManifest(Files({File("a", 5, true), File("ü/b c.txt")}));
  ASSERT_TRUE(manifest);
  const auto back = ParseManifest(ToJson(*manifest));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, *manifest);
  const auto empty = ParseManifest({{"files", json::array()}});
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->Canonical(), "");
}

TEST(Snapshot, RefusesWithTheFilesPlace) {
  json no_size = File("a");
  no_size.erase("size");
  json bad_digest = File("a");
  bad_digest["digest"] = "sha256:1";
  json more = File("a");
  more["owner"] = "me";
  const struct {
    json body;
    std::string field;
    std::string message;
  } cases[] = {
      {json::object(), "files", "is required"},
      {{{"files", 5}}, "files", "list"},
      {Files({5}), "files[0]", "object"},
      {Files({File("a"), File("../b")}), "files[1].path", "relative path"},
      {Files({File("/etc/passwd")}), "files[0].path", "relative path"},
      {Files({File("")}), "files[0].path", "relative path"},
      {Files({File("a/")}), "files[0].path", "relative path"},
      {Files({File("a\nb")}), "files[0].path", "relative path"},
      {Files({no_size}), "files[0].size", "is required"},
      {Files({File("a"), bad_digest}), "files[1].digest", "64 hex digits"},
      {Files({more}), "files[0].owner", "not a known field"},
      {Files({File("a"), File("b"), File("a")}), "files", "has `a` twice"},
      {Files({File("a/b/c"), File("a")}), "files", "`a` as a file and as the folder of `a/b/c`"},
      {Files({File("a/b/c"), File("a/b"), File("a-b")}), "files",
       "`a/b` as a file and as the folder of `a/b/c`"},
  };
  for (const auto& c : cases) {
    const auto manifest = ParseManifest(c.body);
    ASSERT_FALSE(manifest) << c.body;
    EXPECT_EQ(manifest.error().code, ErrorCode::kInvalidArgument);
    ASSERT_EQ(manifest.error().details.size(), 1U) << c.body;
    EXPECT_EQ(manifest.error().details[0].field, c.field) << c.body;
    EXPECT_THAT(manifest.error().details[0].message, HasSubstr(c.message));
  }
}

TEST(Snapshot, WithinTheLimitsIsFine) {
  const auto manifest = Manifest({{"a", 200ULL << 20}, {"b", 100ULL << 20}});
  EXPECT_TRUE(CheckSnapshotLimits(manifest, {}));
  EXPECT_TRUE(CheckSnapshotLimits(manifest, {.max_bytes = 0, .max_files = 0}));
  EXPECT_FALSE(CheckSnapshotLimits(manifest, {.max_bytes = (300ULL << 20) - 1}));
  EXPECT_TRUE(CheckSnapshotLimits(manifest, {.max_files = 2}));
  EXPECT_FALSE(CheckSnapshotLimits(manifest, {.max_files = 1}));
}

TEST(Snapshot, TooManyBytesNamesTheFiveLargestFiles) {
  const auto manifest = Manifest({{"data/1.bin", 10ULL << 20},
                                  {"data/2.bin", 300ULL << 20},
                                  {"data/3.bin", 30ULL << 20},
                                  {"data/4.bin", 40ULL << 20},
                                  {"data/5.bin", 50ULL << 20},
                                  {"data/6.bin", 60ULL << 20},
                                  {"train.py", 100}});
  const Status status = CheckSnapshotLimits(manifest, {});
  ASSERT_FALSE(status);
  const Error& error = status.error();
  EXPECT_EQ(error.code, ErrorCode::kTooLarge);
  EXPECT_THAT(error.message, HasSubstr("Your total snapshot size exceeds the limit of 300.0 MB."));
  EXPECT_THAT(error.message, HasSubstr("data/2.bin (300.0 MiB), data/6.bin"));
  EXPECT_THAT(error.message, Not(HasSubstr("data/1.bin")));
  for (const char* way_out : {".amlignore", "./outputs", "--max-snapshot-mb"}) {
    EXPECT_THAT(error.message, HasSubstr(way_out));
  }
  std::vector<std::string> offenders;
  for (const Problem& problem : error.details) offenders.push_back(problem.field);
  EXPECT_THAT(offenders,
              ElementsAre("data/2.bin", "data/6.bin", "data/5.bin", "data/4.bin", "data/3.bin"));
}

TEST(Snapshot, TooManyFilesNamesTheFullestFolders) {
  std::vector<std::pair<std::string, std::uint64_t>> files = {{"train.py", 1}, {"a/b.py", 1}};
  for (int i = 0; i < 2000; ++i) files.emplace_back("data/cats/" + std::to_string(i), 1);
  const Status status = CheckSnapshotLimits(Manifest(files), {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kTooLarge);
  EXPECT_THAT(status.error().message,
              HasSubstr("Your project exceeds the file limit of 2000. It has 2002 files."));
  EXPECT_THAT(status.error().message, HasSubstr("data/cats/ (2000 files)"));
  EXPECT_THAT(status.error().message, HasSubstr("--max-snapshot-files"));
}

TEST(Snapshot, HugeSizesDoNotWrapAround) {
  constexpr auto kHuge = std::numeric_limits<std::uint64_t>::max() / 2;
  const auto manifest = Manifest({{"a", kHuge}, {"b", kHuge}, {"c", kHuge}});
  EXPECT_EQ(manifest.TotalBytes(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_FALSE(CheckSnapshotLimits(manifest, {}));
}

}  // namespace
}  // namespace roost::spec
