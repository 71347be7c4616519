#include "environments/container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/strings.h"
#include "environments/container_builder.h"
#include "environments/fake_tools.h"

namespace roost::environments {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ContainerImage Image(ContainerKind kind, const char* program) {
  return {.tool = {kind, program},
          .image = "img:1",
          .python = "python",
          .shm_size = "",
          .arguments = {}};
}

ContainerOptions Options() {
  return {.name = "run_1",
          .mounts = {{"/data/run", false}, {"/a,b", true}},
          .variables = {{"TOKEN", "secret"},
                        {"PATH", "/bin"},
                        {"HOME", "/mine"},
                        {"DOCKER_HOST", "x"},
                        {"CUDA_VISIBLE_DEVICES", "2,3"}},
          .working_folder = "/data/run",
          .gpus = {2, 3}};
}
const std::map<std::string, std::string> kOutside = {{"PATH", "/bin"}, {"HOME", "/root"}};

TEST(FindContainerTool, TakesTheFirstThatIsThere) {
  FakeTools tools;
  const auto found = [&] { return FindContainerTool(tools.Settings().variables); };
  EXPECT_FALSE(found());
  tools.Add("apptainer");
  EXPECT_EQ(found()->kind, ContainerKind::kApptainer);
  tools.Add("docker");
  EXPECT_EQ(found()->kind, ContainerKind::kDocker);
  tools.Add("podman");
  EXPECT_EQ(found()->kind, ContainerKind::kPodman);
}

TEST(RunInContainer, DockerGetsFoldersGpusSharedMemoryAndVariables) {
  ContainerImage image = Image(ContainerKind::kDocker, "/usr/bin/docker");
  image.arguments = {"--ulimit", "nofile=9"};
  const auto command = RunInContainer(image, Options(), {"python", "train.py", "--a"}, kOutside);
  const std::string line = Join(command.argv, " ");
  EXPECT_THAT(line, HasSubstr("/usr/bin/docker run --rm --init --name run_1 --network host "
                              "--workdir /data/run"));
  EXPECT_THAT(line, HasSubstr("--mount type=bind,src=/data/run,dst=/data/run "));
  EXPECT_THAT(line, HasSubstr("--mount type=bind,\"src=/a,b\",\"dst=/a,b\",readonly"));
  EXPECT_THAT(line, HasSubstr("--gpus \"device=2,3\""));
  EXPECT_THAT(line, HasSubstr("--shm-size 2g"));
  EXPECT_THAT(line, testing::EndsWith("--ulimit nofile=9 --entrypoint python img:1 train.py --a"));
  // Values are not to be read in the command line; the tool takes them from its own environment.
  EXPECT_THAT(line, HasSubstr("--env TOKEN "));
  EXPECT_THAT(line, Not(HasSubstr("secret")));
  EXPECT_EQ(command.environment.at("TOKEN"), "secret");
  // The tool keeps its own home and address, and the image its own PATH.
  EXPECT_THAT(line, HasSubstr("--env HOME=/mine"));
  EXPECT_THAT(line, HasSubstr("--env DOCKER_HOST=x"));
  EXPECT_EQ(command.environment.at("HOME"), "/root");
  EXPECT_EQ(command.environment.count("DOCKER_HOST"), 0U);
  EXPECT_THAT(line, Not(HasSubstr("--env PATH")));
  EXPECT_EQ(command.environment.at("CUDA_VISIBLE_DEVICES"), "0,1");
  const bool is_root = geteuid() == 0;
  EXPECT_EQ(line.find("--user ") == std::string::npos, is_root);
  EXPECT_THAT(RemoveContainerCommand(image.tool, "run_1"),
              ElementsAre("/usr/bin/docker", "rm", "--force", "run_1"));
}

TEST(RunInContainer, AnImageKeepsItsPathUnlessTheRunHasOneOfItsOwn) {
  const ContainerImage image = Image(ContainerKind::kDocker, "/usr/bin/docker");
  ContainerOptions options = Options();
  options.variables = {{"PATH", "/opt/conda/bin:/bin:/trainer"}};
  EXPECT_THAT(Join(RunInContainer(image, options, {"a"}, kOutside).argv, " "),
              Not(HasSubstr("PATH=")));
  options.variables = {{"PATH", "/mine"}};
  EXPECT_THAT(Join(RunInContainer(image, options, {"a"}, kOutside).argv, " "),
              HasSubstr("--env PATH=/mine"));
}

TEST(RunInContainer, PodmanHasItsOwnNamesForDevices) {
  ContainerImage image = Image(ContainerKind::kPodman, "/usr/bin/podman");
  image.shm_size = "8g";
  const std::string line = Join(RunInContainer(image, Options(), {"a"}, kOutside).argv, " ");
  EXPECT_THAT(line, HasSubstr("--device nvidia.com/gpu=2 --device nvidia.com/gpu=3"));
  EXPECT_THAT(line, HasSubstr("--shm-size 8g"));
  ContainerOptions no_gpu = Options();
  no_gpu.gpus.clear();
  const auto without = RunInContainer(image, no_gpu, {"a"}, kOutside);
  EXPECT_THAT(Join(without.argv, " "), Not(HasSubstr("--device")));
}

TEST(RunInContainer, ApptainerSaysWhatItCannotDo) {
  ContainerImage image = Image(ContainerKind::kApptainer, "/usr/bin/apptainer");
  image.image = "/e/image.sif";
  image.arguments = {"--ulimit=nofile=9"};
  const auto command = RunInContainer(image, Options(), {"python", "x"}, kOutside);
  const std::string line = Join(command.argv, " ");
  EXPECT_THAT(line, HasSubstr("apptainer exec --cleanenv --no-home --pwd /data/run --mount "
                              "type=bind,src=/data/run,dst=/data/run --mount "
                              "type=bind,\"src=/a,b\",\"dst=/a,b\",ro --nv /e/image.sif python x"));
  EXPECT_EQ(command.environment.at("APPTAINERENV_TOKEN"), "secret");
  EXPECT_THAT(command.notes, ElementsAre(HasSubstr("docker.arguments")));
  EXPECT_THAT(RemoveContainerCommand(image.tool, "x"), IsEmpty());

  image.tool.program = "/usr/bin/singularity";
  const auto other = RunInContainer(image, Options(), {"python", "x"}, kOutside);
  EXPECT_EQ(other.environment.at("SINGULARITYENV_TOKEN"), "secret");
}

TEST(CheckContainerArguments, WhatMountsOrRaisesRightsIsRefused) {
  EXPECT_TRUE(CheckContainerArguments({"--shm-size=2g", "--ulimit", "nofile=1", "--init"}));
  for (const char* bad : {"--privileged", "-v", "--volume=/:/host", "--cap-add", "word"}) {
    const auto refused = CheckContainerArguments({"--init", bad});
    ASSERT_FALSE(refused) << bad;
    EXPECT_THAT(refused.error().message, HasSubstr("--shm-size")) << bad;
  }
  EXPECT_FALSE(CheckContainerArguments({"--ipc"}));
}

TEST(RunsInContainer, WithAPythonSectionTheImageIsAHintUnlessAllIsThere) {
  FakeTools tools;
  BuildSettings settings = tools.Settings();
  const auto image = Define(R"({"docker": {"base_image": "img:1"}})");
  const auto hint =
      Define(R"({"python": {"pip": ["a"]}, "docker": {"base_image": "img:1", "enabled": true}})");
  const auto unasked = Define(R"({"python": {"pip": ["a"]}, "docker": {"base_image": "img:1"}})");
  EXPECT_TRUE(RunsInContainer(image, settings));
  settings.containers = true;
  EXPECT_FALSE(RunsInContainer(hint, settings));
  tools.Add("podman");
  EXPECT_TRUE(RunsInContainer(hint, settings));
  EXPECT_FALSE(RunsInContainer(unasked, settings));
  settings.containers = false;
  EXPECT_FALSE(RunsInContainer(hint, settings));
}

TEST(ContainerHint, SaysWhatIsNamedAndWhyThereIsNoContainer) {
  FakeTools tools;
  BuildSettings settings = tools.Settings();
  const auto hint = [&](const std::string& text) { return ContainerHint(Define(text), settings); };
  constexpr const char* kAsked =
      R"({"python": {"pip": ["a"]}, "docker": {"base_image": "img:1", "enabled": true}})";
  EXPECT_EQ(hint(kAsked),
            "The environment names the image img:1, which is a hint: its packages are installed on "
            "the server's machine, without a container (the server runs without --containers; the "
            "server finds no podman, docker or apptainer).");
  tools.Add("podman");
  settings.containers = true;
  EXPECT_EQ(hint(kAsked), "");
  EXPECT_THAT(hint(R"({"python": {"pip": ["a"]}, "docker": {"base_dockerfile": "FROM x"}})"),
              HasSubstr("names a Dockerfile, which is a hint: its packages are installed on the "
                        "server's machine, without a container (docker.enabled is not set)."));
  EXPECT_THAT(hint(R"({"python": {"conda": {"packages": ["a"]}}, "docker": {"enabled": true}})"),
              HasSubstr("names a container, which is a hint: its packages are installed on the "
                        "server's machine, without a container (no image is named)."));
  EXPECT_THAT(hint(R"({"python": "/usr/bin/python3", "docker": {"base_image": "i"}})"),
              HasSubstr("its runs have an existing interpreter"));
  EXPECT_EQ(hint(R"({"docker": {"base_image": "img:1"}})"), "");
  EXPECT_EQ(hint(R"({"python": {"pip": ["a"]}})"), "");
}

class ContainerCacheTest : public testing::Test {
 protected:
  Result<ReadyEnvironment> Prepare(const std::string& definition) {
    if (!cache_) cache_.emplace(settings_, runner_, SystemClock());
    fs::remove(log_);
    return Asked(*cache_, Define(definition), log_).Get();
  }
  std::string Log() const { return ReadFile(log_).value_or(""); }

