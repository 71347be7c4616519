#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "spec/run_layout.h"
#include "store/artifacts.h"
#include "store/blobs.h"
#include "store/database.h"
#include "store/maintenance.h"
#include "store/metrics.h"
#include "store/models.h"
#include "store/runs.h"
#include "store/small_blobs.h"
#include "store/snapshots.h"
#include "store/store.h"

namespace roost::store {

constexpr std::int64_t kHour = 3600;

// A store in a folder of its own, with runs that have files, metrics and logs.
class MaintenanceFixture : public ::testing::Test {
 protected:
  using Run = store::Run;  // and not ::testing::Test's function

  MaintenanceFixture() { store = OpenStore(data()); }

  fs::path data() const { return folder.path() / "data"; }

  std::unique_ptr<Store> OpenStore(const fs::path& at) {
    auto opened = Store::Open({.data_folder = at, .clock = &clock, .reader_connections = 2});
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }

  Run AddRun(const std::string& id, std::optional<Digest> snapshot = {}) {
    NewRun run;
    run.id = RunId(id);
    run.kind = spec::RunKind::kTracked;
    run.state = spec::RunState::kRunning;
    run.snapshot = snapshot;
    auto created = store->runs().Create(run);
    EXPECT_TRUE(created) << (created ? "" : created.error().message);
    return created ? created->run : Run{};
  }

  void DeleteRun(const Run& run) {
    ASSERT_TRUE(store->runs().MoveState(run.key, {spec::RunState::kCompleted, "done", {}, 0}));
    const Status deleted = store->runs().SetLifecycle(run.key, spec::Lifecycle::kDeleted);
    ASSERT_TRUE(deleted) << deleted.error().message;
  }

  Digest Put(const std::string& content) {
    auto blob = store->blobs().Put(content);
    EXPECT_TRUE(blob);
    return blob ? blob->digest : Digest{};
  }

  // As a file of an upload: kept as a small blob.
  Digest PutSmall(const std::string& content) {
    const auto batch = store->blobs().NewBatch();
    EXPECT_TRUE(batch->Add(DigestOf(content), content));
    EXPECT_TRUE(batch->Commit());
    return DigestOf(content);
  }

  Digest AddFile(const Run& run, const std::string& path, const std::string& content) {
    const Digest digest = Put(content);
    EXPECT_TRUE(store->artifacts().Add(run.key, {{path, digest, content.size(), 0}},
                                       Artifacts::Overwrite::kRefuse));
    return digest;
  }

  Digest AddSnapshot(const std::string& content) {
    spec::SnapshotManifest manifest;
    manifest.files.push_back({"train.py", Put(content), content.size(), false});
    auto kept = store->snapshots().Create(manifest);
    EXPECT_TRUE(kept && kept->missing.empty());
    return kept ? kept->id : Digest{};
  }

  Digest AddModel(const std::string& name, const std::string& content) {
    NewModelVersion model;
    model.name = name;
    model.files.push_back({"model.pt", Put(content), content.size()});
    EXPECT_TRUE(store->models().Register(model));
    return model.files[0].digest;
  }

  void LogMetric(const Run& run, std::size_t count) {
    spec::MetricBatch batch;
    batch.series.push_back({"loss", {}});
    for (std::size_t i = 0; i < count; ++i) {
      batch.series[0].points.push_back({spec::kNextStep, 1, static_cast<double>(i)});
    }
    EXPECT_TRUE(store->metrics().AppendAndWait(run.key, batch));
  }

  // An attempt that has written to its log.
  fs::path AddLog(const Run& run, const std::string& content) {
    EXPECT_TRUE(store->database().Write(Lane::kState, [&](WriteContext& context) -> Status {
      ROOST_ASSIGN(auto update, context.db.Prepare("UPDATE runs SET attempt = 1 WHERE key = ?1"));
      return update.Bind(1, run.key.value()).Run();
    }));
    const spec::RunLayout layout(store->data_folder(), run.id, 1);
    EXPECT_TRUE(MakeFolders(layout.log_folder()));
    EXPECT_TRUE(MakeFolders(layout.launch_folder()));
    EXPECT_TRUE(MakeFolders(layout.working_folder()));
    EXPECT_TRUE(WriteFileAtomic(layout.log_folder() / "70_driver_log.txt", content));
    EXPECT_TRUE(WriteFileAtomic(layout.launch_folder() / "exit.json", "{}"));
    EXPECT_TRUE(WriteFileAtomic(layout.launch_folder() / "roost-shim", "program"));
    EXPECT_TRUE(WriteFileAtomic(layout.working_folder() / "scratch.bin", "scratch"));
    return layout.run_folder();
  }

  fs::path FileOf(const Digest& digest) const {
    const std::string hex = digest.Hex();
    return data() / "blobs" / hex.substr(0, 2) / hex.substr(2);
  }

  bool IsThere(const Digest& digest) const { return fs::exists(FileOf(digest)); }

  // Two hours pass for all blobs that are there now, and for the clock.
  void GrowOld() {
    const timespec old{std::time(nullptr) - 2 * kHour, 0};
    const timespec times[2] = {old, old};
    for (const auto& entry : fs::recursive_directory_iterator(data() / "blobs")) {
      if (!entry.is_regular_file()) continue;
      ASSERT_EQ(utimensat(AT_FDCWD, entry.path().c_str(), times, 0), 0);
    }
    const auto small =
        Connection::Open(store->blobs().small().file(), Connection::Mode::kReadWrite);
    ASSERT_TRUE(small);
    ASSERT_TRUE((*small)->Execute("UPDATE small_blobs SET seen_at = seen_at - 7200"));
    clock.Advance(std::chrono::hours(2));
  }

  GcReport Collect(bool dry_run = false) {
    const auto report = CollectGarbage(*store, kHour, dry_run);
    EXPECT_TRUE(report) << (report ? "" : report.error().message);
    return report.value_or(GcReport{});
  }

  std::int64_t Number(const std::string& sql) {
    auto number = store->database().Read<std::int64_t>([&](Connection& db) -> Result<std::int64_t> {
      ROOST_ASSIGN(auto query, db.PrepareOnce(sql));
      ROOST_TRY(query.Step());
      return query.Int(0);
    });
    EXPECT_TRUE(number) << sql;
    return number.value_or(-1);
  }

  TempFolder folder;
  FakeClock clock;
  std::unique_ptr<Store> store;
};

}  // namespace roost::store
