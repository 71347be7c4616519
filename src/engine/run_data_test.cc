#include "engine/run_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine_test_support.h"
#include "engine/run_inputs.h"
#include "launch/mounts.h"
#include "store/artifacts.h"
#include "store/data_files.h"
#include "store/datasets.h"
#include "store/datastores.h"
#include "store/run_data.h"

namespace roost::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RunDataPlan, PlaceholdersBecomePathsInArgumentsAndCommand) {
  RunDataPlan plan;
  plan.values = {{"a", "/data/a b"}, {"ab", "/data/ab"}};
  spec::RunDefinition definition;
  definition.arguments = {"DatasetConsumptionConfig:a", "--x=DatasetOutputConfig:ab",
                          "DatasetConsumptionConfig:nobody", "a"};
  definition.command = "cat DatasetConsumptionConfig:a/file DatasetConsumptionConfig:ab";
  const spec::RunDefinition given = WithDataPaths(definition, plan);
  EXPECT_THAT(given.arguments,
              ElementsAre("/data/a b", "--x=/data/ab", "DatasetConsumptionConfig:nobody", "a"));
  EXPECT_EQ(given.command, "cat '/data/a b'/file /data/ab");
}

TEST(RunDataPlan, VariablesHoldThePathsAndReplaceNothing) {
  RunDataPlan plan;
  plan.values = {{"path", "/data/a"}};
  plan.modes = "path:mount";
  EnvironmentMap environment = {{"PATH", "/usr/bin"}};
  AddDataVariables(plan, &environment);
  EXPECT_EQ(environment["PATH"], "/usr/bin");
  EXPECT_EQ(environment["path"], "/data/a");
  EXPECT_EQ(environment["AZUREML_DATAREFERENCE_path"], "/data/a");
  EXPECT_EQ(environment["AZUREML_DATASET_ENVIRONMENT_VARS"], "path:mount");
  EXPECT_FALSE(environment.contains("AZUREML_DATASET_FILE_OUTPUTS"));
}

TEST(RunDataPlan, PathsOfTheDataFolderMoveWithIt) {
  TempFolder folder;
  const auto layout_in = [&](const char* name) {
    return spec::RunLayout(folder.path() / name, RunId("run"), 1);
  };
  const spec::RunLayout here = layout_in("here");
  ASSERT_TRUE(MakeFolders(here.launch_folder()));
  RunDataPlan plan;
  plan.values = {{"a", (here.inputs_folder() / "a").string()}, {"id", "1234"}, {"b", "/mnt/b"}};
  plan.mounts = {{(folder.path() / "here/mounts/t").string(), "/mnt/b"}};
  plan.links = {"/mnt/c"};
  plan.output_folders = {{"o", (here.data_outputs_folder() / "o").string()}};
  ASSERT_TRUE(WriteDataPlan(here, plan));
  EXPECT_THAT(ReadFile(here.data_plan_file()).value(),
              Not(HasSubstr(folder.path().filename().string())));
  const auto same = ReadDataPlan(here);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->values, plan.values);
  EXPECT_EQ(same->output_folders, plan.output_folders);
  fs::rename(folder.path() / "here", folder.path() / "there");
  const spec::RunLayout there = layout_in("there");
  const auto moved = ReadDataPlan(there);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->values.at("a"), (there.inputs_folder() / "a").string());
  EXPECT_EQ(moved->values.at("id"), "1234");
  EXPECT_EQ(moved->values.at("b"), "/mnt/b");
  EXPECT_EQ(moved->mounts[0].source, (folder.path() / "there/mounts/t").string());
  EXPECT_EQ(moved->output_folders.at("o"), (there.data_outputs_folder() / "o").string());
}

