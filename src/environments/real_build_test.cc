// A real environment, offline: a wheel that the test makes, installed into a real virtual
// environment by the machine's own tools.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/subprocess.h"
#include "environments/fake_tools.h"

namespace roost::environments {
namespace {

using testing::HasSubstr;
using testing::Not;

// Writes wheels of roost_tiny 1.0 and 2.0 (its module has another name), of roost_broken (its
// module cannot be imported), sets of torch and torchvision (`sets`, and a torch that was compiled
// otherwise in `cpu`), and roost_source: 1.0 is a source that resolves and does not build, 1.5 a
// wheel.
constexpr const char* kMakeWheels = R"PY(
import io, os, sys, tarfile, zipfile
def wheel(name, module, source, version="1.0", folder="", needs=()):
    info = name + "-" + version + ".dist-info/"
    os.makedirs(os.path.join(sys.argv[1], folder), exist_ok=True)
    with zipfile.ZipFile(os.path.join(sys.argv[1], folder) + "/" + name + "-" + version + "-py3-none-any.whl", "w") as out:
        out.writestr(module + "/__init__.py", source)
        out.writestr("tests/__init__.py", "raise RuntimeError('packaged by mistake')")
        out.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n"
                     % (name, version) + "".join("Requires-Dist: %s\n" % one for one in needs))
        out.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\n"
                                     "Root-Is-Purelib: true\nTag: py3-none-any\n")
        out.writestr(info + "RECORD", "".join(path + ",,\n" for path in out.namelist())
                                      + info + "RECORD,,\n")
wheel("roost_tiny", "tinymod", "answer = 42\n")
wheel("roost_tiny", "tinymod", "answer = 0\n", "2.0")
wheel("roost_broken", "brokenmod", "import a_module_that_is_nowhere\n")
for torch, vision in (("1.5.0", "0.6.0"), ("1.13.0", "0.14.0"), ("2.0.0", "0.15.0")):
    wheel("torch", "torch", "", torch, "sets")
    wheel("torchvision", "torchvision", "", vision, "sets", ["torch==" + torch])
