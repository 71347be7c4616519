#include "environments/environment_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "base/subprocess.h"
#include "environments/fake_tools.h"

namespace roost::environments {
namespace {

using testing::HasSubstr;
using testing::Not;

class EnvironmentCacheTest : public testing::Test {
 protected:
  EnvironmentCacheTest() { Restart(); }
  void Restart(std::uint64_t max_bytes = 0) {
    cache_.reset();
    BuildSettings settings = tools_.Settings();
    settings.max_bytes = max_bytes;
    cache_ = std::make_unique<EnvironmentCache>(settings, runner_, clock_);
  }
  fs::path Folder(const spec::EnvironmentDefinition& definition) const {
    return root() / EnvironmentCache::KeyOf(*cache_->DigestFor(definition));
  }
  fs::path root() const { return tools_.folder() / "environments"; }
  fs::path Log(const std::string& name) const { return tools_.folder() / name; }
  static std::string Text(const fs::path& path) { return ReadFile(path).value_or(""); }
  Result<ReadyEnvironment> Built(const spec::EnvironmentDefinition& definition) {
    return Asked(*cache_, definition).Get();
  }

  FakeTools tools_;
  ProcessRunner runner_{std::chrono::milliseconds(200)};
  FakeClock clock_;
  std::unique_ptr<EnvironmentCache> cache_;
  const spec::EnvironmentDefinition tiny_ = Define(R"({"name": "t", "python": {"pip": ["tiny"]}})");
  const spec::EnvironmentDefinition other_ = Define(R"({"python": {"pip": ["other"]}})");
};

TEST_F(EnvironmentCacheTest, BuildsOnceAndIsReadyFromThenOn) {
  ASSERT_TRUE(cache_->Find(tiny_));
  EXPECT_FALSE(cache_->Find(tiny_)->has_value());
  const auto built = Built(tiny_);
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_EQ(built->prefix, Folder(tiny_));
  EXPECT_EQ(built->python, Folder(tiny_) / "bin" / "python");
  EXPECT_TRUE(fs::exists(Folder(tiny_) / ".ready"));

  // Another name and order is the same environment, also after a restart.
  Restart();
  const auto same = Define(R"({"name": "x", "version": "2", "python": {"pip": ["Tiny"]}})");
  const auto found = cache_->Find(same);
  ASSERT_TRUE(found && found->has_value());
  EXPECT_EQ((*found)->prefix, built->prefix);
  const fs::path log = Log("unused.txt");
  Asked again(*cache_, same, log);
  ASSERT_TRUE(again.Get());
  EXPECT_FALSE(fs::exists(log)) << "a cached environment has no build log";
  EXPECT_EQ(tools_.CountCalls("-m venv"), 1);
}

TEST_F(EnvironmentCacheTest, ConcurrentRequestsShareOneBuildAndItsLog) {
  tools_.Set("hold");
  Asked one(*cache_, tiny_, Log("one.txt"));
  WaitUntil([&] { return Text(Log("one.txt")).find("installing\n") != std::string::npos; });
  Asked two(*cache_, tiny_, Log("two.txt"));
  EXPECT_FALSE(one.IsAnswered());
  tools_.Unset("hold");
  ASSERT_TRUE(one.Get());
  ASSERT_TRUE(two.Get());
  EXPECT_EQ(tools_.CountCalls("-m venv"), 1);
  EXPECT_EQ(tools_.CountCalls("-m pip install"), 1);
  const std::string log = Text(cache_->LogFile(Folder(tiny_).filename()));
  EXPECT_THAT(log, HasSubstr("Ready: Python 3.11.7"));
  EXPECT_EQ(Text(Log("one.txt")), log);
  EXPECT_EQ(Text(Log("two.txt")), log);
}

TEST_F(EnvironmentCacheTest, AFailedBuildLeavesItsLogAndNothingElse) {
  tools_.Set("fail");
  Asked asked(*cache_, tiny_, Log("run.txt"));
  const auto failed = asked.Get();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("The environment 't' could not be built"));
  EXPECT_THAT(failed.error().message, HasSubstr("ended with exit code 3"));
  EXPECT_THAT(failed.error().message, HasSubstr("No matching distribution found for torch==1.6.0"));
  EXPECT_FALSE(fs::exists(Folder(tiny_)));
  EXPECT_THAT(Text(cache_->LogFile(Folder(tiny_).filename())), HasSubstr("No matching"));
  EXPECT_THAT(Text(Log("run.txt")), HasSubstr("No matching"));

