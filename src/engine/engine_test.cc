#include "engine/engine.h"

#include <nlohmann/json.hpp>

#include "engine/engine_test_support.h"
#include "store/events.h"
#include "store/tokens.h"

namespace roost::engine {
namespace {

using spec::RunState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Stories with a launcher that the test steps.
class EngineTest : public testing::Test {
 protected:
  EngineTest() : world(folder.path() / "data") {}
  void SetUp() override { world.StartWithFake(); }

  static spec::RunDefinition Ask(double cpus) {
    spec::RunDefinition definition = EngineWorld::Command("true");
    definition.resources.cpus = cpus;
    return definition;
  }
  nlohmann::json ErrorOf(const store::Run& run) {
    return nlohmann::json::parse(run.error_json, nullptr, false);
  }

  TempFolder folder;
  EngineWorld world;
};

TEST_F(EngineTest, ARunPassesItsStatesInOrder) {
  const store::Run run = world.Submit(Ask(1));
  EXPECT_EQ(run.state, RunState::kQueued);
  EXPECT_EQ(run.submitter, "tester");
  EXPECT_FALSE(run.display_name.empty());
  const spec::LaunchRequest request = world.BeginRun(run.id);
  EXPECT_THAT(world.Get(run.id).reason, StartsWith("Running since "));
  world.End(request, 0);
  const store::Run done = world.Await(run.id, RunState::kCompleted);
  EXPECT_EQ(done.reason, "The command ended with exit code 0");
  EXPECT_EQ(done.attempt, 1);
  EXPECT_NE(done.started_at, 0);
  EXPECT_NE(done.ended_at, 0);

  std::vector<std::string> states;
  const auto events = world.store->events().After(0, run.id.value(), 100);
  ASSERT_TRUE(events);
  for (const store::Event& event : *events) {
    const auto body = nlohmann::json::parse(event.body_json, nullptr, false);
    if (body.is_object() && body.contains("status")) states.push_back(body["status"]);
  }
  EXPECT_THAT(states, ElementsAre("Preparing", "Starting", "Running", "Finalizing", "Completed"));
}

TEST_F(EngineTest, TheLaunchIsRecordedBeforeItStartsAndItsTokenEndsWithIt) {
  const store::Run run = world.Submit(Ask(1));
  const spec::LaunchRequest request = world.BeginRun(run.id);
  const auto launch = world.store->launches().Newest(run.key);
  ASSERT_TRUE(launch);
  EXPECT_EQ(launch->id, request.launch_id);
  EXPECT_FALSE(launch->ended);
  const std::string token = request.environment.at("ROOST_TOKEN");
  const auto owner = world.store->tokens().Find(token);
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->run, run.key);
  EXPECT_EQ(owner->attempt, 1);

