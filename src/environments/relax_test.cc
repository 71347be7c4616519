#include "environments/relax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::environments {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PinnedVersion, IsTheLowerOneOfWhatIsWritten) {
  EXPECT_EQ(PinnedVersion("==1.6.0"), "1.6.0");
  EXPECT_EQ(PinnedVersion("==1.6.*"), "1.6");
  EXPECT_EQ(PinnedVersion("==1.6.0+cpu"), "1.6.0");
  EXPECT_EQ(PinnedVersion("<2,>=1.18"), "1.18");
  EXPECT_EQ(PinnedVersion("~=1.4.2"), "1.4.2");
  EXPECT_EQ(PinnedVersion("<2"), "2");
  EXPECT_EQ(PinnedVersion("!=1.0"), "");
  EXPECT_EQ(PinnedVersion(""), "");
}

TEST(FailedSourceBuilds, AreReadFromWhatTheToolsWrite) {
  EXPECT_THAT(FailedSourceBuilds("error: Failed to build `horovod==0.19.5`\n"),
              ElementsAre("horovod"));
  EXPECT_THAT(FailedSourceBuilds("  ERROR: Failed building wheel for Some_Thing\n"
                                 "ERROR: Could not build wheels for Some_Thing, which is required "
                                 "to install pyproject.toml-based projects\n"),
              ElementsAre("some-thing"));
  EXPECT_THAT(FailedSourceBuilds("ERROR: No matching distribution found for torch==1.6.0\n"),
              IsEmpty());
}

TEST(ParseUvAnswer, GivesVersionsAndPlaces) {
  const Resolved resolved = ParseUvAnswer(
      "torch==2.0.0+cpu\n    # from file:///w2\nruamel-yaml[jinja2]==0.18 ; python_version<'4'\n"
      "    # from https://pypi.org/simple\nmine @ https://x.org/mine.zip\n");
  EXPECT_EQ(resolved.versions.at("torch"), "2.0.0+cpu");
  EXPECT_EQ(resolved.sources.at("torch"), "file:///w2");
  EXPECT_EQ(resolved.versions.at("ruamel-yaml"), "0.18");
  EXPECT_EQ(resolved.versions.at("mine"), "");
}

TEST(ParsePipReport, GivesVersionsAndPlaces) {
  const auto resolved = ParsePipReport(R"({"version": "1", "install": [
      {"download_info": {"url": "https://x.org/a/b.whl"},
       "metadata": {"name": "Some_Thing", "version": "1.0"}}]})");
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->versions.at("some-thing"), "1.0");
  EXPECT_EQ(resolved->sources.at("some-thing"), "https://x.org");
  EXPECT_FALSE(ParsePipReport("installing"));
}

TEST(ParseFromVersions, ReadsPipsError) {
  EXPECT_THAT(ParseFromVersions("ERROR: Could not find a version that satisfies the requirement "
                                "torch===roost-asks (from versions: 1.5.0, 2.13.0+cpu)\n"),
              ElementsAre("1.5.0", "2.13.0+cpu"));
  EXPECT_THAT(ParseFromVersions("(from versions: none)"), IsEmpty());
  EXPECT_THAT(ParseFromVersions("no network"), IsEmpty());
}

}  // namespace
}  // namespace roost::environments
