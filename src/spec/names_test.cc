#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "spec/display_words.h"
#include "spec/run_definition.h"

namespace roost::spec {
namespace {

using ::testing::MatchesRegex;
using ::testing::StartsWith;

TEST(Ids, SubmittedRunsHaveAzuresForm) {
  const struct {
    std::string experiment;
    std::string start;
  } cases[] = {
      {"cifar", "cifar_1732174528_"},
      {"My Experiment/1", "my-experiment-1_1732174528_"},
      {"--x", "x_1732174528_"},
      {"...", "run_1732174528_"},
      {"日本", "run_1732174528_"},
      {std::string(200, 'a'), std::string(80, 'a') + "_1732174528_"},
  };
  for (const auto& c : cases) {
    const std::string id = MakeSubmittedRunId(c.experiment, 1732174528);
    EXPECT_THAT(id, StartsWith(c.start));
    EXPECT_THAT(id.substr(c.start.size()), MatchesRegex("[0-9a-f]{8}"));
    EXPECT_TRUE(CheckRunId(id)) << id;
  }
}

TEST(Ids, TrackedRunsAreUuid4) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    const std::string id = MakeTrackedRunId();
    EXPECT_THAT(
        id, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 100U);
}

TEST(Ids, DisplayNamesAreReadableAndDiffer) {
  std::set<std::string> names;
  std::set<std::string> adjectives;
  for (int i = 0; i < 200; ++i) {
    const std::string name = MakeDisplayName();
    EXPECT_THAT(name, MatchesRegex("[a-z]+_[a-z]+_[0-9a-z]{4}"));
    names.insert(name);
    adjectives.insert(name.substr(0, name.find('_')));
  }
  EXPECT_EQ(names.size(), 200U);
  EXPECT_GT(adjectives.size(), 20U);
}

TEST(Ids, TheWordsOfDisplayNamesAreDistinct) {
  EXPECT_GE(std::set(kAdjectives.begin(), kAdjectives.end()).size(), 60U);
  EXPECT_EQ(std::set(kAdjectives.begin(), kAdjectives.end()).size(), kAdjectives.size());
  EXPECT_GE(std::set(kNouns.begin(), kNouns.end()).size(), 60U);
  EXPECT_EQ(std::set(kNouns.begin(), kNouns.end()).size(), kNouns.size());
}

struct NameCase {
  std::string name;
  bool valid;
};
void ExpectChecks(const std::vector<NameCase>& cases, Status (*check)(std::string_view),
                  const std::string& field) {
  for (const NameCase& c : cases) {
    const Status status = check(c.name);
    EXPECT_EQ(status.has_value(), c.valid) << field << " " << c.name;
    if (status) continue;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    ASSERT_EQ(status.error().details.size(), 1U);
    EXPECT_EQ(status.error().details[0].field, field);
  }
}

TEST(Names, Experiments) {
  ExpectChecks({{"cifar", true},
                {"/Users/me/Mein Versuch", true},
                {std::string(256, 'a'), true},
                {"", false},
                {"  ", false},
                {std::string(257, 'a'), false},
                {"a\nb", false},
                {std::string("a\0b", 3), false},
                {"\xff", false}},
               CheckExperimentName, "experiment");
}

TEST(Names, LengthsAreCharactersNotBytes) {
  std::string umlauts;
  for (int i = 0; i < 256; ++i) umlauts += "ä";
  EXPECT_TRUE(CheckExperimentName(umlauts));
  EXPECT_FALSE(CheckExperimentName(umlauts + "ä"));
}

TEST(Names, Metrics) {
  ExpectChecks({{"loss", true},
                {"val/acc @5", true},
                {std::string(250, 'm'), true},
                {"", false},
                {std::string(251, 'm'), false},
                {"a\tb", false}},
               CheckMetricName, "name");
}

TEST(Names, Models) {
  ExpectChecks({{"cifar-net", true},
                {"my model 2", true},
                {"..", false},
                {".", false},
                {"a/b", false},
                {"a:1", false},
                {"", false},
                {std::string(256, 'm'), false}},
               CheckModelName, "name");
}

TEST(Names, RunIds) {
  ExpectChecks({{"cifar_1732174528_2dd21b40", true},
                {"0a3f", true},
                {"a.b", true},
                {"", false},
                {"..", false},
                {".x", false},
                {"-x", false},
                {"a/b", false},
                {"a b", false},
                {"ä", false},
                {std::string(257, 'a'), false}},
               CheckRunId, "run_id");
}

TEST(Names, ArtifactPaths) {
  ExpectChecks({{"outputs/model.pt", true},
                {"a b/ü.png", true},
                {std::string(5000, 'a'), true},
                {std::string(5001, 'a'), false},
                {"", false},
                {"/x", false},
                {"a/../b", false},
                {"a/./b", false},
                {"a//b", false},
                {"a/", false},
                {"a\nb", false},
                {"\xff", false}},
               CheckArtifactPath, "path");
}

TEST(Names, Tags) {
  EXPECT_TRUE(CheckTag("team", "vision"));
  EXPECT_TRUE(CheckTag("flag", std::nullopt));
  EXPECT_TRUE(CheckTag(std::string(250, 'k'), std::string(5000, 'v')));
  EXPECT_TRUE(CheckTag("note", "two\nlines"));
  EXPECT_FALSE(CheckTag("", "x"));
  EXPECT_FALSE(CheckTag(std::string(251, 'k'), "x"));
  EXPECT_FALSE(CheckTag("k", std::string(5001, 'v')));
  EXPECT_FALSE(CheckTag("k", std::string("a\0b", 3)));
  EXPECT_FALSE(CheckTag("k", "\xff"));
  EXPECT_FALSE(CheckTag("\xff", "x"));
}

}  // namespace
}  // namespace roost::spec