  FakeTools tools_;
  BuildSettings settings_ = tools_.Settings();
  ProcessRunner runner_;
  std::optional<EnvironmentCache> cache_;
  fs::path log_ = tools_.folder() / "log.txt";
};

constexpr const char* kImage = R"({"docker": {"base_image": "img:1", "shm_size": "4g"}})";

TEST_F(ContainerCacheTest, WithoutAToolTheErrorNamesThem) {
  const auto failed = Prepare(kImage);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("the image img:1"));
  EXPECT_THAT(failed.error().message, HasSubstr("no podman, docker or apptainer"));
}

TEST_F(ContainerCacheTest, AnImageIsFetchedOnceAndAgainWhenItIsGone) {
  tools_.Add("docker");
  const auto ready = Prepare(kImage);
  ASSERT_TRUE(ready) << ready.error().message;
  ASSERT_TRUE(ready->container);
  EXPECT_EQ(ready->container->image, "img:1");
  EXPECT_EQ(ready->container->shm_size, "4g");
  EXPECT_EQ(ready->python, "/opt/conda/bin/python");
  EXPECT_EQ(cache_->List()->at(0).mark.python, "3.8.1");
  ASSERT_TRUE(Prepare(kImage));
  EXPECT_EQ(tools_.CountCalls("docker pull img:1"), 1);
  tools_.Unset("has-image");
  ASSERT_TRUE(Prepare(kImage));
  EXPECT_EQ(tools_.CountCalls("docker pull img:1"), 2);
  EXPECT_FALSE(cache_->Find(Define(kImage))->has_value());
}

