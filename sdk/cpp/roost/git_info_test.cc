#include "roost/git_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/strings.h"
#include "base/subprocess.h"

namespace roost::client {
namespace {

using testing::IsEmpty;

TEST(StripCredentialsTest, LeavesTheAddress) {
  const struct {
    const char *given, *shown;
  } cases[] = {
      {"https://user:token@host.example/a/b.git", "https://host.example/a/b.git"},
      {"https://ghp_secret@host.example/a.git", "https://host.example/a.git"},
      {"https://host.example/a.git?private_token=x", "https://host.example/a.git"},
      {"ssh://git:pw@host.example:22/a.git", "ssh://git@host.example:22/a.git"},
      {"ssh://git@host.example/a.git", "ssh://git@host.example/a.git"},
      {"git@host.example:a/b.git", "git@host.example:a/b.git"},
      {"/srv/git/a.git", "/srv/git/a.git"},
      {"https://host.example", "https://host.example"},
  };
  for (const auto& one : cases) EXPECT_EQ(StripCredentials(one.given), one.shown);
}

class GitPropertiesTest : public testing::Test {
 protected:
  GitPropertiesTest() {
    environment_ = CurrentEnvironment();
    for (const char* role : {"AUTHOR", "COMMITTER"}) {
      environment_[std::string("GIT_") + role + "_NAME"] = "A";
      environment_[std::string("GIT_") + role + "_EMAIL"] = "a@example.org";
    }
    environment_["GIT_CEILING_DIRECTORIES"] = folder_.path().parent_path().string();
  }
  std::string Git(std::vector<std::string> arguments) {
    SubprocessOptions options;
    options.argv = {"git"};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    options.environment = environment_;
    options.working_folder = folder_.path();
    const auto run = RunAndCapture(options, std::chrono::seconds(100));
    EXPECT_TRUE(run && run->status.code == 0) << arguments[0];
    return run ? std::string(Trim(run->output)) : "";
  }
  void MakeRepository() {
    Git({"init", "-q", "-b", "trunk"});
    ASSERT_TRUE(WriteFileAtomic(folder_.path() / "a.py", "1"));
    Git({"add", "a.py"});
    Git({"commit", "-q", "-m", "first"});
    Git({"remote", "add", "origin", "https://me:secret@host.example/a.git"});
  }
  std::map<std::string, std::string> Read() {
    return ReadGitProperties(folder_.path(), environment_, std::chrono::seconds(100));
  }

  TempFolder folder_;
  std::map<std::string, std::string> environment_;
};

TEST_F(GitPropertiesTest, TellsTheRepository) {
  MakeRepository();
  const std::string commit = Git({"rev-parse", "HEAD"});
  const std::map<std::string, std::string> expected = {
      {"azureml.git.repository_uri", "https://host.example/a.git"},
      {"azureml.git.branch", "trunk"},
      {"azureml.git.commit", commit},
      {"azureml.git.dirty", "False"},
      {"mlflow.source.git.repoURL", "https://host.example/a.git"},
      {"mlflow.source.git.branch", "trunk"},
      {"mlflow.source.git.commit", commit}};
  EXPECT_EQ(Read(), expected);
}

TEST_F(GitPropertiesTest, ChangesAreDirtyAndVariablesTakePrecedence) {
  MakeRepository();
  ASSERT_TRUE(WriteFileAtomic(folder_.path() / "new.py", "1"));
  environment_["AZUREML_GIT_BRANCH"] = "from-ci";
  const auto properties = Read();
  EXPECT_EQ(properties.at("azureml.git.dirty"), "True");
  EXPECT_EQ(properties.at("azureml.git.branch"), "from-ci");
  EXPECT_EQ(properties.at("mlflow.source.git.branch"), "from-ci");
}

TEST_F(GitPropertiesTest, NothingOutsideARepositoryOrWithoutGit) {
  EXPECT_THAT(Read(), IsEmpty());
  MakeRepository();
  environment_["PATH"] = "/nonexistent";
  EXPECT_THAT(Read(), IsEmpty());
}

}  // namespace
}  // namespace roost::client
