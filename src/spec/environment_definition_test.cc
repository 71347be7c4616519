#include "spec/environment_definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace roost::spec {
namespace {

using nlohmann::json;

EnvironmentDefinition Parsed(const char* text) {
  auto parsed = ParseEnvironmentDefinition(json::parse(text));
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? *parsed : EnvironmentDefinition{};
}

constexpr const char* kConda = R"({
  "name": "pytorch-env", "version": "3",
  "python": {"conda": {"channels": ["pytorch", "conda-forge"],
                       "packages": ["python=3.6.2", "Numpy >= 1.18"],
                       "pip": ["torch==1.6.0", "-i https://x.org", "Pillow"]}},
  "docker": {"enabled": true, "base_image": "mcr.example/base:1", "shm_size": "2g"},
  "environment_variables": {"A": "1"}})";

TEST(EnvironmentDefinition, ReadsWhatItWrites) {
  const char* all[] = {
      kConda,
      R"({"python": {"pip": ["torch", "numpy<2"], "version": "3.10"}})",
      R"({"python": {"interpreter": "/usr/bin/python3"}})",
      R"({"python": {"conda_environment": "base"}})",
      R"({"docker": {"base_dockerfile": "FROM scratch\n"}})",
      R"({})",
  };
  for (const char* text : all) {
    const auto definition = Parsed(text);
    const auto again = ParseEnvironmentDefinition(ToJson(definition));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, definition) << text;
    EXPECT_EQ(again->Id(), definition.Id()) << text;
  }
}

TEST(EnvironmentDefinition, ReadsEveryField) {
  const auto definition = Parsed(kConda);
  EXPECT_EQ(definition.name, "pytorch-env");
  EXPECT_EQ(definition.version, "3");
  EXPECT_THAT(definition.conda->channels, testing::ElementsAre("pytorch", "conda-forge"));
  EXPECT_THAT(definition.conda->packages, testing::ElementsAre("python=3.6.2", "numpy>=1.18"));
  EXPECT_THAT(definition.conda->pip,
              testing::ElementsAre("--index-url https://x.org", "torch==1.6.0", "pillow"));
  EXPECT_TRUE(definition.docker.enabled);
  EXPECT_EQ(definition.docker.shm_size, "2g");
  EXPECT_EQ(definition.environment_variables.at("A"), "1");
}

TEST(EnvironmentDefinition, KnowsItsKind) {
  EXPECT_EQ(Parsed(kConda).Kind(), EnvironmentKind::kConda);
  EXPECT_EQ(Parsed(R"({"python": {"pip": []}})").Kind(), EnvironmentKind::kPip);
  EXPECT_EQ(Parsed(R"({"python": {"interpreter": "/p"}})").Kind(), EnvironmentKind::kInterpreter);
  EXPECT_EQ(Parsed(R"({"python": {"conda_environment": "x"}})").Kind(),
            EnvironmentKind::kCondaEnvironment);
  EXPECT_EQ(Parsed(R"({"docker": {"base_image": "x"}})").Kind(), EnvironmentKind::kImage);
  EXPECT_EQ(Parsed(R"({"docker": {"base_image": "x"}, "python": {"pip": ["a"]}})").Kind(),
            EnvironmentKind::kPip);
  EXPECT_EQ(Parsed("{}").Kind(), EnvironmentKind::kServerPython);
}

TEST(EnvironmentDefinition, DigestDoesNotDependOnOrderWithoutMeaning) {
  const auto one = Parsed(R"({"name": "a", "python": {"conda": {"channels": ["x", "y"],
      "packages": ["python=3.8", "numpy"], "pip": ["torch == 1.6.0", "Pillow", "pillow"]}}})");
  const auto two = Parsed(R"({"name": "b", "version": "7", "python": {"conda": {"pip":
      ["pillow", "torch==1.6.0  # old"], "packages": ["numpy", "python=3.8"],
      "channels": ["x", "y"]}}})");
  EXPECT_EQ(one.Canonical(), two.Canonical());
  EXPECT_EQ(one.Id(), two.Id());
}