TEST(RunDataPlan, OnlyLinksToTheRunsOwnInputsAreRemoved) {
  TempFolder folder;
  const spec::RunLayout layout(folder.path() / "data", RunId("run"), 1);
  ASSERT_TRUE(MakeFolders(layout.launch_folder()));
  const fs::path ours = folder.path() / "ours";
  const fs::path others = folder.path() / "others";
  const fs::path file = folder.path() / "file";
  fs::create_symlink(layout.inputs_folder() / "a", ours);
  fs::create_symlink(folder.path() / "elsewhere", others);
  ASSERT_TRUE(WriteFileAtomic(file, "mine"));
  RunDataPlan plan;
  plan.links = {ours.string(), others.string(), file.string(), (folder.path() / "gone").string()};
  ASSERT_TRUE(WriteDataPlan(layout, plan));
  RemoveDataLinks(layout);
  EXPECT_FALSE(fs::is_symlink(ours));
  EXPECT_TRUE(fs::is_symlink(others));
  EXPECT_TRUE(fs::exists(file));
}

class RunDataTest : public testing::Test {
 protected:
  void SetUp() override { world_.StartForReal(); }
  void Put(const std::string& path, const std::string& content) {
    const auto blob = world_.store->blobs().Put(content);
    ASSERT_TRUE(blob);
    ASSERT_TRUE(world_.store->datastores().AddFiles(spec::kBlobDatastore,
                                                    {{path, blob->digest, blob->size, 0}},
                                                    store::Datastores::Overwrite::kReplace));
  }
  store::Dataset MakeDataset(const std::string& path, const std::string& name = "") {
    store::DatasetPath place;
    place.place.datastore = spec::kBlobDatastore;
    place.place.path = path;
    store::NewDataset asked;
    asked.name = name;
    auto made = store::MakeDataset(*world_.store, {place}, asked);
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return made ? made->dataset : store::Dataset();
  }
  static spec::RunDefinition Command(const std::string& text) { return EngineWorld::Command(text); }
  std::string Log(const store::Run& run) { return world_.Log(run); }
  spec::RunLayout Layout(const store::Run& run) { return world_.Layout(run); }
  static spec::RunInput InputOf(const store::Dataset& dataset, spec::InputMode mode) {
    spec::RunInput input;
    input.mode = mode;
    input.dataset = dataset.id;
    return input;
  }
  std::vector<store::RunDataItem> DataOf(const store::Run& run) {
    auto items = world_.store->run_data().Of(run.key);
    EXPECT_TRUE(items);
    return items ? *items : std::vector<store::RunDataItem>();
  }
  store::Run RunToEnd(const spec::RunDefinition& definition) {
    return world_.AwaitEnd(world_.Submit(definition).id);
  }
  void ExpectContentsUnharmed() {
    const auto files = world_.store->datastores().ListFiles(spec::kBlobDatastore, "", "", 1000);
    ASSERT_TRUE(files);
    for (const auto& file : *files) {
      const auto content = world_.store->blobs().Read(file.digest);
      ASSERT_TRUE(content);
      EXPECT_EQ(DigestOf(*content), file.digest) << file.path;
    }
  }

  TempFolder folder_;
  EngineWorld world_{folder_.path() / "data"};
};

