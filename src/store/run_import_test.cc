#include "store/run_import.h"

#include <cmath>

#include "store/logged_models.h"
#include "store/model_import.h"
#include "store/run_inputs.h"
#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using spec::ImportedRun;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Micros kStart = 1'600'000'000'000'000;

class RunImportTest : public StoreFixture {
 protected:
  RunImport& import() { return store->run_import(); }

  std::int64_t Experiment(const std::string& name = "vision", bool deleted = false) {
    const auto placed = import().AddExperiment({.name = name, .deleted = deleted});
    EXPECT_OK(placed);
    return placed->experiment.id.value();
  }

  ImportedRun NewRun(const std::string& id) {
    ImportedRun run;
    run.id = id;
    run.experiment = Experiment();
    run.name = "a run";
    run.user_id = "ada";
    run.started_at = kStart;
    run.ended_at = kStart + 1'000'000;
    run.tags = {{"k", "v"}};
    run.params = {{"lr", "0.1"}};
    run.series = {{"loss", 0, {{0, kStart, 1.0}, {1, kStart + 1, std::nan("")}}}};
    return run;
  }

  Result<ImportOutcome> Add(const ImportedRun& run) {
    return import().AddRuns({run}, "tester").front();
  }
  std::optional<KeptRun> Look(const std::string& id) {
    const auto kept = import().Look({id});
    EXPECT_OK(kept);
    return kept->front();
  }
};

TEST_F(RunImportTest, KeepsARunAsItWas) {
  ImportedRun run = NewRun("r1");
  run.datasets = {{"digits", "d1", "local", "/data", {}, {}, {{"context", "training"}}}};
  run.models_out = {{"m-1", 3}};
  EXPECT_EQ(ROOST_VALUE(Add(run)), ImportOutcome::kCreated);

  const RunRow kept = ROOST_VALUE(store->runs().Get(RunId("r1")));
  EXPECT_EQ(kept.started_at, run.started_at);
  EXPECT_EQ(kept.ended_at, run.ended_at);
  EXPECT_EQ(kept.kind, spec::RunKind::kTracked);
  EXPECT_EQ(kept.state, spec::RunState::kCompleted);
  EXPECT_EQ(kept.user_id, "ada");
  EXPECT_EQ(kept.submitter, "tester");
  const auto here = Look("r1");
  ASSERT_TRUE(here);
  EXPECT_EQ(here->digest, spec::DigestOfRun(run));
  EXPECT_EQ(here->points, 2);
  EXPECT_EQ(here->params, 1);
  EXPECT_EQ(Look("r2"), std::nullopt);
}

TEST_F(RunImportTest, TheSameAgainChangesNothing) {
  const ImportedRun run = NewRun("r1");
  EXPECT_OK(Add(run));
  EXPECT_OK(Add(run));
  EXPECT_EQ(Look("r1")->digest, spec::DigestOfRun(run));
  ImportedRun head = run;
  head.series.clear();
  EXPECT_EQ(ROOST_VALUE(Add(head)), ImportOutcome::kUnchanged);
}