TEST(EnvironmentDefinition, DigestDependsOnEverythingElse) {
  const char* all[] = {
      R"({"python": {"pip": ["a", "b"]}})",
      R"({"python": {"pip": ["a"]}})",
      R"({"python": {"pip": ["a", "b"], "version": "3.8"}})",
      R"({"python": {"pip": ["a", "b", "--pre"]}})",
      R"({"python": {"pip": ["-i https://x.org", "--extra-index-url https://y.org"]}})",
      R"({"python": {"pip": ["--extra-index-url https://y.org", "-i https://x.org"]}})",
      R"({"python": {"conda": {"pip": ["a", "b"]}}})",
      R"({"python": {"conda": {"channels": ["x", "y"], "pip": ["a", "b"]}}})",
      R"({"python": {"conda": {"channels": ["y", "x"], "pip": ["a", "b"]}}})",
      R"({"python": {"pip": ["a", "b"]}, "environment_variables": {"A": "1"}})",
      R"({"python": {"pip": ["a", "b"]}, "docker": {"base_image": "x"}})",
      R"({"python": {"interpreter": "/a"}})",
      R"({"python": {"conda_environment": "/a"}})",
  };
  std::map<Digest, std::string> seen;
  for (const char* text : all) {
    const auto [place, is_new] = seen.emplace(Parsed(text).Id(), text);
    EXPECT_TRUE(is_new) << text << " is taken for " << place->second;
  }
}

TEST(EnvironmentDefinition, VariablesAndContainerHintsDoNotChangeWhatIsBuilt) {
  const auto plain = Parsed(R"({"python": {"pip": ["a"]}})");
  const auto more = Parsed(R"({"python": {"pip": ["a"]}, "environment_variables": {"A": "1"},
                               "docker": {"base_image": "x", "enabled": true}})");
  EXPECT_NE(plain.Id(), more.Id());
  EXPECT_EQ(plain.CanonicalBuild(), more.CanonicalBuild());
}

// The text is kept with every build and digests are stored, so its form must not drift.
TEST(EnvironmentDefinition, CanonicalTextIsStable) {
  EXPECT_EQ(Parsed(R"({"python": {"pip": ["b", "A>=1"], "version": "3.10"}})").CanonicalBuild(),
            R"({"python":{"pip":["a>=1","b"],"version":"==3.10.*"}})");
}

TEST(EnvironmentDefinition, TellsAllProblemsAtOnce) {
  const auto parsed = ParseEnvironmentDefinition(json::parse(R"({
    "name": "a/b", "version": "1/2", "color": 1,
    "python": {"conda": {"channels": ["-x"], "packages": ["a=", 3], "pip": ["-r x.txt"]},
               "pip": ["torch=1"], "interpreter": "python3", "conda_environment": "a/b",
               "version": "new"},
    "docker": {"enabled": "yes", "base_image": "-v", "base_dockerfile": "FROM x", "shm_size": "g2"},
    "environment_variables": {"1A": "x"}})"));
  ASSERT_FALSE(parsed);
  std::vector<std::string> fields;
  for (const Problem& problem : parsed.error().details) fields.push_back(problem.field);
  EXPECT_THAT(fields, testing::UnorderedElementsAre(
                          "name", "version", "color", "python.conda.channels[0]",
                          "python.conda.packages[1]", "python.conda.pip[0]", "python.pip[0]",
                          "python.interpreter", "python.conda_environment", "python.version",
                          "python", "docker.enabled", "docker.base_image", "docker.base_dockerfile",
                          "docker.shm_size", "environment_variables.1A"));
}

TEST(EnvironmentDefinition, AVersionOfPythonGoesWithPipOnly) {
  const auto parsed = ParseEnvironmentDefinition(
      json::parse(R"({"python": {"interpreter": "/p", "version": "3.8"}})"));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().details.at(0).field, "python.version");
}

}  // namespace
}  // namespace roost::spec
