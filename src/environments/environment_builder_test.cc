#include "environments/environment_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "environments/conda_search.h"
#include "environments/fake_tools.h"

namespace roost::environments {
namespace {

using testing::HasSubstr;
using testing::Not;

class EnvironmentBuilderTest : public testing::Test {
 protected:
  EnvironmentBuilderTest() : settings_(tools_.Settings()) {
    EXPECT_TRUE(MakeFolders(settings_.folder));
    EXPECT_TRUE(log_.Open(settings_.folder / "log"));
  }
  Result<BuildReport> Build(const std::string& definition) {
    return EnvironmentBuilder(settings_, runner_, log_, cancel_, -1)
        .Build(Define(definition), settings_.folder / "env");
  }
  std::string Log() const { return ReadFile(log_.path()).value_or(""); }

  FakeTools tools_;
  ProcessRunner runner_;
  BuildSettings settings_;
  BuildLog log_;
  Cancellation cancel_;
};

constexpr const char* kPip = R"({"python": {"pip": ["tiny>=1", "--pre", "--trusted-host h"]}})";

TEST_F(EnvironmentBuilderTest, WithoutUvItIsVenvAndPip) {
  const auto report = Build(kPip);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->tool, "pip");
  EXPECT_EQ(report->python_version, "3.11.7");
  EXPECT_EQ(report->packages.at("tiny"), "1.0");
  const std::string env = (settings_.folder / "env").string();
  EXPECT_THAT(tools_.Calls(), HasSubstr("python3 -m venv " + env + "\n"));
  EXPECT_THAT(tools_.Calls(), HasSubstr("python -m pip install --pre --trusted-host h "
                                        "-r " +
                                        env + "/.roost/requirements.txt\n"));
  EXPECT_EQ(ReadFile(env + "/.roost/requirements.txt").value(), "tiny>=1\n");
  EXPECT_EQ(ReadFile(env + "/.roost/imports.json").value(), R"({"if_there":[],"names":["tiny"]})");
  EXPECT_THAT(Log(), HasSubstr("$ " + env + "/bin/python -I -c '<import check>'"));
}

TEST_F(EnvironmentBuilderTest, UvIsUsedWhereItIsFound) {
  tools_.Add("uv");
  const auto report = Build(kPip);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->tool, "uv");
  const std::string env = (settings_.folder / "env").string();
  EXPECT_THAT(tools_.Calls(),
              HasSubstr("uv venv --python " + tools_.python().string() + " " + env));
  EXPECT_THAT(tools_.Calls(),
              HasSubstr("uv pip install --python " + env +
                        "/bin/python --link-mode copy --index-strategy unsafe-best-match "
                        "--prerelease allow --allow-insecure-host h -r " +
                        env + "/.roost/requirements.txt\n"));
  EXPECT_THAT(tools_.Calls(), HasSubstr("uv pip install --python " + env + "/bin/python pip\n"));
}

TEST_F(EnvironmentBuilderTest, AnIndexWithoutPipIsNoFailureOfUv) {
  tools_.Add("uv");
  tools_.Set("no-pip");
  ASSERT_TRUE(Build(kPip));
  EXPECT_THAT(Log(), HasSubstr("pip itself is not in this environment"));
}

TEST_F(EnvironmentBuilderTest, TheOperatorsSettingsReachTheTool) {
  settings_.index_url = "https://user:secret@x.org/simple";
  settings_.extra_index_urls = {"https://y.org"};
  settings_.find_links = {"/wheels"};
  settings_.no_index = true;
  settings_.constraints = "/etc/constraints.txt";
  ASSERT_TRUE(Build(kPip));
  EXPECT_THAT(tools_.Calls(),
              HasSubstr("--index-url https://user:secret@x.org/simple --extra-index-url "
                        "https://y.org --find-links /wheels --no-index -c "
                        "/etc/constraints.txt --pre"));
  EXPECT_THAT(Log(), HasSubstr("https://****@x.org/simple"));
  EXPECT_THAT(Log(), Not(HasSubstr("secret")));
}