  // The next request tries again, with a log of its own.
  tools_.Unset("fail");
  ASSERT_TRUE(Built(tiny_));
  EXPECT_THAT(Text(cache_->LogFile(Folder(tiny_).filename())), Not(HasSubstr("No matching")));
}

TEST_F(EnvironmentCacheTest, ALongSilenceIsInTheLogAndNotInTheError) {
  ProcessRunner impatient(std::chrono::milliseconds(200), /*quiet=*/std::chrono::milliseconds(1));
  cache_ = std::make_unique<EnvironmentCache>(tools_.Settings(), impatient, clock_);
  tools_.Set("hold");
  Asked asked(*cache_, tiny_, Log("run.txt"));
  WaitUntil([&] { return Text(Log("run.txt")).find("installing\n  ... ") != std::string::npos; });
  tools_.Set("fail");
  tools_.Unset("hold");
  const auto failed = asked.Get();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("installing\nERROR: No matching distribution"));
  cache_.reset();  // before its runner
}

TEST_F(EnvironmentCacheTest, AFailedImportIsAFailedBuild) {
  tools_.Set("no-import");
  const auto failed = Built(tiny_);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("importing the packages ended"));
  EXPECT_THAT(failed.error().message, HasSubstr("import torch ... failed"));
  EXPECT_FALSE(fs::exists(Folder(tiny_)));
}

TEST_F(EnvironmentCacheTest, AFolderWithoutAMarkIsWiped) {
  ASSERT_TRUE(MakeFolders(Folder(tiny_) / "bin"));
  ASSERT_TRUE(WriteFileAtomic(Folder(tiny_) / "half", "x"));
  EXPECT_FALSE(cache_->Find(tiny_)->has_value());
  ASSERT_TRUE(Built(tiny_));
  EXPECT_FALSE(fs::exists(Folder(tiny_) / "half"));
}

TEST_F(EnvironmentCacheTest, AForeignOrTornMarkOrALostInterpreterDoesNotCount) {
  ASSERT_TRUE(Built(tiny_));
  const fs::path mark = Folder(tiny_) / ".ready";
  const std::string good = Text(mark);
  for (const std::string& bad : {std::string("{\"format\": 2}"), good.substr(0, good.size() / 2),
                                 std::string("{\"format\": 1}"), std::string()}) {
    ASSERT_TRUE(WriteFileAtomic(mark, bad));
    EXPECT_FALSE(cache_->Find(tiny_)->has_value()) << bad;
  }
  ASSERT_TRUE(WriteFileAtomic(mark, good));
  EXPECT_TRUE(cache_->Find(tiny_)->has_value());
  fs::remove(Folder(tiny_) / "bin" / "python");
  EXPECT_FALSE(cache_->Find(tiny_)->has_value());
}

