#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "store/experiments.h"
#include "store/file_uploads.h"
#include "store/logged_models.h"
#include "store/maintenance.h"
#include "store/maintenance_lock.h"
#include "store/maintenance_test_fixture.h"
#include "store/run_inputs.h"

namespace roost::store {
namespace {

using ::testing::HasSubstr;

using GcTest = MaintenanceFixture;

TEST_F(GcTest, KeepsWhatAnyRowNames) {
  const Digest snapshot = AddSnapshot("print(1)");
  const Run run = AddRun("a", snapshot);
  const Digest artifact = AddFile(run, "outputs/x", "artifact");
  const Digest model = AddModel("net", "weights");
  const Digest orphan = Put("nobody's");
  GrowOld();
  const GcReport report = Collect();
  EXPECT_EQ(report.runs_removed, 0);
  EXPECT_EQ(report.blobs_removed, 1);
  EXPECT_EQ(report.bytes_freed, 8U);
  EXPECT_TRUE(IsThere(artifact));
  EXPECT_TRUE(IsThere(model));
  EXPECT_TRUE(IsThere(DigestOf("print(1)")));
  EXPECT_FALSE(IsThere(orphan));
  EXPECT_TRUE(store->snapshots().Get(snapshot));
}

TEST_F(GcTest, SmallBlobsAreCollectedByTheSameRules) {
  const std::string source(10'000, 's');
  const std::string orphan(30'000, 'o');
  const Digest named = PutSmall(source);
  const Digest nobodys = PutSmall(orphan);
  const Digest asked = PutSmall("asked for");
  const Digest snapshot = AddSnapshot(source);
  AddRun("a", snapshot);
  GrowOld();
  const Digest young = PutSmall("young");
  EXPECT_TRUE(store->blobs().Has(asked));
  EXPECT_EQ(Collect(/*dry_run=*/true).bytes_freed, orphan.size());
  const GcReport report = Collect();
  EXPECT_EQ(report.blobs_removed, 1);
  EXPECT_EQ(report.bytes_freed, orphan.size());
  EXPECT_FALSE(store->blobs().Has(nobodys));
  for (const Digest& kept : {named, asked, young}) EXPECT_TRUE(store->blobs().Read(kept));
}

TEST_F(GcTest, PartsOfContentsAreCollectedUnlessSomebodyWritesThem) {
  const auto begin = [&](const std::string& content) {
    auto writer = store->blobs().Continue(DigestOf(content), 0);
    EXPECT_TRUE(writer && (*writer)->Write("part"));
    return std::move(*writer);
  };
  begin("old");
  const auto writing = begin("written");
  GrowOld();
  begin("young");
  EXPECT_EQ(Collect(/*dry_run=*/true).bytes_freed, 4U);
  EXPECT_EQ(store->blobs().Received(DigestOf("old")), 4U);
  const GcReport report = Collect();
  EXPECT_EQ(report.blobs_removed, 1);
  EXPECT_EQ(report.bytes_freed, 4U);
  EXPECT_EQ(store->blobs().Received(DigestOf("old")), 0U);
  EXPECT_EQ(store->blobs().Received(DigestOf("written")), 4U);
  EXPECT_EQ(store->blobs().Received(DigestOf("young")), 4U);
}

TEST_F(GcTest, KeepsWhatIsYoungOrWasAskedForLately) {
  const Digest asked = Put("asked for");
  GrowOld();
  const Digest young = Put("young");
  EXPECT_TRUE(store->blobs().Has(asked));
  EXPECT_EQ(Collect().blobs_removed, 0);
  EXPECT_TRUE(IsThere(young));
  EXPECT_TRUE(IsThere(asked));
}

TEST_F(GcTest, ADeletedRunGoesWithAllThatIsItsOwn) {
  const Run run = AddRun("gone", AddSnapshot("print(1)"));
  const Run other = AddRun("stays");
  const Digest own = AddFile(run, "outputs/own", "own");
  const Digest shared = AddFile(run, "outputs/shared", "shared");
  AddFile(other, "outputs/shared", "shared");
  LogMetric(run, 700);
  LogMetric(run, 3);
  LogMetric(other, 3);
  const fs::path run_folder = AddLog(run, "hello\n");
  DeleteRun(run);
  GrowOld();

  const GcReport report = Collect();
  EXPECT_EQ(report.runs_removed, 1);
  EXPECT_EQ(report.blobs_removed, 2);  // own and train.py
  EXPECT_FALSE(IsThere(own));
  EXPECT_TRUE(IsThere(shared));
  EXPECT_FALSE(fs::exists(run_folder));
  EXPECT_TRUE(fs::is_empty(data() / "removed"));
  const auto found = store->runs().Get(run.id);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  for (const char* table :
       {"metric_summary", "metric_tail", "metric_chunks", "run_tags", "artifacts"}) {
    EXPECT_EQ(Number(std::string("SELECT count(*) FROM ") + table +
                     " WHERE run = " + std::to_string(run.key.value())),
              0)
        << table;
  }
  EXPECT_EQ(Number("SELECT count(*) FROM snapshots"), 0);
  EXPECT_EQ(store->metrics().History(other.key, "loss", 0, 10)->size(), 3U);
  EXPECT_EQ(Collect().blobs_removed, 0);
}

TEST_F(GcTest, ADryRunCountsTheSameAndRemovesNothing) {
  const Run run = AddRun("gone", AddSnapshot("print(1)"));
  const Digest own = AddFile(run, "outputs/own", "own");
  AddModel("net", "weights");
  Put("orphan");
  DeleteRun(run);
  GrowOld();
  const GcReport counted = Collect(true);
  EXPECT_EQ(counted.runs_removed, 1);
  EXPECT_EQ(counted.blobs_removed, 3);
  EXPECT_TRUE(IsThere(own));
  EXPECT_TRUE(store->runs().Get(run.id));
  const GcReport removed = Collect();
  EXPECT_EQ(removed.runs_removed, counted.runs_removed);
  EXPECT_EQ(removed.blobs_removed, counted.blobs_removed);
  EXPECT_EQ(removed.bytes_freed, counted.bytes_freed);
}

TEST_F(GcTest, AModelOutlivesItsRun) {
  const Run run = AddRun("trained", AddSnapshot("print(1)"));
  const Digest weights = AddFile(run, "outputs/model.pt", "weights");
  NewModelVersion model;
  model.name = "net";
  model.run_id = "trained";
  model.files.push_back({"model.pt", weights, 7});
  ASSERT_TRUE(store->models().Register(model));
  DeleteRun(run);
  GrowOld();
  EXPECT_EQ(Collect().runs_removed, 1);
  EXPECT_TRUE(IsThere(weights));
  EXPECT_TRUE(IsThere(DigestOf("print(1)")));  // the snapshot of the model's lineage
}

// What a crash between two steps of a removal leaves behind.
TEST_F(GcTest, DeletedLoggedModelsGoAndOthersOutliveTheirRun) {
  const auto make = [&](ExperimentId experiment, const Run& run, const std::string& content) {
    auto model = store->logged_models().Create(
        {.experiment = experiment, .name = content, .source_run_id = run.id.value()});
    EXPECT_TRUE(model);
    EXPECT_TRUE(store->logged_models().AddFile(model->id, {"MLmodel", Put(content), 1, 0}));
    return model->id;
  };
  const Run run = AddRun("run");
  const auto experiment = store->experiments().GetOrCreate("old");
  ASSERT_TRUE(experiment);
  const std::string kept = make(run.experiment, run, "kept");
  const std::string deleted = make(run.experiment, run, "deleted");
  const std::string below = make(experiment->id, run, "below");
  const auto points = [&](WriteContext& context) {
    return LoggedModels::AddPoints(context, run.key, kept, {{"acc", 1, 1, 1, "", "", ""}});
  };
  ASSERT_TRUE(store->database().Write(Lane::kLogging, points));
  ASSERT_TRUE(store->logged_models().Delete(deleted));
  ASSERT_TRUE(store->experiments().SetLifecycle(experiment->id, spec::Lifecycle::kDeleted));
  DeleteRun(run);
  GrowOld();
  EXPECT_EQ(Collect(/*dry_run=*/true).blobs_removed, 2);
  EXPECT_EQ(Collect().blobs_removed, 2);
  EXPECT_TRUE(IsThere(DigestOf("kept")));
  const auto model = store->logged_models().Get(kept);
  ASSERT_TRUE(model);
  EXPECT_TRUE(model->metrics.empty());
  for (const std::string& gone : {deleted, below}) {
    EXPECT_FALSE(store->logged_models().Get(gone, LoggedModels::Deleted::kShown));
  }
}

TEST_F(GcTest, UploadsThatNobodyGoesOnWithAreForgotten) {
  const auto begin = [&](const std::string& content) {
    const auto id = store->file_uploads().Begin("x");
    EXPECT_TRUE(id && store->file_uploads().AddPart(*id, {1, Put(content), content.size()}));
    return id.value_or("");
  };
  const std::string left = begin("left");
  const std::string going = begin("going");
  GrowOld();
  ASSERT_TRUE(store->file_uploads().AddPart(going, {2, DigestOf("going"), 5}));
  EXPECT_EQ(Collect(/*dry_run=*/true).blobs_removed, 1);
  EXPECT_EQ(Collect().blobs_removed, 1);
  EXPECT_FALSE(store->file_uploads().Get(left));
  EXPECT_TRUE(store->file_uploads().Get(going));
  EXPECT_TRUE(IsThere(DigestOf("going")));
}

TEST_F(GcTest, WhatARunUsedGoesWithTheLastSuchRun) {
  const Run gone = AddRun("gone");
  const Run stays = AddRun("stays");
  const InputDataset own{"own", "1", "local", "{}", {}, {}};
  const InputDataset shared{"shared", "1", "local", "{}", {}, {}};
  RunInputs& inputs = store->run_inputs();
  ASSERT_TRUE(inputs.Add(gone.key, {{own, {{"k", "v"}}}, {shared, {}}}, {{"m-1", 0}}));
  ASSERT_TRUE(inputs.Add(stays.key, {{shared, {}}}, {}));
  DeleteRun(gone);
  Collect();
  EXPECT_EQ(Number("SELECT count(*) FROM input_datasets"), 1);
  EXPECT_EQ(Number("SELECT count(*) FROM run_inputs"), 1);
  EXPECT_EQ(Number("SELECT count(*) FROM run_input_tags"), 0);
  EXPECT_EQ(Number("SELECT count(*) FROM run_models"), 0);
}

TEST_F(GcTest, ARemovalThatWasCutOffIsFinishedOrTakenBack) {
  const Run kept = AddRun("kept");
  const fs::path folder_of_kept = AddLog(kept, "precious\n");
  const Run gone = AddRun("gone");
  LogMetric(gone, 20);
  const fs::path removed = data() / "removed";
  ASSERT_TRUE(MakeFolders(removed));
  fs::rename(folder_of_kept, removed / std::to_string(kept.key.value()));  // row not yet removed
  ASSERT_TRUE(store->database().Write(Lane::kState, [&](WriteContext& context) -> Status {
    return context.db.Execute("DELETE FROM runs WHERE id = 'gone'");
  }));
  ASSERT_TRUE(MakeFolders(removed / std::to_string(gone.key.value())));  // metrics not yet removed
  Collect();
  EXPECT_TRUE(fs::exists(folder_of_kept / "attempt-1/azureml-logs/70_driver_log.txt"));
  EXPECT_EQ(Number("SELECT count(*) FROM metric_tail"), 0);
  EXPECT_TRUE(fs::is_empty(removed));
}

TEST_F(GcTest, RefusesToRunTwiceAtOnce) {
  const auto lock = LockForMaintenance(*store);
  ASSERT_TRUE(lock);
  const auto report = CollectGarbage(*store, kHour, false);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kUnavailable);
  const auto backup = Backup(*store, folder.path() / "backup");
  ASSERT_FALSE(backup);
  EXPECT_THAT(backup.error().message, HasSubstr("under way"));
  EXPECT_FALSE(CollectGarbage(*store, -1, false));
}

// Uploaders come and go, with contents that old blobs have too, while garbage is collected all the
// time: whatever a row names must be there.
TEST_F(GcTest, NeverTakesABlobFromAWriter) {
  constexpr int kContents = 40;
  std::shared_mutex time_stands_still;  // no hours pass between looking for a blob and naming it
  std::atomic<int> failures = 0;
  std::atomic<int> uploads = 0;
  const auto upload = [&](const Run& run, const std::string& path, const std::string& content) {
    const std::shared_lock lock(time_stands_still);
    const Digest digest = DigestOf(content);
    if (!store->blobs().Has(digest) && !store->blobs().Put(content)) ++failures;
    if (!store->artifacts().Add(run.key, {{path, digest, content.size(), 0}},
                                Artifacts::Overwrite::kReplace)) {
      ++failures;
    }
    return digest;
  };
  const auto upload_until = [&](std::stop_token stop, const Run& run, int start) {
    for (int round = 0; !stop.stop_requested(); ++round) {
      const int i = (start + round * 7) % kContents;
      const std::string path = "outputs/" + std::to_string(i);
      const Digest digest = upload(run, path, "content " + std::to_string(i));
      if (!store->blobs().Read(digest)) ++failures;
      if (!store->artifacts().Remove(run.key, path)) ++failures;
      ++uploads;
    }
  };

  const Run runs[] = {AddRun("a"), AddRun("b"), AddRun("c")};
  std::int64_t removed = 0;
  {
    std::vector<std::jthread> uploaders;
    for (int i = 0; i < 3; ++i) uploaders.emplace_back(upload_until, std::cref(runs[i]), i);
    // Goes on until the uploaders, which may be slow to begin, were at it.
    for (int round = 0; round < 20 || uploads <= 10 || removed == 0; ++round) {
      {
        const std::unique_lock lock(time_stands_still);
        GrowOld();
      }
      removed += Collect().blobs_removed;
    }
  }
  EXPECT_EQ(failures, 0);
  EXPECT_GT(removed, 0);
  EXPECT_GT(uploads, 10);
}

}  // namespace
}  // namespace roost::store
