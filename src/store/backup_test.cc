#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stop_token>
#include <thread>

#include "store/maintenance.h"
#include "store/maintenance_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::HasSubstr;

class BackupTest : public MaintenanceFixture {
 protected:
  fs::path backup() const { return folder.path() / "backup"; }
  fs::path restored() const { return folder.path() / "restored"; }

  BackupReport MakeBackup() {
    const auto report = Backup(*store, backup());
    EXPECT_TRUE(report) << (report ? "" : report.error().message);
    return report.value_or(BackupReport{});
  }

  void ExpectRefused(ErrorCode code, const std::string& message) {
    const Status status = Restore(backup(), restored());
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, code) << status.error().message;
    EXPECT_THAT(status.error().message, HasSubstr(message));
    EXPECT_FALSE(fs::exists(restored() / "roost.db"));
  }
};

TEST_F(BackupTest, ARestoredStoreHasEverything) {
  const Digest snapshot = AddSnapshot("print(1)");
  const Run run = AddRun("a", snapshot);
  const Digest artifact = AddFile(run, "outputs/x", "artifact");
  AddModel("net", "weights");
  LogMetric(run, 5000);
  AddLog(run, "hello\n");
  Put("nobody's");
  const BackupReport report = MakeBackup();
  EXPECT_EQ(report.files, 2 + 3 + 2);  // databases, blobs, log and exit record
  EXPECT_GT(report.bytes, 0U);
  EXPECT_FALSE(fs::exists(backup() / "runs/a/attempt-1/scratch"));
  EXPECT_FALSE(fs::exists(backup() / "runs/a/attempt-1/launch/roost-shim"));

  const std::string epoch = store->epoch();
  const Status status = Restore(backup(), restored());
  ASSERT_TRUE(status) << status.error().message;
  const auto copy = OpenStore(restored());
  ASSERT_TRUE(copy);
  EXPECT_NE(copy->epoch(), epoch);
  EXPECT_EQ(copy->runs().Get(run.id)->snapshot, snapshot);
  EXPECT_EQ(copy->metrics().History(run.key, "loss", 0, 10'000)->size(), 5000U);
  EXPECT_EQ(*copy->blobs().Read(artifact), "artifact");
  EXPECT_EQ(*ReadFile(restored() / "runs/a/attempt-1/azureml-logs/70_driver_log.txt"), "hello\n");
  EXPECT_TRUE(copy->models().Get("net", 1));
  EXPECT_TRUE(copy->snapshots().Get(snapshot));
}

TEST_F(BackupTest, NeedsNewFolders) {
  ASSERT_TRUE(MakeFolders(backup()));
  ASSERT_TRUE(WriteFileAtomic(backup() / "mine.txt", "x"));
  const auto refused = Backup(*store, backup());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_TRUE(fs::exists(backup() / "mine.txt"));
  EXPECT_FALSE(Backup(*store, data() / "backup"));
  EXPECT_FALSE(Backup(*store, "relative"));

  fs::remove(backup() / "mine.txt");
  MakeBackup();
  ASSERT_TRUE(MakeFolders(restored()));
  ASSERT_TRUE(WriteFileAtomic(restored() / "mine.txt", "x"));
  ExpectRefused(ErrorCode::kConflict, "not empty");
  EXPECT_TRUE(fs::exists(restored() / "mine.txt"));
}

TEST_F(BackupTest, ABackupThatLacksAContentFailsAndLeavesNothing) {
  const Digest artifact = AddFile(AddRun("a"), "outputs/x", "artifact");
  fs::remove(FileOf(artifact));
  const auto report = Backup(*store, backup());
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr(artifact.ToText()));
  EXPECT_TRUE(fs::is_empty(backup()));
}

TEST_F(BackupTest, SmallBlobsAreTakenAndChecked) {
  const Digest small = PutSmall("small");
  const Run run = AddRun("a");
  ASSERT_TRUE(
      store->artifacts().Add(run.key, {{"outputs/x", small, 5, 0}}, Artifacts::Overwrite::kRefuse));
  MakeBackup();
  ASSERT_TRUE(Restore(backup(), restored()));
  EXPECT_EQ(*OpenStore(restored())->blobs().Read(small), "small");

  const auto change = [&](const std::string& sql) {
    const auto db = Connection::Open(backup() / "blobs/small.db", Connection::Mode::kReadWrite);
    ASSERT_TRUE(db);
    ASSERT_TRUE((*db)->Execute(sql));
    ASSERT_TRUE(RemoveTree(restored()));
  };
  change("UPDATE small_blobs SET content = 'smalL'");
  ExpectRefused(ErrorCode::kInternal, "has changed");
  change("DELETE FROM small_blobs");
  ExpectRefused(ErrorCode::kInternal, "lacks the content " + small.ToText());
}

TEST_F(BackupTest, DamagedBackupsAreNotRestored) {
  const Digest artifact = AddFile(AddRun("a"), "outputs/x", "artifact");
  MakeBackup();
  const std::string hex = artifact.Hex();
  const fs::path blob = backup() / "blobs" / hex.substr(0, 2) / hex.substr(2);
  const std::string database = *ReadFile(backup() / "roost.db");
  const std::string manifest = *ReadFile(backup() / "backup.json");

  ASSERT_TRUE(WriteFileAtomic(blob, "artifacT"));
  ExpectRefused(ErrorCode::kInternal, "has changed");
  fs::remove(blob);
  ExpectRefused(ErrorCode::kInternal, "lacks the content " + artifact.ToText());
  ASSERT_TRUE(WriteFileAtomic(blob, "artifact"));

  std::string broken = database;
  broken.replace(4096, 4096, std::string(4096, '\x55'));
  ASSERT_TRUE(WriteFileAtomic(backup() / "roost.db", broken));
  EXPECT_FALSE(Restore(backup(), restored()));
  ASSERT_TRUE(WriteFileAtomic(backup() / "roost.db", database));

  ASSERT_TRUE(WriteFileAtomic(backup() / "backup.json", R"({"version": 99})"));
  ExpectRefused(ErrorCode::kInvalidArgument, "newer");
  ASSERT_TRUE(WriteFileAtomic(backup() / "backup.json", "{"));
  ExpectRefused(ErrorCode::kInvalidArgument, "damaged");
  fs::remove(backup() / "backup.json");
  ExpectRefused(ErrorCode::kNotFound, "no finished backup");

  ASSERT_TRUE(WriteFileAtomic(backup() / "backup.json", manifest));
  const Status status = Restore(backup(), restored());
  EXPECT_TRUE(status) << status.error().message;
}

// Writers of metrics and files are busy all the time; the copy is of one moment: counts fit the
// points, and every content that it names is there.
TEST_F(BackupTest, IsConsistentBesideWriters) {
  const Run run = AddRun("a");
  for (int i = 0; i < 20; ++i) LogMetric(run, 3000);  // so that the copying takes some steps
  const auto points_until = [&](std::stop_token stop) {
    while (!stop.stop_requested()) {
      LogMetric(run, 200);
      EXPECT_TRUE(store->metrics().SealSome());
    }
  };
  const auto files_until = [&](std::stop_token stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
      AddFile(run, "outputs/" + std::to_string(i), std::to_string(i));
    }
  };
  const std::jthread points(points_until);
  const std::jthread files(files_until);
  for (int round = 0; round < 3; ++round) {
    MakeBackup();
    const Status status = Restore(backup(), restored());
    ASSERT_TRUE(status) << status.error().message;
    auto copy = OpenStore(restored());
    ASSERT_TRUE(copy);
    const auto points_there = copy->metrics().History(run.key, "loss", 0, 10'000'000);
    const auto summaries = copy->metrics().Summaries(run.key);
    ASSERT_TRUE(points_there && summaries);
    EXPECT_EQ(static_cast<std::int64_t>(points_there->size()), (*summaries)[0].count);
    const auto named = copy->artifacts().List(run.key, "", "", 1'000'000);
    ASSERT_TRUE(named);
    for (const Artifact& file : *named) {
      ASSERT_TRUE(copy->blobs().Read(file.digest)) << file.path;
    }
    copy.reset();
    fs::remove_all(backup());
    fs::remove_all(restored());
  }
}

}  // namespace
}  // namespace roost::store
