// A real environment, offline: a wheel that the test makes, installed into a real virtual
// environment by the machine's own tools.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/subprocess.h"
#include "environments/fake_tools.h"

namespace roost::environments {
namespace {

using testing::HasSubstr;

// Writes wheels of roost_tiny 1.0 and 2.0 (its module has another name) and of roost_broken (its
// module cannot be imported).
constexpr const char* kMakeWheels = R"PY(
import sys, zipfile
def wheel(name, module, source, version="1.0"):
    info = name + "-" + version + ".dist-info/"
    with zipfile.ZipFile(sys.argv[1] + "/" + name + "-" + version + "-py3-none-any.whl", "w") as out:
        out.writestr(module + "/__init__.py", source)
        out.writestr("tests/__init__.py", "raise RuntimeError('packaged by mistake')")
        out.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n"
                     % (name, version))
        out.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\n"
                                     "Root-Is-Purelib: true\nTag: py3-none-any\n")
        out.writestr(info + "RECORD", "".join(path + ",,\n" for path in out.namelist())
                                      + info + "RECORD,,\n")
wheel("roost_tiny", "tinymod", "answer = 42\n")
wheel("roost_tiny", "tinymod", "answer = 0\n", "2.0")
wheel("roost_broken", "brokenmod", "import a_module_that_is_nowhere\n")
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
    auto run = RunAndCapture(options, std::chrono::minutes(1));
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

INSTANTIATE_TEST_SUITE_P(Tools, RealBuildTest, testing::Values("pip", "uv"),
                         [](const auto& tool) { return std::string(tool.param); });

}  // namespace
}  // namespace roost::environments