TEST_F(EnvironmentCacheTest, CancelEndsTheBuildAndRemovesTheFolder) {
  tools_.Set("hold");
  Asked asked(*cache_, tiny_, Log("run.txt"));
  WaitUntil([&] { return Text(Log("run.txt")).find("installing\n") != std::string::npos; });
  EXPECT_TRUE(fs::exists(Folder(tiny_)));
  cache_->Cancel(asked.request);
  const auto canceled = asked.Get();
  ASSERT_FALSE(canceled);
  EXPECT_EQ(canceled.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(fs::exists(Folder(tiny_)));
  EXPECT_THAT(Text(Log("run.txt")), HasSubstr("Canceled."));
  EXPECT_FALSE(*FileLock::IsHeld(root() / (Folder(tiny_).filename().string() + ".lock")));
  cache_->Cancel(asked.request);  // without effect
}

TEST_F(EnvironmentCacheTest, OneOfTwoCancelsAndTheOtherGetsItsEnvironment) {
  tools_.Set("hold");
  Asked one(*cache_, tiny_, Log("one.txt"));
  Asked two(*cache_, tiny_);
  WaitUntil([&] { return Text(Log("one.txt")).find("installing\n") != std::string::npos; });
  cache_->Cancel(one.request);
  EXPECT_FALSE(one.Get());
  EXPECT_FALSE(two.IsAnswered());
  tools_.Unset("hold");
  EXPECT_TRUE(two.Get());
  EXPECT_THAT(Text(Log("one.txt")), Not(HasSubstr("Ready")));
}

TEST_F(EnvironmentCacheTest, WhoComesAfterTheLastCancelGetsABuildOfTheirOwn) {
  tools_.Set("hold");
  Asked one(*cache_, tiny_, Log("one.txt"));
  WaitUntil([&] { return Text(Log("one.txt")).find("installing\n") != std::string::npos; });
  cache_->Cancel(one.request);
  Asked two(*cache_, tiny_);
  EXPECT_FALSE(one.Get());
  tools_.Unset("hold");
  const auto built = two.Get();
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_EQ(tools_.CountCalls("-m venv"), 2);
}

TEST_F(EnvironmentCacheTest, TheEndOfTheCacheCancelsItsBuilds) {
  tools_.Set("hold");
  Asked one(*cache_, tiny_, Log("one.txt"));
  WaitUntil([&] { return Text(Log("one.txt")).find("installing\n") != std::string::npos; });
  const fs::path folder = Folder(tiny_);
  cache_.reset();
  ASSERT_TRUE(one.IsAnswered());
  EXPECT_FALSE(one.Get());
  EXPECT_FALSE(fs::exists(folder));
}

// The server died in the middle of a build, and what it had started still writes.
TEST_F(EnvironmentCacheTest, WaitsForTheProgramsOfADeadServersBuild) {
  ASSERT_TRUE(MakeFolders(root()));
  const fs::path path = root() / (Folder(tiny_).filename().string() + ".lock");
  std::optional<Subprocess> program;
  {
    const auto lock = FileLock::Acquire(path);
    ASSERT_TRUE(lock);
    SubprocessOptions options;
    options.argv = {"/bin/sleep", "600"};
    options.stdin_fd = lock->fd();
    auto started = Subprocess::Start(options);
    ASSERT_TRUE(started);
    program = std::move(*started);
  }
  ASSERT_TRUE(*FileLock::IsHeld(path)) << "a child that has the descriptor keeps the lock";
  Asked asked(*cache_, tiny_, Log("run.txt"));
  WaitUntil([&] { return Text(Log("run.txt")).find("waiting for its end") != std::string::npos; });
  EXPECT_EQ(tools_.CountCalls("-m venv"), 0);
  ASSERT_TRUE(program->Signal(SIGKILL));
  ASSERT_TRUE(program->Wait());
  ASSERT_TRUE(asked.Get());
  EXPECT_THAT(Text(Log("run.txt")), testing::MatchesRegex("Another process(.|\n)*Ready(.|\n)*"));
}

TEST_F(EnvironmentCacheTest, ProgramsOfABuildHoldItsLock) {
  tools_.Set("hold");
  Asked asked(*cache_, tiny_, Log("run.txt"));
  WaitUntil([&] { return Text(Log("run.txt")).find("installing\n") != std::string::npos; });
  EXPECT_TRUE(*FileLock::IsHeld(root() / (Folder(tiny_).filename().string() + ".lock")));
  EXPECT_EQ(cache_->Remove(Folder(tiny_).filename()).error().code, ErrorCode::kConflict);
  // Neither does pruning take a build for a leftover.
  ASSERT_TRUE(cache_->Prune({}));
  EXPECT_TRUE(fs::exists(Folder(tiny_)));
  tools_.Unset("hold");
  EXPECT_TRUE(asked.Get());
}

TEST_F(EnvironmentCacheTest, ListsWhatIsReady) {
  { ASSERT_TRUE(Built(tiny_)); }
  clock_.Advance(std::chrono::seconds(10));
  auto held = Built(other_);
  ASSERT_TRUE(held);
  const auto list = cache_->List();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2U);
  for (const CachedEnvironment& one : *list) {
    const bool is_tiny = one.key == Folder(tiny_).filename();
    EXPECT_EQ(one.in_use, !is_tiny);
    EXPECT_EQ(one.mark.name, is_tiny ? "t" : "");
    EXPECT_EQ(one.mark.kind, "pip");
    EXPECT_EQ(one.mark.python, "3.11.7");
    EXPECT_EQ(one.mark.packages.at("tiny"), "1.0");
    EXPECT_GT(one.mark.bytes, 0U);
    EXPECT_EQ(one.last_used, clock_.Now() - (is_tiny ? 10'000'000 : 0));
  }
}

