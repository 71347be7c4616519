#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/engine_test_support.h"
#include "engine/register.h"
#include "engine/run_end_hook.h"
#include "engine/run_json.h"

namespace roost::engine {
namespace {

using spec::RunState;
using testing::HasSubstr;

// Stories beside a run's usual life: disk space, tracked runs, hooks, models, restarts.
class EngineMoreTest : public testing::Test {
 protected:
  EngineMoreTest() : world(folder.path() / "data") {}

  spec::LaunchRequest RunWithOutputs(const store::Run& run) {
    const spec::LaunchRequest request = world.BeginRun(run.id);
    const fs::path outputs = fs::path(request.working_folder) / "outputs";
    EXPECT_TRUE(MakeFolders(outputs / "model"));
    WriteText(outputs / "model.pt", "weights");
    WriteText(outputs / "model/a.txt", "a");
    return request;
  }

  TempFolder folder;
  EngineWorld world;
};

TEST_F(EngineMoreTest, TheQueuePausesBelowTheFreeSpaceFloor) {
  world.options.min_free_bytes = 1ULL << 62;
  world.StartWithFake();
  const store::Run run = world.Submit(EngineWorld::Command("true"));
  EXPECT_THAT(run.reason, HasSubstr("Waiting for disk space"));
  world.OnLoop([&] { EXPECT_TRUE(world.fake->started.empty()); });
  const QueueStatus status = world.engine->Queue();
  EXPECT_TRUE(status.paused);
  EXPECT_EQ(status.reason, run.reason);
  EXPECT_EQ(status.waiting, 1);

  world.StopEngine();
  world.options.min_free_bytes = 0;
  world.StartWithFake();
  world.BeginRun(run.id);
}

TEST_F(EngineMoreTest, ALiveLaunchIsAskedAfterARestartAndHoldsItsShare) {
  world.options.machine.gpus = {{0, "a", 1}, {1, "b", 1}};
  world.StartWithFake();
  spec::RunDefinition definition = EngineWorld::Command("true");
  definition.resources = {1, 1, 0};
  const store::Run first = world.Submit(definition);
  const spec::LaunchRequest request = world.BeginRun(first.id);
  EXPECT_EQ(request.environment.at("CUDA_VISIBLE_DEVICES"), "0");
  // The fake writes no request; the real launcher does.
  WriteText(world.Layout(world.Get(first.id)).launch_folder() / spec::launch_files::kRequest,
            spec::ToJsonText(request));

  world.Close();
  world.StartWithFake();
  world.OnLoop(
      [&] { EXPECT_EQ(world.fake->reattached, std::vector<std::string>{request.launch_id}); });
  const spec::LaunchRequest other = world.BeginRun(world.Submit(definition).id);
  EXPECT_EQ(other.environment.at("CUDA_VISIBLE_DEVICES"), "1");
  world.End(request, 0);
  EXPECT_EQ(world.AwaitEnd(first.id).state, RunState::kCompleted);
}

TEST_F(EngineMoreTest, ATrackedRunIsMovedByItsClient) {
  world.StartWithFake();
  Engine::TrackedRun asked;
  asked.experiment = "notebooks";
  asked.tags = {{"team", "vision"}};
  asked.idempotency_key = "k";
  const auto made = world.engine->CreateTracked(asked, "me");
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->created);
  const store::Run* const run = &made->run;
  const auto repeated = world.engine->CreateTracked(asked, "me");
  ASSERT_TRUE(repeated);
  EXPECT_FALSE(repeated->created);
  EXPECT_EQ(repeated->run.id, run->id);
  EXPECT_EQ(run->state, RunState::kRunning);
  EXPECT_EQ(run->kind, spec::RunKind::kTracked);
  EXPECT_FALSE(run->id.value().empty());
  EXPECT_NE(run->started_at, 0);
  const Micros end = run->started_at + 5'000'000;
  const auto failed = world.engine->ReportStatus(run->id, RunState::kFailed,
                                                 R"({"code":"UserError","message":"no"})", end);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->state, RunState::kFailed);
  EXPECT_EQ(failed->ended_at, end);
  EXPECT_THAT(failed->error_json, HasSubstr("UserError"));
  const auto again = world.engine->ReportStatus(run->id, RunState::kRunning, "", 0);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->state, RunState::kRunning);
  const auto canceled = world.engine->Cancel(run->id);
  ASSERT_TRUE(canceled);
  EXPECT_EQ(canceled->state, RunState::kCanceled);

  asked.idempotency_key.clear();
  asked.id = run->id.value();
  EXPECT_EQ(world.engine->CreateTracked(asked, "me").error().code, ErrorCode::kConflict);
  asked.state = RunState::kQueued;
  asked.parent = "nobody";
  EXPECT_EQ(world.engine->CreateTracked(asked, "me").error().details.size(), 2U);
}