  world.End(request, 0);
  world.Await(run.id, RunState::kCompleted);
  world.OnLoop([] {});
  EXPECT_FALSE(world.store->tokens().Find(token));
  EXPECT_TRUE(world.store->launches().Newest(run.key)->ended);
  EXPECT_EQ(world.Get(run.id).exit_code, 0);
}

TEST_F(EngineTest, TheWorkingFolderIsTheSnapshotWithOutputsAndLogs) {
  spec::RunDefinition definition;
  definition.snapshot = world.Snapshot({{"train.py", "print(1)"}, {"pkg/a/b.txt", "deep"}});
  definition.script = "./train.py";
  definition.arguments = {"--run", "$AZUREML_RUN_ID"};
  definition.time_limit_seconds = 60;
  const store::Run run = world.Submit(definition);
  const spec::LaunchRequest request = world.AwaitLaunch(run.id);
  EXPECT_THAT(request.argv, ElementsAre("/bin/sh", "train.py", "--run", run.id.value()));
  EXPECT_EQ(request.time_limit_ms, 60'000);
  EXPECT_EQ(request.grace_ms, 200);
  const fs::path work = request.working_folder;
  EXPECT_EQ(ReadFile(work / "train.py").value_or(""), "print(1)");
  EXPECT_EQ(ReadFile(work / "pkg/a/b.txt").value_or(""), "deep");
  EXPECT_TRUE(fs::is_directory(work / "outputs"));
  EXPECT_TRUE(fs::is_directory(work / "logs"));
  EXPECT_EQ(fs::hard_link_count(work / "train.py"), 1U);
}

TEST_F(EngineTest, RunsBeyondTheMachineWaitAndSayForWhat) {
  const store::Run first = world.Submit(Ask(1));
  const store::Run second = world.Submit(Ask(2));
  const store::Run third = world.Submit(Ask(1));
  EXPECT_EQ(second.reason, "Waiting for 2 CPUs (1 of 2 free)");
  EXPECT_EQ(third.reason, "Waiting behind earlier runs for 1 CPU");
  const spec::LaunchRequest request = world.BeginRun(first.id);
  EXPECT_EQ(world.engine->Queue().waiting, 2);
  EXPECT_EQ(world.engine->Queue().running, 1);
  EXPECT_EQ(world.engine->Queue().cpus_used, 1);
  EXPECT_EQ(world.Get(second.id).state, RunState::kQueued);

  world.End(request, 0);
  const spec::LaunchRequest next = world.BeginRun(second.id);
  EXPECT_EQ(world.Get(third.id).reason, "Waiting for 1 CPU (0 of 2 free)");
  world.End(next, 0);
  world.End(world.BeginRun(third.id), 0);
  world.AwaitEnd(third.id);
  world.OnLoop([] {});
  world.OnLoop([] {});
  EXPECT_EQ(world.engine->Queue().cpus_used, 0);
}

TEST_F(EngineTest, AllProblemsAreToldAtOnceAndNothingIsKept) {
  spec::RunDefinition definition;
  definition.snapshot = world.Snapshot({{"src/train.py", ""}});
  definition.script = "train.py";
  definition.compute_target = "moon";
  definition.environment.interpreter = "/no/such/python";
  definition.parent = "nobody";
  definition.resources = {16, 1, 1 << 20};
  const auto refused = world.engine->Submit(definition, "tester", "", "");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  std::vector<std::string> fields;
  for (const Problem& problem : refused.error().details) fields.push_back(problem.field);
  EXPECT_THAT(fields, testing::UnorderedElementsAre(
                          "resources.cpus", "resources.gpus", "resources.memory_mb", "script",
                          "compute_target", "environment.python", "parent"));
  for (const Problem& problem : refused.error().details) {
    if (problem.field != "script") continue;
    EXPECT_THAT(problem.message, HasSubstr("did you mean 'src/train.py'"));
  }
  EXPECT_TRUE(world.store->runs().Active()->empty());
}

TEST_F(EngineTest, ASnapshotThatIsNotThereIsRefused) {
  spec::RunDefinition definition = Ask(1);
  definition.snapshot = DigestOf("nothing");
  const auto refused = world.engine->Submit(definition, "tester", "", "");
  ASSERT_FALSE(refused);
  ASSERT_EQ(refused.error().details.size(), 1U);
  EXPECT_EQ(refused.error().details[0].field, "snapshot");
}

TEST_F(EngineTest, TheSameKeyGivesTheSameRun) {
  const auto first = world.engine->Submit(Ask(1), "tester", "key", "body");
  const auto second = world.engine->Submit(Ask(1), "tester", "key", "body");
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->created);
  EXPECT_FALSE(second->created);
  EXPECT_EQ(first->run.id, second->run.id);
  const auto other = world.engine->Submit(Ask(1), "tester", "key", "another body");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kConflict);
  world.BeginRun(first->run.id);
  EXPECT_EQ(world.store->runs().Active()->size(), 1U);
}

TEST_F(EngineTest, AFailedRunKeepsItsFilesAndItsError) {
  const store::Run run = world.Submit(Ask(1));
  const spec::LaunchRequest request = world.BeginRun(run.id);
  const fs::path work = request.working_folder;
  ASSERT_TRUE(MakeFolders(work / "outputs/deep"));
  WriteText(work / "outputs/deep/model.pt", "weights");
  WriteText(work / "outputs/large.bin", std::string(1 << 20, 'x'));
  WriteText(work / "logs/train.log", "line");
  WriteText(work / "elsewhere.txt", "lost");
  WriteText(request.log_file,
            "Traceback (most recent call last):\n  File \"t.py\"\nValueError: bad\n");
  world.End(request, 1);
  const store::Run done = world.Await(run.id, RunState::kFailed);
  EXPECT_EQ(done.reason, "User program failed with ValueError: bad");
  EXPECT_EQ(ErrorOf(done)["code"], "UserError");
  EXPECT_EQ(world.ArtifactText(done, "outputs/deep/model.pt"), "weights");
  EXPECT_EQ(world.ArtifactText(done, "outputs/large.bin").size(), 1U << 20);
  EXPECT_EQ(world.ArtifactText(done, "logs/train.log"), "line");
  EXPECT_EQ(world.store->artifacts().List(run.key, "", "", 100)->size(), 3U);
  EXPECT_FALSE(fs::exists(world.Layout(done).scratch_folder()));
  EXPECT_THAT(world.Log(done), HasSubstr("ValueError"));
}