TEST_F(RunImportTest, ALongHistoryComesInPiecesAndGoesOnWhereItWas) {
  ImportedRun whole = NewRun("r1");
  auto& points = whole.series[0].points;
  points.clear();
  for (int i = 0; i < 10'000; ++i) points.push_back({i, kStart + i, 1.0 / (i + 1)});
  const auto piece = [&](std::int64_t from, std::int64_t to) {
    ImportedRun part = whole;
    part.series[0].offset = from;
    part.series[0].points = {points.begin() + from, points.begin() + to};
    return part;
  };
  EXPECT_OK(Add(piece(0, 4'000)));
  EXPECT_OK(Add(piece(3'990, 6'000)));
  EXPECT_ERROR(Add(piece(7'000, 8'000)), ErrorCode::kConflict, "only 6000 came in before");
  EXPECT_EQ(Look("r1")->points, 6'000);
  EXPECT_OK(Add(piece(6'000, 10'000)));
  EXPECT_EQ(Look("r1")->digest, spec::DigestOfRun(whole));
}

TEST_F(RunImportTest, ARefusedRunTakesNoOtherAlong) {
  ImportedRun lost = NewRun("r2");
  lost.experiment = 99;
  const auto outcomes = import().AddRuns({NewRun("r1"), lost, NewRun("r3")}, "tester");
  EXPECT_OK(outcomes[0]);
  EXPECT_ERROR(outcomes[1], ErrorCode::kNotFound, "no experiment with the id 99");
  EXPECT_OK(outcomes[2]);
  EXPECT_TRUE(Look("r3"));
}

TEST_F(RunImportTest, AFailedWriteLeavesNoTraceInTheMetricsOfLaterOnes) {
  ImportedRun bad = NewRun("r1");
  bad.series = {{"fresh", 0, {{0, kStart, 1.0}}}, {"other", 5, {{0, kStart, 1.0}}}};
  EXPECT_ERROR(Add(bad), ErrorCode::kConflict, "'other'");
  EXPECT_EQ(Look("r1"), std::nullopt);
  ImportedRun good = NewRun("r1");
  good.series = {{"fresh", 0, {{0, kStart, 1.0}}}};
  EXPECT_OK(Add(good));
  EXPECT_EQ(Look("r1")->digest, spec::DigestOfRun(good));
}

TEST_F(RunImportTest, ParentsMayComeAfterTheirChildren) {
  ImportedRun child = NewRun("child");
  child.parent_id = "parent";
  EXPECT_OK(Add(child));
  EXPECT_EQ(ROOST_VALUE(store->runs().Get(RunId("child"))).parent_id, "");
  EXPECT_EQ(Look("child")->digest, spec::DigestOfRun(child));
  EXPECT_OK(Add(NewRun("parent")));
  const RunRow kept = ROOST_VALUE(store->runs().Get(RunId("child")));
  EXPECT_EQ(kept.parent_id, "parent");
  EXPECT_FALSE(kept.tags.contains(spec::kImportedParentTag));
  EXPECT_EQ(Look("child")->digest, spec::DigestOfRun(child));
}

TEST_F(RunImportTest, DeletedRunsStayDeletedWithTheirPoints) {
  ImportedRun run = NewRun("r1");
  run.deleted = true;
  EXPECT_OK(Add(run));
  run.series[0].points.push_back({9, kStart + 9, 0.5});
  EXPECT_OK(Add(run));
  EXPECT_EQ(Look("r1")->digest, spec::DigestOfRun(run));
}

TEST_F(RunImportTest, RunsOfADeletedExperimentComeBackWithIt) {
  ImportedRun run = NewRun("r1");
  run.experiment = Experiment("old", true);
  run.deleted = true;
  EXPECT_OK(Add(run));
  EXPECT_OK(
      store->experiments().SetLifecycle(ExperimentId(run.experiment), spec::Lifecycle::kActive));
  EXPECT_EQ(ROOST_VALUE(store->runs().Get(RunId("r1"))).lifecycle, spec::Lifecycle::kActive);
}

TEST_F(RunImportTest, ARunThatWentOnIsFollowedUntilItIsOver) {
  ImportedRun run = NewRun("r1");
  run.state = spec::RunState::kRunning;
  run.ended_at = 0;
  EXPECT_OK(Add(run));
  run.state = spec::RunState::kFailed;
  run.ended_at = kStart + 5;
  EXPECT_EQ(ROOST_VALUE(Add(run)), ImportOutcome::kChanged);
  EXPECT_EQ(Look("r1")->digest, spec::DigestOfRun(run));
  ImportedRun later = run;
  later.state = spec::RunState::kCompleted;
  EXPECT_OK(Add(later));
  EXPECT_EQ(ROOST_VALUE(store->runs().Get(RunId("r1"))).state, spec::RunState::kFailed);
}

TEST_F(RunImportTest, WhatWasChangedHereStays) {
  EXPECT_OK(Add(NewRun("r1")));
  const RunKey key = ROOST_VALUE(store->runs().Get(RunId("r1"))).key;
  EXPECT_OK(store->runs().SetTags(key, {{"k", "mine"}}));
  EXPECT_OK(Add(NewRun("r1")));
  EXPECT_EQ(ROOST_VALUE(store->runs().Get(RunId("r1"))).tags.at("k"), "mine");
  EXPECT_NE(Look("r1")->digest, spec::DigestOfRun(NewRun("r1")));
}

TEST_F(RunImportTest, ARunOfThisServerTakesNothing) {
  store::NewRun launched;
  launched.id = RunId("r1");
  launched.experiment = ExperimentId(0);
  EXPECT_OK(store->runs().Create(launched));
  EXPECT_ERROR(Add(NewRun("r1")), ErrorCode::kConflict, "launched by this server");
}

TEST_F(RunImportTest, ExperimentsAreFoundByName) {
  const auto first = ROOST_VALUE(import().AddExperiment(
      {.name = "a", .tags = {{"x", "1"}}, .created_at = kStart, .updated_at = kStart + 7}));
  EXPECT_EQ(first.outcome, ImportOutcome::kCreated);
  EXPECT_EQ(first.experiment.created_at, kStart);
  EXPECT_EQ(first.experiment.updated_at, kStart + 7);
  const auto again =
      ROOST_VALUE(import().AddExperiment({.name = "a", .tags = {{"x", "2"}, {"y", "3"}}}));
  EXPECT_EQ(again.outcome, ImportOutcome::kChanged);
  EXPECT_EQ(again.experiment.id, first.experiment.id);
  EXPECT_EQ(again.experiment.tags.at("x"), "1");
  EXPECT_EQ(ROOST_VALUE(import().AddExperiment({.name = "Default"})).experiment.id.value(), 0);
  EXPECT_OK(store->experiments().SetLifecycle(first.experiment.id, spec::Lifecycle::kDeleted));
  EXPECT_ERROR(import().AddExperiment({.name = "a"}), ErrorCode::kConflict, "is deleted here");
  EXPECT_OK(import().AddExperiment({.name = "a", .deleted = true}));
}

TEST_F(RunImportTest, FilesWaitForTheirContents) {
  ImportedRun run = NewRun("r1");
  run.deleted = true;
  EXPECT_OK(Add(run));
  const Digest digest = DigestOf("hello");
  const std::vector<Artifact> files = {{"notes/a.txt", digest, 5, 0}};
  EXPECT_THAT(ROOST_VALUE(import().AddFiles("r1", files)).missing, ElementsAre(digest));
  EXPECT_EQ(Look("r1")->files, 0);
  EXPECT_OK(store->blobs().Put("hello"));
  EXPECT_EQ(ROOST_VALUE(import().AddFiles("r1", files)).added, 1);
  EXPECT_EQ(ROOST_VALUE(import().AddFiles("r1", files)).unchanged, 1);
  EXPECT_EQ(Look("r1")->files_digest, DigestOfFiles(files));
  EXPECT_ERROR(import().AddFiles("r9", files), ErrorCode::kNotFound, "r9");
}

TEST_F(RunImportTest, LoggedModelsKeepTheirIdsAndPoints) {
  EXPECT_OK(Add(NewRun("r1")));
  LoggedModel model;
  model.id = "m-1";
  model.experiment = ExperimentId(Experiment());
  model.name = "net";
  model.status = LoggedModelStatus::kReady;
  model.created_at = kStart;
  model.updated_at = kStart + 1;
  model.tags = {{"a", "b"}};
  model.metrics = {{"acc", 0.5, kStart, 1, "digits", "d1", "r1"},
                   {"acc", 0.6, kStart, 2, "", "", "r9"}};
  const auto added = ROOST_VALUE(store->model_import().AddLoggedModel(model));
  EXPECT_EQ(added.outcome, ImportOutcome::kCreated);
  EXPECT_EQ(added.points_left_out, 1);
  const LoggedModel kept = ROOST_VALUE(store->logged_models().Get("m-1"));
  EXPECT_EQ(kept.created_at, kStart);
  EXPECT_EQ(kept.status, LoggedModelStatus::kReady);
  ASSERT_EQ(kept.metrics.size(), 1u);
  EXPECT_EQ(kept.metrics[0].dataset_name, "digits");
  EXPECT_EQ(ROOST_VALUE(store->model_import().AddLoggedModel(model)).outcome,
            ImportOutcome::kUnchanged);
}

TEST_F(RunImportTest, ModelsKeepTheirNumbersStagesAndAliases) {
  const Digest digest = ROOST_VALUE(store->blobs().Put("weights")).digest;
  ImportedModel model{.name = "net",
                      .description = "The net.",
                      .tags = {{"t", "1"}},
                      .aliases = {{"champion", 4}},
                      .created_at = kStart,
                      .updated_at = kStart + 1,
                      .versions = {}};
  ImportedVersion version;
  version.version.name = "net";
  version.version.version = 4;
  version.version.source = "models:/m-1";
  version.version.stage = spec::ModelStage::kProduction;
  version.version.tags = {{"checked", "yes"}};
  version.version.created_at = kStart;
  version.version.updated_at = kStart;
  model.versions = {version};
  ModelImport& models = store->model_import();
  EXPECT_EQ(ROOST_VALUE(models.AddModel(model, "tester")), ImportOutcome::kCreated);
  EXPECT_EQ(ROOST_VALUE(models.AddModel(model, "tester")), ImportOutcome::kUnchanged);

  // Its files came later.
  model.versions[0].files = {{"w.bin", digest, 7}};
  EXPECT_EQ(ROOST_VALUE(models.AddModel(model, "tester")), ImportOutcome::kChanged);
  const ModelVersion kept = ROOST_VALUE(store->models().Get("net", 4));
  EXPECT_EQ(kept.stage, spec::ModelStage::kProduction);
  EXPECT_EQ(kept.file_count, 1);
  EXPECT_THAT(kept.aliases, ElementsAre("champion"));
  EXPECT_EQ(kept.created_at, kStart);
  EXPECT_EQ(ROOST_VALUE(store->models().GetModel("net")).description, "The net.");

  model.versions[0].version.source = "elsewhere";
  EXPECT_ERROR(models.AddModel(model, "tester"), ErrorCode::kConflict, "from another source");
  // The next version made here does not take an old number.
  NewModelVersion another;
  another.name = "net";
  another.origin = Origin::kMlflow;
  another.source = "x";
  const auto next = ROOST_VALUE(store->models().Register(another));
  EXPECT_EQ(next.version.version, 5);
}

}  // namespace
}  // namespace roost::store