TEST_F(ContainerCacheTest, OneThatIsOnTheMachineIsNotFetched) {
  tools_.Add("podman");
  tools_.Set("has-image");
  tools_.Set("no-python");
  const auto ready = Prepare(kImage);
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_EQ(tools_.CountCalls("pull"), 0);
  EXPECT_EQ(ready->python, "");
  EXPECT_THAT(Log(), HasSubstr("The image has no Python"));
}

TEST_F(ContainerCacheTest, ADockerfileIsBuiltUnderTheEnvironmentsName) {
  tools_.Add("podman");
  auto ready = Prepare(R"({"docker": {"base_dockerfile": "FROM x\nRUN y"}})");
  ASSERT_TRUE(ready) << ready.error().message;
  const std::string key = EnvironmentCache::KeyOf(ready->digest);
  EXPECT_EQ(ready->container->image, "roost-environment:" + key);
  EXPECT_EQ(ReadFile(settings_.folder / key / ".roost/image/Dockerfile").value(),
            "FROM x\nRUN y\n");
  EXPECT_THAT(tools_.Calls(), HasSubstr("podman build --network host --tag roost-environment:"));
  EXPECT_FALSE(cache_->Remove(key));  // in use
  ready->lease.reset();
  ASSERT_TRUE(cache_->Remove(key));
  EXPECT_THAT(tools_.Calls(), HasSubstr("podman rmi roost-environment:" + key));
}