TEST_F(EnvironmentCacheTest, PrunesByAgeButNothingInUse) {
  { ASSERT_TRUE(Built(tiny_)); }
  auto held = Built(other_);
  ASSERT_TRUE(held);
  clock_.Advance(std::chrono::hours(1));
  const auto report = cache_->Prune({.unused_since = clock_.Now()});
  ASSERT_TRUE(report);
  EXPECT_THAT(report->removed, testing::ElementsAre(Folder(tiny_).filename().string()));
  EXPECT_GT(report->removed_bytes, 0U);
  EXPECT_FALSE(fs::exists(Folder(tiny_)));
  EXPECT_FALSE(fs::exists(cache_->LogFile(Folder(tiny_).filename())));
  EXPECT_TRUE(fs::exists(held->python));
  EXPECT_EQ(cache_->Remove(Folder(other_).filename()).error().code, ErrorCode::kConflict);
  held = Fail(ErrorCode::kInternal, "given back");
  EXPECT_TRUE(cache_->Remove(Folder(other_).filename()));
  EXPECT_EQ(cache_->Remove(Folder(other_).filename()).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(cache_->Remove("../x").error().code, ErrorCode::kNotFound);
}

TEST_F(EnvironmentCacheTest, PrunesTheLeastRecentlyUsedFirst) {
  ASSERT_TRUE(Built(tiny_));
  clock_.Advance(std::chrono::hours(1));
  ASSERT_TRUE(Built(other_));
  clock_.Advance(std::chrono::hours(1));
  ASSERT_TRUE(cache_->Find(tiny_)->has_value());  // a use
  const std::uint64_t all = cache_->List()->at(0).mark.bytes + cache_->List()->at(1).mark.bytes;
  const auto report = cache_->Prune({.max_bytes = all - 1});
  ASSERT_TRUE(report);
  EXPECT_THAT(report->removed, testing::ElementsAre(Folder(other_).filename().string()));
  EXPECT_EQ(report->kept_bytes + report->removed_bytes, all);
}

TEST_F(EnvironmentCacheTest, ABuildMakesRoomByItself) {
  Restart(/*max_bytes=*/1);
  ASSERT_TRUE(Built(tiny_));
  const auto held = Built(other_);
  ASSERT_TRUE(held);
  EXPECT_FALSE(fs::exists(Folder(tiny_)));
  EXPECT_TRUE(fs::exists(held->python)) << "the new one is in use";
}

TEST_F(EnvironmentCacheTest, PruneRemovesWhatAnInterruptedBuildLeft) {
  ASSERT_TRUE(MakeFolders(Folder(tiny_) / "bin"));
  ASSERT_TRUE(MakeFolders(root() / "mine"));
  ASSERT_TRUE(cache_->Prune({}));
  EXPECT_FALSE(fs::exists(Folder(tiny_)));
  EXPECT_TRUE(fs::exists(root() / "mine"));
}

TEST_F(EnvironmentCacheTest, ExistingInterpretersNeedNoBuild) {
  const auto given =
      cache_->Find(Define(R"({"python": {"interpreter": ")" + tools_.python().string() + "\"}}"));
  ASSERT_TRUE(given && given->has_value());
  EXPECT_EQ((*given)->python, tools_.python());
  EXPECT_EQ((*given)->prefix, "");
  EXPECT_EQ(cache_->Find(Define("{}")).value()->python, tools_.python());
  EXPECT_FALSE(cache_->Find(Define(R"({"python": {"interpreter": "/no/python"}})")));
  EXPECT_FALSE(Built(Define(R"({"python": {"interpreter": "/no/python"}})")));
}