wheel("torch", "torch", "", "2.0.0+cpu", "cpu")
wheel("roost_source", "sourcemod", "", "1.5", "source")
BACKEND = """
import os
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.mkdir(folder + "/roost_source-1.0.dist-info")
    with open(folder + "/roost_source-1.0.dist-info/METADATA", "w") as file:
        file.write("Metadata-Version: 2.1\\nName: roost_source\\nVersion: 1.0\\n")
    return "roost_source-1.0.dist-info"
def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise SystemExit("this source does not build")
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
with tarfile.open(sys.argv[1] + "/source/roost_source-1.0.tar.gz", "w:gz") as out:
    for name, text in (("pyproject.toml", PROJECT), ("backend.py", BACKEND),
                       ("PKG-INFO", "Metadata-Version: 2.1\nName: roost_source\nVersion: 1.0\n")):
        entry = tarfile.TarInfo("roost_source-1.0/" + name)
        entry.size = len(text)
        out.addfile(entry, io.BytesIO(text.encode()))
)PY";

class RealBuildTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::map<std::string, std::string> own = CurrentEnvironment();
    const std::string path = own.count("PATH") != 0 ? own.at("PATH") : "/usr/bin:/bin";
    const auto python = FindProgram("python3", path);
    if (!python || Ask({python->string(), "-c", "import venv, ensurepip"}).status.code != 0) {
      GTEST_SKIP() << "needs python3 with its venv module";
    }
    // The interpreter itself: what stands in PATH may be a version manager's script.
    settings_.python =
        Ask({python->string(), "-c", "import sys; print(sys.executable, end='')"}).output;
    const fs::path bin = folder_.path() / "bin";
    ASSERT_TRUE(MakeFolders(bin));
    if (GetParam() == std::string("uv")) {
      const auto uv = FindProgram("uv", path);
      if (!uv) GTEST_SKIP() << "needs uv";
      fs::create_symlink(*uv, bin / "uv");
    }
    wheels_ = folder_.path() / "wheels";
    ASSERT_TRUE(MakeFolders(wheels_));
    ASSERT_EQ(Ask({settings_.python, "-c", kMakeWheels, wheels_.string()}).status.code, 0);
    settings_.folder = folder_.path() / "environments";
    settings_.no_index = true;
    settings_.find_links = {wheels_.string()};
    settings_.variables =
        BuildVariables({}, {{"PATH", bin.string()}, {"HOME", folder_.path().string()}});
  }
  static CapturedRun Ask(const std::vector<std::string>& argv) {
    SubprocessOptions options;
    options.argv = argv;
    options.environment = CurrentEnvironment();
    auto run = RunAndCapture(options, std::chrono::minutes(4));
    EXPECT_TRUE(run) << run.error().message;
    return run ? *run : CapturedRun{{.code = -1, .signal = {}, .usage = {}}, "", ""};
  }

  TempFolder folder_;
  fs::path wheels_;
  BuildSettings settings_;
  ProcessRunner runner_;
};

TEST_P(RealBuildTest, BuildsImportsAndRuns) {
  settings_.constraints = folder_.path() / "constraints.txt";
  ASSERT_TRUE(WriteFileAtomic(settings_.constraints, "roost-tiny<2\n"));
  EnvironmentCache cache(settings_, runner_, SystemClock());
  const auto definition = Define(R"({"python": {"version": ">=3.8", "pip": ["Roost.Tiny",
      "azureml-defaults", "--pre", "--trusted-host localhost", "--prefer-binary"]}})");
  const fs::path log = folder_.path() / "log.txt";
  const auto ready = Asked(cache, definition, log).Get();
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_EQ(Ask({ready->python.string(), "-c", "import tinymod; print(tinymod.answer)"}).output,
            "42\n");
  const std::string text = ReadFile(log).value();
  EXPECT_THAT(text, HasSubstr("import tinymod ... "));
  EXPECT_THAT(text, HasSubstr("azureml-defaults is not installed"));
  const auto list = cache.List();
  ASSERT_EQ(list->size(), 1U);
  EXPECT_EQ(list->at(0).mark.packages.at("roost-tiny"), "1.0");
  EXPECT_EQ(list->at(0).mark.tool, GetParam());
  EXPECT_TRUE(cache.Find(definition)->has_value());
}

TEST_P(RealBuildTest, WhatCannotBeHadOrImportedFailsWithTheReason) {
  EnvironmentCache cache(settings_, runner_, SystemClock());
  const auto missing = Asked(cache, Define(R"({"python": {"pip": ["roost-tiny==9"]}})")).Get();
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("roost-tiny==9"));
  const auto broken = Asked(cache, Define(R"({"python": {"pip": ["roost-broken"]}})")).Get();
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("No module named 'a_module_that_is_nowhere'"));
  EXPECT_TRUE(cache.List()->empty());
}

// An old definition: neither this Python nor this torch is to be had.
constexpr const char* kOld = R"({"python": {"conda": {"packages": ["python=3.1.2"],
    "pip": ["azureml-defaults", "torch==1.6.0", "torchvision==0.7.0", "roost-tiny"]}}})";

TEST_P(RealBuildTest, AnOldPinFailsWithWhatCouldBeHadAndTheSetting) {
  settings_.find_links.push_back(wheels_ / "sets");
  EnvironmentCache cache(settings_, runner_, SystemClock());
  const fs::path log = folder_.path() / "log.txt";
  const auto failed = Asked(cache, Define(kOld), log).Get();
  ASSERT_FALSE(failed);
  const std::string& message = failed.error().message;
  EXPECT_THAT(message, HasSubstr("What could be had: python=3.1.2 -> python=3."));
  EXPECT_THAT(message, HasSubstr("torch==1.6.0 -> torch==1.13.0"));
  EXPECT_THAT(message, HasSubstr("torchvision==0.7.0 -> torchvision==0.14.0"));
  EXPECT_THAT(message, HasSubstr("--relax-pins"));
  EXPECT_TRUE(cache.List()->empty());
}

TEST_P(RealBuildTest, RelaxedPinsTakeTheNearestVersionsAndSaySo) {
  settings_.find_links.push_back(wheels_ / "sets");
  settings_.relax_pins = true;
  EnvironmentCache cache(settings_, runner_, SystemClock());
  const fs::path log = folder_.path() / "log.txt";
  const auto ready = Asked(cache, Define(kOld), log).Get();
  ASSERT_TRUE(ready) << ready.error().message;
  const auto packages = cache.List()->at(0).mark.packages;
  EXPECT_EQ(packages.at("torch"), "1.13.0");
  EXPECT_EQ(packages.at("torchvision"), "0.14.0");
  EXPECT_EQ(packages.at("roost-tiny"), "2.0");  // what is not pinned stays current
  for (const char* change : {"python=3.1.2 -> python=3.", "torch==1.6.0 -> torch==1.13.0"}) {
    const std::string sentence = std::string("Changed (relax pins): ") + change;
    EXPECT_THAT(ready->notes, testing::Contains(HasSubstr(sentence)));
    EXPECT_THAT(ReadFile(log).value(), HasSubstr(sentence));
  }
  EXPECT_FALSE(fs::exists(ready->prefix / ".search"));
}

TEST_P(RealBuildTest, ASourceThatDoesNotBuildCountsAsNotThere) {
  settings_.find_links.push_back(wheels_ / "source");
  constexpr const char* kSource = R"({"python": {"pip": ["roost-source==1.0"]}})";
  {
    EnvironmentCache cache(settings_, runner_, SystemClock());
    const auto failed = Asked(cache, Define(kSource)).Get();
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message, HasSubstr("roost-source==1.0 -> roost-source==1.5"));
    EXPECT_THAT(failed.error().message, HasSubstr("What failed:"));
  }
  settings_.relax_pins = true;
  EnvironmentCache cache(settings_, runner_, SystemClock());
  const auto ready = Asked(cache, Define(kSource)).Get();
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_EQ(cache.List()->at(0).mark.packages.at("roost-source"), "1.5");
}

TEST_P(RealBuildTest, PinsThatExcludeEachOtherAreRelaxedTogether) {
  settings_.find_links.push_back(wheels_ / "sets");
  settings_.relax_pins = true;
  EnvironmentCache cache(settings_, runner_, SystemClock());
  const auto ready =
      Asked(cache, Define(R"({"python": {"pip": ["torch==1.5.0", "torchvision==0.14.0"]}})")).Get();
  ASSERT_TRUE(ready) << ready.error().message;
  const auto packages = cache.List()->at(0).mark.packages;
  const std::string set = packages.at("torch") + " " + packages.at("torchvision");
  EXPECT_THAT(set, testing::AnyOf("1.13.0 0.14.0", "2.0.0 0.15.0"));
}

TEST_P(RealBuildTest, WhatIsNowhereIsNotInvented) {
  settings_.relax_pins = true;
  EnvironmentCache cache(settings_, runner_, SystemClock());
  const auto failed = Asked(cache, Define(R"({"python": {"pip": ["roost-nowhere==1"]}})")).Get();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("relax pins finds no versions"));
}

TEST_P(RealBuildTest, AnIndexThatIsNotThereIsNoReasonToLookForOtherVersions) {
  settings_.no_index = false;
  settings_.index_url = "http://127.0.0.1:9/simple";  // nothing listens on the discard port
  settings_.variables["PIP_RETRIES"] = "1";           // without one it does not say why
  settings_.variables["UV_HTTP_RETRIES"] = "0";
  settings_.relax_pins = true;
  EnvironmentCache cache(settings_, runner_, SystemClock());
  const auto failed = Asked(cache, Define(R"({"python": {"pip": ["roost-nowhere==1"]}})")).Get();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("An index of packages cannot be reached"));
  EXPECT_THAT(failed.error().message, Not(HasSubstr("relax pins")));
}

TEST_P(RealBuildTest, TorchAndTorchvisionComeFromOnePlace) {
  settings_.find_links = {wheels_ / "cpu", wheels_ / "sets"};
  EnvironmentCache cache(settings_, runner_, SystemClock());
  const fs::path log = folder_.path() / "log.txt";
  const auto ready =
      Asked(cache, Define(R"({"python": {"pip": ["torchvision", "torch"]}})"), log).Get();
  ASSERT_TRUE(ready) << ready.error().message;
  const auto packages = cache.List()->at(0).mark.packages;
  EXPECT_EQ(packages.at("torch"), "2.0.0");  // 2.0.0+cpu is the higher one, without a torchvision
  EXPECT_EQ(packages.at("torchvision"), "0.15.0");
  EXPECT_THAT(ReadFile(log).value(), HasSubstr("are taken as one set from"));
}

INSTANTIATE_TEST_SUITE_P(Tools, RealBuildTest, testing::Values("pip", "uv"),
                         [](const auto& tool) { return std::string(tool.param); });

}  // namespace
}  // namespace roost::environments