TEST_F(ContainerCacheTest, PackagesGoOnTopOfTheImageWhereTheOperatorAllowsIt) {
  constexpr const char* kBoth = R"({"python": {"conda": {"packages": ["python=3.8", "pytorch=1.6"],
      "pip": ["tiny", "azureml-defaults"]}},
      "docker": {"base_image": "img:1", "enabled": true}})";
  tools_.Add("docker");
  settings_.containers = true;
  settings_.index_url = "https://u:secret@x.org";
  settings_.find_links = {"/wheels"};
  const auto ready = Prepare(kBoth);
  ASSERT_TRUE(ready) << ready.error().message;
  const fs::path image =
      settings_.folder / EnvironmentCache::KeyOf(ready->digest) / ".roost" / "image";
  EXPECT_THAT(ReadFile(image / "Dockerfile").value(),
              HasSubstr("FROM img:1\nRUN --mount=type=bind"));
  EXPECT_EQ(ReadFile(image / "requirements.txt").value(),
            "--index-url https://u:secret@x.org\ntorch==1.6.*\ntiny\n");
  EXPECT_THAT(Log(), HasSubstr("azureml-defaults is not installed"));
  EXPECT_THAT(Log(), HasSubstr("folder of wheels /wheels is not visible"));
  EXPECT_THAT(Log(), Not(HasSubstr("is a hint")));
  EXPECT_THAT(Log(), Not(HasSubstr("secret")));
}

TEST_F(ContainerCacheTest, TheImagesPythonMustBeTheOneAskedFor) {
  constexpr const char* kOld = R"({"python": {"version": "3.6", "pip": ["tiny"]},
      "docker": {"base_image": "img:1", "enabled": true}})";
  tools_.Add("docker");
  settings_.containers = true;
  const auto failed = Prepare(kOld);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("the image has Python 3.8.1"));
  EXPECT_THAT(failed.error().message, HasSubstr("--relax-pins"));
  settings_.relax_pins = true;
  cache_.reset();
  const auto ready = Prepare(kOld);
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_THAT(ready->notes, testing::Contains(HasSubstr("the image has Python 3.8.1")));
}

TEST_F(ContainerCacheTest, ApptainerRunsImagesAsTheyAre) {
  tools_.Add("apptainer");
  const auto ready = Prepare(kImage);
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_THAT(ready->container->image, testing::EndsWith("/image.sif"));
  EXPECT_THAT(tools_.Calls(), HasSubstr("image.sif docker://img:1"));
  const auto failed = Prepare(R"({"docker": {"base_dockerfile": "FROM x"}})");
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("need podman or docker"));
}

TEST_F(ContainerCacheTest, WhatFailsLeavesTheReasonAndNoEnvironment) {
  tools_.Add("docker");
  tools_.Set("no-run");
  const auto failed = Prepare(kImage);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("exec format error"));
  EXPECT_FALSE(Prepare(R"({"docker": {"base_image": "x", "arguments": ["--privileged"]}})"));
  EXPECT_TRUE(cache_->List()->empty());
}

}  // namespace
}  // namespace roost::environments