TEST_F(RunDataTest, AMountedDatasetIsReadAndCannotBeChanged) {
  Put("birds/small", "small");
  Put("birds/deep/large", std::string(200'000, 'x'));
  const store::Dataset dataset = MakeDataset("birds", "birds");
  for (int i = 0; i < 2; ++i) {  // the second run finds the tree made
    spec::RunDefinition definition = Command(
        "set -e; cd DatasetConsumptionConfig:images; cat small; wc -c < deep/large; "
        "test \"$images\" = \"$PWD\"; test \"$AZUREML_DATAREFERENCE_images\" = \"$IMAGES\"; "
        "for f in small deep/large; do echo more >> $f || true; done; touch new || true");
    definition.inputs["images"] = InputOf(dataset, spec::InputMode::kMount);
    const store::Run run = RunToEnd(definition);
    EXPECT_EQ(run.state, spec::RunState::kCompleted) << run.reason << Log(run);
    EXPECT_THAT(Log(run), HasSubstr("small200000"));
    ExpectContentsUnharmed();
    const auto items = DataOf(run);
    ASSERT_EQ(items.size(), 1U);
    EXPECT_EQ(items[0].dataset_id, dataset.id);
    EXPECT_EQ(items[0].dataset_name, "birds");
    EXPECT_EQ(items[0].version, 1);
    const bool bound = launch::CanMount(world_.store->data_folder());
    EXPECT_EQ(items[0].mechanism == "bind", bound);
    const auto log = ReadFile(Layout(run).log_folder() / "65_job_prep.txt");
    ASSERT_TRUE(log);
    EXPECT_THAT(*log, HasSubstr("Input images: 2 files"));
  }
}

TEST_F(RunDataTest, ADownloadIsTheRunsOwnAndOneFileIsItsPath) {
  Put("birds/a.csv", "1,2\n");
  spec::RunDefinition definition =
      Command("echo 3,4 >> DatasetConsumptionConfig:table && cat \"$table\"");
  definition.inputs["table"] = InputOf(MakeDataset("birds/a.csv"), spec::InputMode::kDownload);
  definition.inputs["table"].path_on_compute = "data/here";
  const store::Run run = RunToEnd(definition);
  EXPECT_EQ(run.state, spec::RunState::kCompleted) << run.reason << Log(run);
  EXPECT_EQ(Log(run), "1,2\n3,4\n");
  EXPECT_THAT(DataOf(run)[0].path_on_compute, testing::EndsWith("/work/data/here/a.csv"));
  ExpectContentsUnharmed();
}

// Contents of both kinds that trees tell apart, twice the same one, and none.
const std::map<std::string, std::string> kBirds = {{"empty", ""},
                                                   {"small", "small"},
                                                   {"the-same", "small"},
                                                   {"deep/edge", std::string(64 << 10, 'e')},
                                                   {"deep/large", std::string(200'000, 'x')},
                                                   {"deep/er/larger", std::string(300'000, 'y')}};

TEST_F(RunDataTest, EveryMeansKeepsTheContentsUnharmed) {
  for (const auto& [path, content] : kBirds) Put("birds/" + path, content);
  spec::RunDefinition definition = Command("true");
  definition.inputs["images"] = InputOf(MakeDataset("birds"), spec::InputMode::kMount);
  const store::Run run = RunToEnd(definition);
  const std::map<MountMeans, std::string> words = {
      {MountMeans::kLinks, "by links to read-only files (this user may not mount).\n"},
      {MountMeans::kCopy, "by a copy (it cannot be mounted here).\n"}};
  for (const auto& [means, word] : words) {
    for (int time = 0; time < 2; ++time) {  // the second run reads what the dataset has
      const spec::RunLayout layout(world_.store->data_folder(), run.id, 7);
      ASSERT_TRUE(MakeFolders(layout.launch_folder()));
      ASSERT_TRUE(MakeFolders(layout.log_folder()));
      const Status prepared = PrepareRunData(
          *world_.store, {run.key, layout, definition, means, false, [] { return false; }});
      ASSERT_TRUE(prepared) << prepared.error().message;
      const std::string log = *ReadFile(layout.log_folder() / "65_job_prep.txt");
      EXPECT_THAT(log, HasSubstr("Input images: 6 files"));
      EXPECT_THAT(log, testing::EndsWith(word));
      const fs::path folder = ReadDataPlan(layout)->values.at("images");
      for (const auto& [path, content] : kBirds) {
        EXPECT_EQ(*ReadFile(folder / path), content) << path << ", " << word;
        EXPECT_EQ(fs::is_symlink(folder / path), means == MountMeans::kLinks) << path;
        // Its owner may make it writable; the contents have other inodes all the same.
        fs::permissions(folder / path, fs::perms(0666));
        std::ofstream(folder / path, std::ios::app) << "spoiled";
        EXPECT_EQ(*ReadFile(folder / path), content + "spoiled") << path;
      }
      ExpectContentsUnharmed();
      ASSERT_TRUE(RemoveTree(layout.attempt_folder()));
    }
  }
}

TEST_F(RunDataTest, NoFileOfARealMountCanBeChangedNorItsModeForTheNextRun) {
  for (const auto& [path, content] : kBirds) Put("birds/" + path, content);
  const store::Dataset dataset = MakeDataset("birds");
  const std::map<std::string, std::string> words = {
      {"bind", "by a read-only mount of the run's own.\n"},
      {"links", "by links to read-only files (this user may not mount).\n"},
      {"copy", "by a copy (it cannot be mounted here).\n"}};
  for (int time = 0; time < 2; ++time) {
    spec::RunDefinition definition = Command(
        "cd $images; find . -type f -o -type l | sort | while read f; do wc -c < $f; "
        "chmod 666 $f; echo spoiled >> $f; done 2> /dev/null; true");
    definition.inputs["images"] = InputOf(dataset, spec::InputMode::kMount);
    const store::Run run = RunToEnd(definition);
    EXPECT_EQ(run.state, spec::RunState::kCompleted) << run.reason;
    EXPECT_EQ(Log(run), "65536\n300000\n200000\n0\n5\n5\n");
    const std::string mechanism = DataOf(run)[0].mechanism;
    EXPECT_EQ(mechanism == "bind", launch::CanMount(world_.store->data_folder())) << mechanism;
    EXPECT_THAT(*ReadFile(Layout(run).log_folder() / "65_job_prep.txt"),
                testing::EndsWith(words.at(mechanism)));
    ExpectContentsUnharmed();
  }
}

TEST_F(RunDataTest, AFolderOfTheMachineIsMountedOrCopied) {
  TempFolder disk;
  ASSERT_TRUE(WriteFileAtomic(disk.path() / "a", "from the disk"));
  ASSERT_TRUE(world_.store->datastores().Create({"disk", disk.path(), false, false, 0}));
  spec::RunDefinition definition =
      Command("cat \"$AZUREML_DATAREFERENCE_raw/a\"; echo more >> $raw/a; true");
  definition.inputs["raw"].place.datastore = "disk";
  const store::Run run = RunToEnd(definition);
  EXPECT_EQ(run.state, spec::RunState::kCompleted) << run.reason;
  EXPECT_THAT(Log(run), HasSubstr("from the disk"));
  EXPECT_EQ(*ReadFile(disk.path() / "a"), "from the disk");
}

TEST_F(RunDataTest, DirectGivesTheId) {
  Put("a", "1");
  const store::Dataset dataset = MakeDataset("a");
  spec::RunDefinition definition = Command("echo DatasetConsumptionConfig:in");
  definition.inputs["in"] = InputOf(dataset, spec::InputMode::kDirect);
  EXPECT_EQ(Log(RunToEnd(definition)), dataset.id + "\n");
}

TEST(RunDataPlanFile, ARunWhosePlanIsGoneOrTornIsNotStarted) {
  for (const bool torn : {false, true}) {
    TempFolder folder;
    EngineWorld world(folder.path() / "data");
    world.options.after_step = [&](std::string_view done) {
      if (done != "prepared") return;
      for (const auto& entry : fs::recursive_directory_iterator(folder.path() / "data/runs")) {
        if (entry.path().filename() != "data.json") continue;
        if (torn) WriteText(entry.path(), "{");
        if (!torn) fs::remove(entry.path());
        break;
      }
    };
    world.StartForReal();
    spec::RunDefinition definition = EngineWorld::Command("echo started");
    definition.outputs["result"].path = "kept";
    const store::Run run = world.AwaitEnd(world.Submit(definition).id);
    EXPECT_EQ(run.state, spec::RunState::kFailed);
    EXPECT_THAT(run.reason, HasSubstr("the run's data is not known"));
    EXPECT_THAT(run.error_json, HasSubstr("StartFailed"));
    EXPECT_FALSE(world.store->launches().Newest(run.key));
  }
}

TEST(RunDataAgain, AnAttemptThatNeverRanLeavesNeitherCopiesNorLinks) {
  TempFolder folder;
  EngineWorld world(folder.path() / "data");
  world.StartWithFake();
  const auto blob = world.store->blobs().Put("1");
  ASSERT_TRUE(blob);
  ASSERT_TRUE(world.store->datastores().AddFiles(spec::kBlobDatastore,
                                                 {{"a", blob->digest, blob->size, 0}},
                                                 store::Datastores::Overwrite::kReplace));
  const fs::path place = folder.path() / "place";
  spec::RunDefinition definition = EngineWorld::Command("true");
  spec::RunInput& input = definition.inputs["in"];
  input.mode = spec::InputMode::kDownload;
  input.place = {spec::kBlobDatastore, "a", ""};
  input.path_on_compute = place.string();
  const RunId id = world.Submit(definition).id;
  const spec::LaunchRequest request = world.AwaitLaunch(id);
  const spec::RunLayout first = world.Layout(world.Get(id));
  EXPECT_EQ(*ReadFile(place / "a"), "1");

  spec::Claim fence;
  fence.launch_id = request.launch_id;
  WriteText(first.launch_folder() / spec::launch_files::kClaim, ToJsonText(fence));
  world.OnLoop([&] { world.fake->Lose(request.launch_id, "the machine was restarted"); });
  ASSERT_TRUE(world.WaitUntil([&] { return world.Get(id).attempt == 2; })) << world.Get(id).reason;
  EXPECT_FALSE(fs::exists(first.scratch_folder()));
  EXPECT_EQ(fs::read_symlink(place), world.Layout(world.Get(id)).inputs_folder() / "in");
}

TEST_F(RunDataTest, APreparationThatFailsTakesItsLinksAway) {
  Put("a", "1");
  const fs::path place = folder_.path() / "place";
  const fs::path taken = folder_.path() / "taken";
  WriteText(taken, "of somebody else");
  spec::RunDefinition definition = Command("true");
  for (const auto& [name, path] : {std::pair{"first", place}, std::pair{"second", taken}}) {
    definition.inputs[name].mode = spec::InputMode::kDownload;
    definition.inputs[name].place = {spec::kBlobDatastore, "a", ""};
    definition.inputs[name].path_on_compute = path.string();
  }
  const store::Run run = RunToEnd(definition);
  EXPECT_EQ(run.state, spec::RunState::kFailed);
  EXPECT_THAT(run.reason, HasSubstr("is there already on this machine"));
  EXPECT_FALSE(fs::is_symlink(place));
  EXPECT_EQ(*ReadFile(taken), "of somebody else");
}

TEST_F(RunDataTest, OutputsAreKeptAndRegisteredWhenTheRunIsCompleted) {
  spec::RunDefinition definition = Command(
      "echo 1 > DatasetOutputConfig:result/a.csv && mkdir -p $result/sub && echo 2 > "
      "$result/sub/b.csv && echo no > $result/skip.txt && echo $AZUREML_DATASET_FILE_OUTPUTS");
  spec::RunOutput& output = definition.outputs["result"];
  output.mode = spec::OutputMode::kUpload;
  output.source_globs = {"*.csv"};
  output.path = "kept/{run-id}";
  output.register_as = spec::RegisterAs{"results", "made by a run", {{"a", "b"}}};
  const store::Run run = RunToEnd(definition);
  EXPECT_EQ(run.state, spec::RunState::kCompleted) << run.reason;
  EXPECT_EQ(Log(run), "result\n");
  const auto dataset = world_.store->datasets().Get("results", std::nullopt);
  ASSERT_TRUE(dataset);
  EXPECT_EQ(dataset->file_count, 2);
  EXPECT_EQ(dataset->paths[0].place.path, "kept/" + run.id.value());
  EXPECT_EQ(dataset->tags.at("a"), "b");
  const auto items = DataOf(run);
  ASSERT_EQ(items.size(), 1U);
  EXPECT_TRUE(items[0].is_output);
  EXPECT_EQ(items[0].dataset_id, dataset->id);
}

TEST_F(RunDataTest, AFailedRunsOutputsAreKeptAndNotRegistered) {
  spec::RunDefinition definition = Command("echo 1 > $result/a; exit 3");
  definition.outputs["result"].register_as = spec::RegisterAs{"results", "", {}};
  const store::Run run = RunToEnd(definition);
  EXPECT_EQ(run.state, spec::RunState::kFailed);
  EXPECT_FALSE(world_.store->datasets().Get("results", std::nullopt));
  EXPECT_TRUE(world_.store->datastores().GetFile(spec::kBlobDatastore,
                                                 "dataset/" + run.id.value() + "/result/a"));
}

TEST_F(RunDataTest, AnOutputThatWouldReplaceAnotherFileFailsTheRunAndStays) {
  Put("kept/a", "old");
  spec::RunDefinition definition = Command("echo new > $result/a");
  definition.outputs["result"].path = "kept";
  const store::Run run = RunToEnd(definition);
  EXPECT_EQ(run.state, spec::RunState::kFailed);
  EXPECT_THAT(run.reason, HasSubstr("another content"));
  EXPECT_EQ(*ReadFile(Layout(run).data_outputs_folder() / "result/a"), "new\n");
  definition.outputs["result"].overwrite = true;
  EXPECT_EQ(RunToEnd(definition).state, spec::RunState::kCompleted);
}

TEST_F(RunDataTest, NothingIsRegisteredWhenALaterOutputFailsTheRun) {
  Put("taken/x", "old");
  spec::RunDefinition definition = Command("echo 1 > $first/x; echo 2 > $second/x");
  definition.outputs["first"].register_as = spec::RegisterAs{"results", "", {}};
  definition.outputs["second"].path = "taken";
  const store::Run run = RunToEnd(definition);
  EXPECT_EQ(run.state, spec::RunState::kFailed);
  EXPECT_FALSE(world_.store->datasets().Get("results", std::nullopt));
  const auto items = DataOf(run);
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].name, "first");
  EXPECT_NE(items[0].dataset_id, "");
}

TEST_F(RunDataTest, FilesThatAreThereAreReplacedOnWishOnly) {
  Put("birds/a", "new");
  spec::RunDefinition definition = Command("cat data/a data/b");
  definition.snapshot = world_.Snapshot({{"data/a", "old"}, {"data/b", "kept"}});
  spec::RunInput& input = definition.inputs["in"];
  input.mode = spec::InputMode::kMount;
  input.place = {spec::kBlobDatastore, "birds", ""};
  input.path_on_compute = "data";
  const store::Run refused = RunToEnd(definition);
  EXPECT_EQ(refused.state, spec::RunState::kFailed);
  EXPECT_THAT(refused.reason, HasSubstr("is in the submitted folder already"));

  input.overwrite = true;
  for (const MountMeans means : {MountMeans::kLinks, MountMeans::kCopy}) {
    const spec::RunLayout layout(world_.store->data_folder(), refused.id, 7);
    ASSERT_TRUE(MakeFolders(layout.launch_folder()));
    ASSERT_TRUE(MakeFolders(layout.log_folder()));
    ASSERT_TRUE(MakeFolders(layout.working_folder() / "data"));
    WriteText(layout.working_folder() / "data/a", "old");
    const Status prepared = PrepareRunData(
        *world_.store, {refused.key, layout, definition, means, false, [] { return false; }});
    ASSERT_TRUE(prepared) << prepared.error().message;
    EXPECT_EQ(*ReadFile(layout.working_folder() / "data/a"), "new");
    ASSERT_TRUE(RemoveTree(layout.attempt_folder()));
  }
}

TEST_F(RunDataTest, AnInputInsideAnotherIsRefusedAtSubmit) {
  Put("a", "1");
  spec::RunDefinition definition = Command("true");
  for (const auto& [name, path] : {std::pair{"a", "data"}, std::pair{"b", "data/b"},
                                   std::pair{"c", "database"}, std::pair{"d", "data"}}) {
    definition.inputs[name].place = {spec::kBlobDatastore, "a", ""};
    definition.inputs[name].path_on_compute = path;
  }
  const auto refused = world_.engine->Submit(definition, "tester", "", "");
  ASSERT_FALSE(refused);
  std::vector<std::string> fields;
  for (const Problem& problem : refused.error().details) fields.push_back(problem.field);
  EXPECT_THAT(fields, ElementsAre("inputs.b.path_on_compute", "inputs.b.path_on_compute",
                                  "inputs.d.path_on_compute"));
}

TEST_F(RunDataTest, DataThatIsNotThereIsRefusedAtSubmit) {
  spec::RunDefinition definition = Command("true");
  definition.inputs["a"].dataset = "nobody";
  definition.inputs["b"].place.datastore = "nowhere";
  definition.inputs["c"].place = {spec::kBlobDatastore, "no/such", ""};
  definition.outputs["d"].datastore = "nowhere";
  const auto refused = world_.engine->Submit(definition, "tester", "", "");
  ASSERT_FALSE(refused);
  std::vector<std::string> fields;
  for (const Problem& problem : refused.error().details) fields.push_back(problem.field);
  EXPECT_THAT(fields, ElementsAre("inputs.a.dataset", "inputs.b.datastore", "inputs.c.path",
                                  "outputs.d.datastore"));
}

TEST_F(RunDataTest, ACancelEndsTheCopyingOfInputsAtOnce) {
  const fs::path disk = folder_.path() / "disk";
  fs::create_directories(disk / "many");
  for (int i = 0; i < 20'000; ++i) {
    std::ofstream(disk / "many" / std::to_string(i)) << i;
  }
  std::ofstream(disk / "one") << "1";
  ASSERT_TRUE(world_.store->datastores().Create({"disk", disk, false, false, 0}));
  std::atomic<int> prepared = 0;
  world_.StopEngine();
  world_.options.after_step = [&](std::string_view step) { prepared += step == "prepared"; };
  world_.StartForReal();
  const auto submit = [&](const std::string& path) {
    spec::RunDefinition definition = Command("true");
    spec::RunInput& input = definition.inputs["data"];
    input.mode = spec::InputMode::kDownload;
    input.place.datastore = "disk";
    input.place.path = path;
    return world_.Submit(definition);
  };
  store::Run copied;
  store::Run waiting;
  // Again where the copying was over before the test came to cancel it.
  bool in_time = false;
  for (int tries = 0; !in_time && tries < 10; ++tries) {
    prepared = 0;
    copied = submit("many");
    waiting = submit("many");  // there is one worker for data
    ASSERT_TRUE(world_.WaitUntil([&] {
      const store::Run now = world_.Get(copied.id);
      const spec::RunLayout layout(world_.store->data_folder(), now.id, now.attempt + 1);
      std::error_code error;
      return spec::IsFinal(now.state) || (fs::exists(layout.inputs_folder() / "data", error) &&
                                          !fs::is_empty(layout.inputs_folder() / "data", error));
    }));
    ASSERT_TRUE(
        world_.WaitUntil([&] { return world_.Get(waiting.id).state != spec::RunState::kQueued; }));
    in_time = true;
    for (const store::Run& run : {copied, waiting}) {
      const auto canceled = world_.engine->Cancel(run.id);
      in_time = in_time && canceled && canceled->state == spec::RunState::kCanceled;
    }
    for (const store::Run& run : {copied, waiting}) world_.AwaitEnd(run.id);
  }
  EXPECT_TRUE(in_time);
  const store::Run next = world_.AwaitEnd(submit("one").id);
  EXPECT_EQ(next.state, spec::RunState::kCompleted) << next.reason;
  EXPECT_EQ(prepared, 1);  // neither of the others was finished first
  for (const store::Run& run : {copied, waiting}) {
    const spec::RunLayout layout(world_.store->data_folder(), run.id, 1);
    EXPECT_FALSE(fs::exists(layout.scratch_folder()));
  }
}

}  // namespace
}  // namespace roost::engine