TEST_F(EnvironmentBuilderTest, TheDefinitionsIndexComesBeforeTheOperators) {
  settings_.index_url = "https://operator.org";
  ASSERT_TRUE(Build(R"({"python": {"pip": ["tiny", "-i https://mine.org"]}})"));
  EXPECT_THAT(tools_.Calls(), HasSubstr("--index-url https://mine.org"));
  EXPECT_THAT(tools_.Calls(), Not(HasSubstr("operator.org")));
}

TEST_F(EnvironmentBuilderTest, TakesTheInterpreterThatFits) {
  tools_.Add("python3.8");
  ASSERT_TRUE(WriteFileAtomic(tools_.folder() / "python3.8.version", "3.8.18"));
  ASSERT_TRUE(Build(R"({"python": {"pip": [], "version": "3.8"}})"));
  EXPECT_THAT(tools_.Calls(), HasSubstr("python3.8 -m venv"));
}

TEST_F(EnvironmentBuilderTest, AnInterpreterThatIsNotHereIsNamedWithWhatIs) {
  const auto failed = Build(R"({"python": {"conda": {"packages": ["python=3.6.2"]}}})");
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("python=3.6.2 is wanted"));
  EXPECT_THAT(failed.error().message, HasSubstr("3.11.7 (" + tools_.python().string() + ")"));
}

TEST_F(EnvironmentBuilderTest, UvMayFetchAnInterpreterAndCondaIsAskedNext) {
  constexpr const char* kOld = R"({"python": {"conda": {"packages": ["python=3.6.2"],
                                                        "pip": ["tiny"]}}})";
  tools_.Add("uv");
  tools_.Set("no-venv");
  const auto failed = Build(kOld);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("with python=3.6.2 ended with exit code 2"));
  EXPECT_THAT(tools_.Calls(), HasSubstr("uv venv --python ==3.6.2.* "));

  tools_.Add("micromamba");
  ASSERT_TRUE(RemoveTree(settings_.folder / "env"));
  const auto report = Build(kOld);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->tool, "micromamba");
  EXPECT_THAT(tools_.Calls(),
              HasSubstr("micromamba create --yes --prefix " + (settings_.folder / "env").string() +
                        " python=3.6.2 pip\n"));
}

TEST_F(EnvironmentBuilderTest, CondaInstallsWhatIsCondasAndPipTheRest) {
  tools_.Add("conda");
  const auto report = Build(R"({"python": {"conda": {"channels": ["c1", "nodefaults", "c2"],
      "packages": ["python=3.8", "ffmpeg>=4,<5"], "pip": ["tiny", "azureml-defaults"]}}})");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->tool, "conda");
  EXPECT_THAT(tools_.Calls(), HasSubstr("--override-channels --channel c1 --channel c2 python=3.8 "
                                        "ffmpeg>=4,<5 pip\n"));
  EXPECT_THAT(tools_.Calls(), HasSubstr("python -m pip install -r"));
  EXPECT_THAT(Log(), HasSubstr("azureml-defaults is not installed: Roost's own package"));
  EXPECT_EQ(report->notes.size(), 1U);
}

class CondaPinsTest : public EnvironmentBuilderTest {
 protected:
  void SetUp() override {
    tools_.Add("conda");
    tools_.Add("uv");
    tools_.Set("no-create");
    Put("cannot-have", "torch==1.6.*\n");
    Put("resolved", "torch==2.0.0\n");
  }
  void Put(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomic(tools_.folder() / name, text));
  }
  static constexpr const char* kOldTorch =
      R"({"python": {"conda": {"packages": ["python=3.11", "pytorch=1.6"], "pip": ["tiny"]}}})";
};

TEST_F(CondaPinsTest, WhatCondaCannotHaveIsLookedForAmongPipsPackages) {
  const auto failed = Build(kOldTorch);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("installing packages with conda ended"));
  EXPECT_THAT(failed.error().message,
              HasSubstr("What could be had: torch==1.6.* -> torch==2.0.0. Change"));
  EXPECT_THAT(failed.error().message, HasSubstr("--relax-pins"));
}

TEST_F(CondaPinsTest, RelaxedTheyComeFromPip) {
  settings_.relax_pins = true;
  const auto report = Build(kOldTorch);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->tool, "uv");
  EXPECT_THAT(report->notes,
              testing::Contains("pytorch=1.6 is taken as torch==1.6.* from pip, without conda."));
  EXPECT_THAT(report->notes,
              testing::Contains("Changed (relax pins): torch==1.6.* -> torch==2.0.0"));
  EXPECT_EQ(tools_.CountCalls("conda create"), 1);
  const fs::path requirements = settings_.folder / "env" / ".roost" / "requirements.txt";
  EXPECT_EQ(ReadFile(requirements).value(), "torch==2.0.0\ntiny\n");
}

