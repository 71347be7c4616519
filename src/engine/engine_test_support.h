#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/subprocess.h"
#include "engine/engine.h"
#include "launch/fake_launcher.h"
#include "launch/local_launcher.h"
#include "spec/launch_format.h"
#include "spec/run_layout.h"
#include "spec/snapshot.h"
#include "store/artifacts.h"
#include "store/blobs.h"
#include "store/launches.h"
#include "store/metrics.h"
#include "store/runs.h"
#include "store/snapshots.h"
#include "store/store.h"

namespace roost::engine {

// A store and an engine over a temporary folder: the vocabulary of the engine's stories.
class EngineWorld {
 public:
  explicit EngineWorld(fs::path data) : data_(std::move(data)) {
    options.server_url = "http://127.0.0.1:7070";
    options.environments.python = "/bin/sh";
    options.min_free_bytes = 0;
    options.grace_ms = 200;
    options.machine.cpus = 2;
    options.machine.memory_mb = 4096;
    options.log_watch_interval = std::chrono::milliseconds(20);
    options.retry_interval = std::chrono::milliseconds(10);
  }
  ~EngineWorld() { Close(); }

  void OpenStore() {
    auto opened = store::Store::Open({.data_folder = data_});
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
    store->SetCommitListener([this](const store::CommitNotice&) {
      std::lock_guard lock(mutex_);
      committed_.notify_all();
    });
  }

  void StartWithFake() {
    if (!store) OpenStore();
    StartWith([this](EventLoop& event_loop, launch::LaunchListener listener) {
      loop = &event_loop;
      auto made = std::make_unique<launch::FakeLauncher>(std::move(listener));
      fake = made.get();
      return made;
    });
  }

  void StartForReal() {
    if (!store) OpenStore();
    StartWith([this](EventLoop& event_loop, launch::LaunchListener listener) {
      loop = &event_loop;
      return std::make_unique<launch::LocalLauncher>(event_loop, ROOST_SHIM_PROGRAM,
                                                     std::move(listener));
    });
  }

  void StartWith(LauncherFactory factory) {
    engine = std::make_unique<Engine>(*store, options, std::move(factory), *clock);
    const Status started = engine->Start();
    ASSERT_TRUE(started) << started.error().message;
  }

  void StopEngine() {
    engine.reset();
    fake = nullptr;
    loop = nullptr;
  }
  void Close() {
    StopEngine();
    store.reset();
  }

  // Does `work` on the engine's loop, as launchers do, and waits for it.
  void OnLoop(const std::function<void()>& work) {
    std::promise<void> done;
    loop->Post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  Digest Snapshot(const std::map<std::string, std::string>& files) {
    spec::SnapshotManifest manifest;
    for (const auto& [path, content] : files) {
      const auto blob = store->blobs().Put(content);
      EXPECT_TRUE(blob);
      manifest.files.push_back({path, blob->digest, blob->size, false});
    }
    const auto kept = store->snapshots().Create(manifest);
    EXPECT_TRUE(kept && kept->missing.empty());
    return kept->id;
  }

  static spec::RunDefinition Command(std::string command) {
    spec::RunDefinition definition;
    definition.command = std::move(command);
    return definition;
  }

  store::Run Submit(const spec::RunDefinition& definition) {
    auto created = engine->Submit(definition, "tester", "", "");
    EXPECT_TRUE(created) << (created ? "" : created.error().message);
    return created ? created->run : store::Run();
  }

  store::Run Get(const RunId& id) {
    auto run = store->runs().Get(id);
    EXPECT_TRUE(run) << (run ? "" : run.error().message);
    return run ? *run : store::Run();
  }

  // Waits, commit by commit, until the store says what is asked for.
  bool WaitUntil(const std::function<bool()>& true_now) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(100);
    std::unique_lock lock(mutex_);
    for (;;) {
      lock.unlock();
      if (true_now()) return true;
      lock.lock();
      if (std::chrono::steady_clock::now() > limit) return false;
      // A commit between the look and the wait is noticed a little later.
      committed_.wait_for(lock, std::chrono::milliseconds(20));
    }
  }
  store::Run Await(const RunId& id, spec::RunState state) {
    EXPECT_TRUE(WaitUntil([&] { return Get(id).state == state; }))
        << id.value() << " is " << spec::ToString(Get(id).state) << " (" << Get(id).reason
        << "), not " << spec::ToString(state);
    return Get(id);
  }
  store::Run AwaitEnd(const RunId& id) {
    EXPECT_TRUE(WaitUntil([&] { return spec::IsFinal(Get(id).state); }))
        << id.value() << " is " << spec::ToString(Get(id).state) << " (" << Get(id).reason << ")";
    return Get(id);
  }

  // What the fake was asked to start for this run's newest attempt, once it was.
  spec::LaunchRequest AwaitLaunch(const RunId& id) {
    Await(id, spec::RunState::kStarting);
    spec::LaunchRequest found;
    OnLoop([&] {
      for (const spec::LaunchRequest& request : fake->started) {
        if (request.environment.at("ROOST_RUN_ID") == id.value()) found = request;
      }
    });
    return found;
  }
  void Begin(const spec::LaunchRequest& request) {
    OnLoop([&] { fake->Begin(request.launch_id); });
  }
  void End(const spec::LaunchRequest& request, int code) {
    OnLoop([&] { fake->End(request.launch_id, code); });
  }
  // From Starting to Running.
  spec::LaunchRequest BeginRun(const RunId& id) {
    const spec::LaunchRequest request = AwaitLaunch(id);
    Begin(request);
    Await(id, spec::RunState::kRunning);
    return request;
  }

  spec::RunLayout Layout(const store::Run& run) { return {data_, run.id, run.attempt}; }
  std::string Log(const store::Run& run) {
    return ReadFile(Layout(run).log_folder() / "70_driver_log.txt").value_or("(no log)");
  }
  // The content of an artifact, or a text that says that there is none.
  std::string ArtifactText(const store::Run& run, const std::string& path) {
    const auto artifact = store->artifacts().Get(run.key, path);
    if (!artifact) return "(no " + path + ")";
    return store->blobs().Read(artifact->digest).value_or("(no blob)");
  }

  EngineOptions options;
  Clock* clock = &SystemClock();  // of the engine, not of the store
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Engine> engine;
  EventLoop* loop = nullptr;
  launch::FakeLauncher* fake = nullptr;

 private:
  const fs::path data_;
  std::mutex mutex_;
  std::condition_variable committed_;
};

inline void WriteText(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace roost::engine