TEST_F(EngineMoreTest, AClientsWordNeverMovesAManagedRun) {
  world.StartWithFake();
  const store::Run run = world.Submit(EngineWorld::Command("true"));
  const spec::LaunchRequest request = world.BeginRun(run.id);
  const auto told = world.engine->ReportStatus(run.id, RunState::kCompleted, "", 0);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->state, RunState::kRunning);
  EXPECT_EQ(told->client_status, "Completed");
  world.End(request, 2);
  EXPECT_EQ(world.AwaitEnd(run.id).state, RunState::kFailed);
}

TEST_F(EngineMoreTest, TheHookGetsTheRunInItsEnvironmentAndOnItsInput) {
  const fs::path told = folder.path() / "told";
  world.options.on_run_end = "{ echo $ROOST_RUN_ID $ROOST_RUN_STATUS; cat; } > " + told.string() +
                             ".new && mv " + told.string() + ".new " + told.string();
  world.StartWithFake();
  const store::Run run = world.Submit(EngineWorld::Command("true"));
  world.End(world.BeginRun(run.id), 3);
  ASSERT_TRUE(world.WaitUntil([&] { return fs::exists(told); }));
  const std::string text = ReadFile(told).value_or("");
  const auto line_end = text.find('\n');
  EXPECT_EQ(text.substr(0, line_end), run.id.value() + " Failed");
  const auto body = nlohmann::json::parse(text.substr(line_end + 1), nullptr, false);
  ASSERT_TRUE(body.is_object());
  EXPECT_EQ(body["run_id"], run.id.value());
  EXPECT_EQ(body["status"], "Failed");
  EXPECT_EQ(body["definition"]["command"], "true");
}

// Takes one HTTP request and gives its body.
std::string TakeOneRequest(int listener) {
  pollfd waiting{.fd = listener, .events = POLLIN, .revents = 0};
  if (poll(&waiting, 1, 100'000) != 1) return {};
  const Fd connection(accept(listener, nullptr, nullptr));
  std::string request;
  char buffer[4096];
  for (;;) {
    const auto head = request.find("\r\n\r\n");
    const auto length = request.find("Content-Length: ");
    if (head != std::string::npos && length != std::string::npos &&
        request.size() >= head + 4 + std::stoul(request.substr(length + 16))) {
      const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
      EXPECT_TRUE(WriteAll(connection.get(), answer, "socket"));
      return request.substr(head + 4);
    }
    const ssize_t count = read(connection.get(), buffer, sizeof buffer);
    if (count <= 0) return request;
    request.append(buffer, static_cast<std::size_t>(count));
  }
}

TEST_F(EngineMoreTest, AHooksUrlGetsTheRunByPost) {
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  auto body = std::async(std::launch::async, TakeOneRequest, listener.get());

  setenv("no_proxy", "127.0.0.1", 1);
  world.options.on_run_end = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/end";
  world.StartWithFake();
  const store::Run run = world.Submit(EngineWorld::Command("true"));
  world.End(world.BeginRun(run.id), 0);
  const auto told = nlohmann::json::parse(body.get(), nullptr, false);
  ASSERT_TRUE(told.is_object());
  EXPECT_EQ(told["run_id"], run.id.value());
}

TEST_F(EngineMoreTest, ARunIsCanceledWhileItsFolderIsBeingMade) {
  std::promise<void> made;
  std::promise<void> canceled;
  const std::shared_future<void> until = canceled.get_future().share();
  world.options.after_step = [&made, until](std::string_view step) {
    if (step != "prepared") return;
    made.set_value();
    until.wait();
  };
  world.StartWithFake();
  const store::Run run = world.Submit(EngineWorld::Command("true"));
  made.get_future().wait();
  const auto asked = world.engine->Cancel(run.id);
  canceled.set_value();
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->state, RunState::kCanceled);
  EXPECT_TRUE(world.WaitUntil([&] {
    return !fs::exists(spec::RunLayout(world.store->data_folder(), run.id, 1).attempt_folder());
  }));
  world.OnLoop([&] { EXPECT_TRUE(world.fake->started.empty()); });
  EXPECT_EQ(world.engine->Queue().cpus_used, 0);
}

// A copy of the store alone, as a backup holds it, with a run that is still going elsewhere.
TEST_F(EngineMoreTest, ARunThatWasLiveInABackupIsEndedAndNeverStartedAgain) {
  world.StartWithFake();
  const store::Run running = world.Submit(EngineWorld::Command("true"));
  world.BeginRun(running.id);
  const store::Run starting = world.Submit(EngineWorld::Command("true"));
  world.AwaitLaunch(starting.id);
  world.Close();
  ASSERT_TRUE(RemoveTree(folder.path() / "data" / "runs"));
  world.StartWithFake();
  for (const store::Run& run : {running, starting}) {
    const store::Run done = world.AwaitEnd(run.id);
    EXPECT_EQ(done.state, RunState::kFailed);
    EXPECT_THAT(done.reason, HasSubstr("backup"));
  }
  world.OnLoop([&] {
    EXPECT_TRUE(world.fake->started.empty());
    EXPECT_TRUE(world.fake->reattached.empty());
  });
}

TEST_F(EngineMoreTest, ACommandFindsTheServersInterpreterOnItsPath) {
  world.options.environments.python = "/bin/sh";
  world.StartWithFake();
  const store::Run run = world.Submit(EngineWorld::Command("python train.py"));
  EXPECT_THAT(world.AwaitLaunch(run.id).environment.at("PATH"), testing::StartsWith("/bin:"));
  world.StopEngine();
  world.options.environments.python = "";
  world.StartWithFake();
  EXPECT_TRUE(world.engine->Submit(EngineWorld::Command("true"), "tester", "", ""));
}

TEST_F(EngineMoreTest, AHookThatHangsHoldsNothingUp) {
  world.options.on_run_end = "sleep 3";
  world.StartWithFake();
  for (int i = 0; i < 3; ++i) {
    const store::Run run = world.Submit(EngineWorld::Command("true"));
    world.End(world.BeginRun(run.id), 0);
    EXPECT_EQ(world.AwaitEnd(run.id).state, RunState::kCompleted);
  }
}

TEST_F(EngineMoreTest, AModelIsRegisteredFromAFileOrAFolderOfTheRun) {
  world.StartWithFake();
  const store::Run run = world.Submit(EngineWorld::Command("true"));
  const spec::LaunchRequest request = RunWithOutputs(run);
  RegisterFromRun asked;
  asked.run_id = run.id.value();
  asked.model_name = "net";
  asked.model_path = "./outputs/model.pt";
  // Still running: the file is only in the working folder.
  const auto live = RegisterModel(*world.store, asked, "me");
  ASSERT_TRUE(live) << live.error().message;
  EXPECT_EQ(live->version.version, 1);
  EXPECT_EQ(live->version.file_count, 1);
  EXPECT_EQ(live->version.run_id, run.id.value());
  EXPECT_EQ(world.store->models().Files("net", 1)->front().path, "model.pt");

  world.End(request, 0);
  world.AwaitEnd(run.id);
  const auto ended = RegisterModel(*world.store, asked, "me");
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->version.version, 2);
  EXPECT_EQ(ended->version.tree, live->version.tree);
  asked.model_path = "outputs/model/";
  const auto tree = RegisterModel(*world.store, asked, "me");
  ASSERT_TRUE(tree);
  EXPECT_EQ(tree->version.file_count, 1);
  EXPECT_EQ(world.store->models().Files("net", 3)->front().path, "a.txt");

  asked.model_path = "outputs/none";
  const auto missing = RegisterModel(*world.store, asked, "me");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().message,
            "Could not locate the provided model_path outputs/none in the set of files uploaded to "
            "the run: [outputs/model.pt, outputs/model/a.txt]");
}