TEST_F(CondaPinsTest, WhatOnlyCondaHasIsNamedWithTheVersionsThatThereAre) {
  settings_.relax_pins = true;
  Put("search.json", R"({"gcc_linux-64": [{"version": "11.2.0"}, {"version": "12.3.0"},
                                          {"version": "11.2.0"}]})");
  constexpr const char* kGcc = R"({"python": {"conda": {"channels": ["c1", "nodefaults"],
      "packages": ["python", "gcc_linux-64=99", "ffmpeg"]}}})";
  const auto failed = Build(kGcc);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message,
              HasSubstr("conda cannot have gcc_linux-64=99 (there are 11.2.0, 12.3.0): change"));
  EXPECT_THAT(tools_.Calls(), HasSubstr("conda search --json --override-channels --channel c1 "
                                        "gcc_linux-64\n"));
  EXPECT_EQ(tools_.CountCalls("conda search"), 1) << "what has no version is not asked for";

  Put("search.json", R"({"result": {"pkgs": [{"name": "gcc_linux-64", "version": "99.1"}]}})");
  EXPECT_THAT(Build(kGcc).error().message,
              HasSubstr("versions of conda's packages are not relaxed"));
}

TEST_F(EnvironmentBuilderTest, NothingToInstallIsAnEnvironmentToo) {
  ASSERT_TRUE(Build(R"({"python": {"pip": ["azureml-core"]}})"));
  EXPECT_EQ(tools_.CountCalls("pip install"), 0);
}

TEST(ParseCondaSearch, ReadsCondasAndMicromambasForm) {
  using testing::ElementsAre;
  EXPECT_THAT(
      ParseCondaSearch(R"({"a": [{"version": "1"}, {"version": "2"}, {"version": "1"}]})", "a"),
      ElementsAre("1", "2"));
  EXPECT_THAT(ParseCondaSearch(R"({"result": {"pkgs": [{"name": "a", "version": "3"},
                                                       {"name": "b", "version": "4"}]}})",
                               "a"),
              ElementsAre("3"));
  EXPECT_THAT(ParseCondaSearch(R"({"error": "PackagesNotFoundError"})", "a"), testing::IsEmpty());
  EXPECT_THAT(ParseCondaSearch("no network", "a"), testing::IsEmpty());
}

TEST(BuildVariables, KeepsWhatBuildingNeedsAndTheOperatorWins) {
  const auto variables = BuildVariables({{"PATH", "/bin"},
                                         {"PIP_INDEX_URL", "https://x"},
                                         {"PIP_TARGET", "/elsewhere"},
                                         {"PYTHONPATH", "/p"},
                                         {"VIRTUAL_ENV", "/v"},
                                         {"https_proxy", "p"},
                                         {"LC_ALL", "C"},
                                         {"SECRET", "s"}},
                                        {{"PATH", "/operator"}, {"MAX_JOBS", "2"}});
  EXPECT_EQ(variables.at("PATH"), "/operator");
  EXPECT_EQ(variables.at("MAX_JOBS"), "2");
  EXPECT_EQ(variables.at("PYTHONNOUSERSITE"), "1");
  for (const char* kept : {"PIP_INDEX_URL", "https_proxy", "LC_ALL"}) {
    EXPECT_EQ(variables.count(kept), 1U) << kept;
  }
  for (const char* dropped : {"PIP_TARGET", "PYTHONPATH", "VIRTUAL_ENV", "SECRET"}) {
    EXPECT_EQ(variables.count(dropped), 0U) << dropped;
  }
}

TEST(WithoutSecrets, HidesUserAndPasswordOfEveryAddress) {
  EXPECT_EQ(WithoutSecrets("a https://u:p@h/x?y=@z git+ssh://git@h/r b"),
            "a https://****@h/x?y=@z git+ssh://****@h/r b");
  EXPECT_EQ(WithoutSecrets("https://u:p@h"), "https://****@h");
  EXPECT_EQ(WithoutSecrets("https://h/a@b"), "https://h/a@b");
}

}  // namespace
}  // namespace roost::environments