TEST_F(EngineTest, AFileThatCannotBeKeptIsNamedAndStaysOnDisk) {
  const store::Run run = world.Submit(Ask(1));
  const spec::LaunchRequest request = world.BeginRun(run.id);
  const fs::path outputs = fs::path(request.working_folder) / "outputs";
  WriteText(outputs / "good.txt", "good");
  WriteText(outputs / "bad\xff.txt", "bad");
  world.End(request, 0);
  const store::Run done = world.AwaitEnd(run.id);
  EXPECT_EQ(done.state, RunState::kCompleted);
  EXPECT_THAT(done.reason, HasSubstr("1 file could not be kept"));
  EXPECT_EQ(world.ArtifactText(done, "outputs/good.txt"), "good");
  EXPECT_TRUE(fs::exists(outputs / "bad\xff.txt"));
}

TEST_F(EngineTest, FilesInLogsAreArtifactsWhileTheRunGoesOn) {
  const store::Run run = world.Submit(Ask(1));
  const spec::LaunchRequest request = world.BeginRun(run.id);
  const fs::path log = fs::path(request.working_folder) / "logs/events.txt";
  WriteText(log, "one");
  EXPECT_TRUE(world.WaitUntil([&] { return world.ArtifactText(run, "logs/events.txt") == "one"; }));
  WriteText(log, "one two");
  EXPECT_TRUE(
      world.WaitUntil([&] { return world.ArtifactText(run, "logs/events.txt") == "one two"; }));
  EXPECT_EQ(fs::hard_link_count(log), 1U);
  EXPECT_EQ(world.Get(run.id).state, RunState::kRunning);
}

TEST_F(EngineTest, WhatAReportHoldsBeyondTheStoreIsTakenInOnce) {
  const store::Run run = world.Submit(Ask(1));
  const spec::LaunchRequest request = world.BeginRun(run.id);
  spec::MetricBatch sent;
  sent.writer = "w";
  sent.number = 1;
  sent.series = {{"loss", {{0, 1, 0.5}}}};
  ASSERT_TRUE(world.store->metrics().AppendAndWait(run.key, sent));
  WriteText(request.environment.at("ROOST_REPORT_FILE"),
            R"({"writer":"w","batch":1,"points":[{"name":"loss","value":0.5}]})"
            "\n"
            R"({"writer":"w","batch":2,"points":[{"name":"loss","value":0.25}]})"
            "\nnonsense\n"
            R"({"writer":"w","batch":3,"points":[{"name":"loss","value":0.125}]})"
            "\n"
            R"({"writer":"w","batch":4,"points":[{"name":"loss","val)");
  world.End(request, 0);
  world.Await(run.id, RunState::kCompleted);
  std::vector<double> values;
  const auto points = world.store->metrics().History(run.key, "loss", 0, 100);
  ASSERT_TRUE(points);
  for (const auto& point : *points) values.push_back(point.value);
  EXPECT_THAT(values, ElementsAre(0.5, 0.25, 0.125));
}