TEST_F(EngineMoreTest, AModelsPathCannotLeaveTheRun) {
  world.StartWithFake();
  const store::Run run = world.Submit(EngineWorld::Command("true"));
  RunWithOutputs(run);
  RegisterFromRun asked;
  asked.run_id = run.id.value();
  asked.model_name = "net";
  for (const char* path :
       {"../launch/request.json", "outputs/../../launch", "/etc/passwd", "work"}) {
    asked.model_path = path;
    const auto refused = RegisterModel(*world.store, asked, "me");
    ASSERT_FALSE(refused) << path;
    EXPECT_EQ(refused.error().code, ErrorCode::kNotFound) << path;
  }
}

TEST_F(EngineMoreTest, AfterStopNothingIsAccepted) {
  world.StartWithFake();
  world.engine->Stop();
  const auto refused = world.engine->Submit(EngineWorld::Command("true"), "tester", "", "");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
}

TEST(RunJson, HasTheWiresFields) {
  store::Run run;
  run.id = RunId("exp_1_ab");
  run.state = RunState::kRunning;
  run.started_at = 1'000'000;
  run.created_at = 500'000;
  run.tags = {{"flag", std::nullopt}, {"team", "vision"}};
  run.definition_json = R"({"command": "true"})";
  const auto json = RunToJson(run, 3'500'000, false);
  EXPECT_EQ(json["run_id"], "exp_1_ab");
  EXPECT_EQ(json["status"], "Running");
  EXPECT_EQ(json["duration_seconds"], 2.5);
  EXPECT_EQ(json["started_at"], "1970-01-01T00:00:01.000000Z");
  EXPECT_TRUE(json["ended_at"].is_null());
  EXPECT_TRUE(json["parent"].is_null());
  EXPECT_TRUE(json["error"].is_null());
  EXPECT_TRUE(json["definition"].is_null());
  EXPECT_TRUE(json["exit_code"].is_null());
  EXPECT_TRUE(json["tags"]["flag"].is_null());
  run.exit_code = 0;
  EXPECT_EQ(RunToJson(run, 3'500'000, false)["exit_code"], 0);
  EXPECT_EQ(RunToJson(run, 3'500'000, true)["definition"]["command"], "true");
}

}  // namespace
}  // namespace roost::engine