TEST_F(EnvironmentCacheTest, ExistingCondaEnvironmentsAreLookedUp) {
  const auto named = Define(R"({"python": {"conda_environment": "train"}})");
  EXPECT_THAT(Built(named).error().message, HasSubstr("there is no conda, mamba or micromamba"));
  tools_.Add("conda");
  const fs::path prefix = tools_.folder() / "conda" / "envs" / "train";
  ASSERT_TRUE(MakeFolders(prefix / "bin"));
  ASSERT_TRUE(WriteFileAtomic(prefix / "bin" / "python", "#!/bin/sh\n", 0755));
  const nlohmann::json envs = {{"envs", {"/opt/conda", prefix.string()}}};
  ASSERT_TRUE(WriteFileAtomic(tools_.folder() / "envs.json", envs.dump()));
  const auto found = Built(named);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->python, prefix / "bin" / "python");
  EXPECT_THAT(Built(Define(R"({"python": {"conda_environment": "other"}})")).error().message,
              HasSubstr("knows no environment 'other'"));
  const auto by_path =
      Built(Define(R"({"python": {"conda_environment": ")" + prefix.string() + "\"}}"));
  ASSERT_TRUE(by_path);
  EXPECT_EQ(by_path->prefix, prefix);
}

TEST_F(EnvironmentCacheTest, AnImageAloneIsRefusedWithTheWayOut) {
  const auto refused = cache_->Find(Define(R"({"docker": {"base_image": "x:1"}})"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("the image x:1"));
}

TEST_F(EnvironmentCacheTest, TheOperatorsSettingsArePartOfTheDigest) {
  const fs::path file = tools_.folder() / "constraints.txt";
  ASSERT_TRUE(WriteFileAtomic(file, "numpy<2\n"));
  std::set<Digest> digests = {*cache_->DigestFor(tiny_)};
  const auto add = [&](auto change) {
    BuildSettings settings = tools_.Settings();
    change(settings);
    EnvironmentCache cache(settings, runner_, clock_);
    EXPECT_TRUE(digests.insert(*cache.DigestFor(tiny_)).second);
  };
  add([&](BuildSettings& s) { s.constraints = file; });
  ASSERT_TRUE(WriteFileAtomic(file, "numpy<3\n"));
  add([&](BuildSettings& s) { s.constraints = file; });
  add([](BuildSettings& s) { s.index_url = "https://x.org"; });
  add([](BuildSettings& s) { s.extra_index_urls = {"https://x.org"}; });
  add([](BuildSettings& s) { s.find_links = {"/wheels"}; });
  add([](BuildSettings& s) { s.no_index = true; });
  add([](BuildSettings& s) { s.python = "/other/python"; });

  BuildSettings settings = tools_.Settings();
  settings.constraints = "/no/such/file";
  EnvironmentCache cache(settings, runner_, clock_);
  EXPECT_THAT(cache.Find(tiny_).error().message, HasSubstr("constraints"));
}

}  // namespace
}  // namespace roost::environments