TEST_F(EngineTest, AWaitingRunIsCanceledAtOnce) {
  const store::Run first = world.Submit(Ask(2));
  const store::Run second = world.Submit(Ask(2));
  const auto canceled = world.engine->Cancel(second.id);
  ASSERT_TRUE(canceled);
  EXPECT_EQ(canceled->state, RunState::kCanceled);
  EXPECT_TRUE(world.engine->Cancel(second.id));
  world.End(world.BeginRun(first.id), 0);
  world.Await(first.id, RunState::kCompleted);
  const auto too_late = world.engine->Cancel(first.id);
  ASSERT_FALSE(too_late);
  EXPECT_EQ(too_late.error().code, ErrorCode::kConflict);
  EXPECT_EQ(world.engine->Cancel(RunId("nobody")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(world.fake->started.size(), 1U);
}

TEST_F(EngineTest, ARunningRunIsCanceledWhenItsProcessesAreGone) {
  const store::Run run = world.Submit(Ask(1));
  const spec::LaunchRequest request = world.BeginRun(run.id);
  WriteText(fs::path(request.working_folder) / "outputs/partial.txt", "half");
  for (int times = 0; times < 2; ++times) {
    const auto asked = world.engine->Cancel(run.id);
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->state, RunState::kCancelRequested);
    EXPECT_TRUE(asked->cancel_requested);
  }
  world.OnLoop([&] { EXPECT_TRUE(world.fake->stopped.contains(request.launch_id)); });
  EXPECT_EQ(world.Get(run.id).state, RunState::kCancelRequested);
  world.End(request, 0);  // the script caught the signal and ended well
  const store::Run done = world.AwaitEnd(run.id);
  EXPECT_EQ(done.state, RunState::kCanceled);
  EXPECT_EQ(done.error_json, "");
  EXPECT_EQ(world.ArtifactText(done, "outputs/partial.txt"), "half");
}

TEST_F(EngineTest, ALostRunFailsAndSaysHow) {
  const store::Run run = world.Submit(Ask(1));
  const spec::LaunchRequest request = world.BeginRun(run.id);
  WriteText(fs::path(request.working_folder) / "outputs/kept.txt", "kept");
  world.OnLoop([&] { world.fake->Lose(request.launch_id, "The machine was restarted."); });
  const store::Run done = world.AwaitEnd(run.id);
  EXPECT_EQ(done.state, RunState::kFailed);
  EXPECT_EQ(ErrorOf(done)["code"], "Lost");
  EXPECT_EQ(done.reason, "The machine was restarted.");
  EXPECT_EQ(world.ArtifactText(done, "outputs/kept.txt"), "kept");
}

TEST_F(EngineTest, ALaunchThatNeverBeganIsQueuedAgainButNotForEver) {
  const store::Run run = world.Submit(Ask(1));
  for (int attempt = 1; attempt <= 5; ++attempt) {
    ASSERT_TRUE(world.WaitUntil([&] {
      const store::Run now = world.Get(run.id);
      return now.attempt == attempt && now.state == RunState::kStarting;
    }));
    const spec::LaunchRequest request = world.AwaitLaunch(run.id);
    EXPECT_EQ(request.attempt, attempt);
    const fs::path claim =
        world.Layout(world.Get(run.id)).launch_folder() / spec::launch_files::kClaim;
    WriteText(claim, spec::ToJsonText(spec::Claim{request.launch_id, "boot", 1, 0, 1}));
    world.OnLoop([&] { world.fake->Lose(request.launch_id, "It never started."); });
  }
  const store::Run done = world.AwaitEnd(run.id);
  EXPECT_EQ(done.state, RunState::kFailed);
  EXPECT_EQ(ErrorOf(done)["code"], "StartFailed");
  EXPECT_EQ(world.store->launches().OfRun(run.key)->size(), 5U);
}

TEST_F(EngineTest, ALauncherThatCannotStartFailsTheRun) {
  world.OnLoop([&] {
    world.fake->start_result = Fail(ErrorCode::kExhausted, "writing request.json: disk full");
  });
  const store::Run done = world.AwaitEnd(world.Submit(Ask(2)).id);
  EXPECT_EQ(done.state, RunState::kFailed);
  EXPECT_EQ(ErrorOf(done)["code"], "StartFailed");
  EXPECT_THAT(done.reason, HasSubstr("disk full"));
  world.BeginRun(world.Submit(Ask(2)).id);  // its share is free again
}

TEST_F(EngineTest, ASnapshotWithAFileNamedOutputsFailsWithTheReason) {
  spec::RunDefinition definition = Ask(2);
  definition.snapshot = world.Snapshot({{"outputs", "a file"}});
  const store::Run done = world.AwaitEnd(world.Submit(definition).id);
  EXPECT_EQ(done.state, RunState::kFailed);
  EXPECT_THAT(done.reason, HasSubstr("./outputs"));
  EXPECT_FALSE(fs::exists(world.Layout(done).scratch_folder()));
  world.BeginRun(world.Submit(Ask(2)).id);
}

TEST_F(EngineTest, TwoHundredRunsAtOnceAllEnd) {
  world.StopEngine();
  world.StartWith([](EventLoop& loop, launch::LaunchListener listener) {
    return std::make_unique<launch::FakeLauncher>(loop, std::chrono::milliseconds(0),
                                                  std::move(listener));
  });
  std::vector<store::Run> runs;
  for (int i = 0; i < 200; ++i) runs.push_back(world.Submit(Ask(1)));
  for (const store::Run& run : runs) {
    EXPECT_EQ(world.AwaitEnd(run.id).state, RunState::kCompleted);
  }
  EXPECT_TRUE(world.store->runs().Active()->empty());
}

}  // namespace
}  // namespace roost::engine
