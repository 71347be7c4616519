#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "store/artifacts.h"
#include "store/blobs.h"
#include "store/database.h"
#include "store/events.h"
#include "store/experiments.h"
#include "store/launches.h"
#include "store/metrics.h"
#include "store/models.h"
#include "store/runs.h"
#include "store/snapshots.h"
#include "store/store.h"
#include "store/tokens.h"

namespace roost::store {

// Inside a test `Run` is a function of GoogleTest.
using RunRow = Run;

// Value of a Result that must have worked.
#define ROOST_VALUE(expression)                                                   \
  [&] {                                                                           \
    auto roost_value = (expression);                                              \
    EXPECT_TRUE(roost_value) << (roost_value ? "" : roost_value.error().message); \
    return std::move(roost_value).value();                                        \
  }()

template <class T>
::testing::AssertionResult IsOk(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().message;
}

template <class T>
::testing::AssertionResult FailsWith(const Result<T>& result, ErrorCode code,
                                     const std::string& part_of_message) {
  if (result) return ::testing::AssertionFailure() << "it worked";
  const Error& error = result.error();
  if (error.code == code && error.message.find(part_of_message) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << ToString(error.code) << ": " << error.message;
}

#define EXPECT_OK(expression) EXPECT_TRUE(IsOk(expression))
#define EXPECT_ERROR(expression, code, text) EXPECT_TRUE(FailsWith(expression, code, text))

// A whole store in a folder of its own, with a clock that stands still.
class StoreFixture : public ::testing::Test {
 protected:
  StoreFixture() { Open(); }

  void Open() {
    store.reset();
    auto opened = Store::Open({folder.path() / "data", &clock, 2});
    if (!opened) FAIL() << opened.error().message;
    store = std::move(*opened);
  }

  static NewRun RunOf(const std::string& id, spec::RunKind kind = spec::RunKind::kManaged) {
    NewRun run;
    run.id = RunId(id);
    run.kind = kind;
    run.state =
        kind == spec::RunKind::kManaged ? spec::RunState::kQueued : spec::RunState::kRunning;
    run.display_name = "name of " + id;
    run.submitter = "owner";
    run.compute_target = "local";
    return run;
  }

  RunRow Add(const NewRun& run) { return ROOST_VALUE(store->runs().Create(run)).run; }
  RunRow Add(const std::string& id) { return Add(RunOf(id)); }
  RunRow Get(const std::string& id) { return ROOST_VALUE(store->runs().Get(RunId(id))); }

  // Of a folder with one file.
  Digest AddSnapshot(const std::string& content) {
    const auto blob = ROOST_VALUE(store->blobs().Put(content));
    spec::SnapshotManifest manifest;
    manifest.files.push_back({"train.py", blob.digest, blob.size, false});
    return ROOST_VALUE(store->snapshots().Create(manifest)).id;
  }

  // Through allowed moves to a final state.
  void Finish(const RunRow& run, spec::RunState state = spec::RunState::kCompleted) {
    if (run.kind == spec::RunKind::kManaged) {
      EXPECT_OK(store->runs().MoveState(run.key, {spec::RunState::kStarting, "starts", {}, 0}));
      EXPECT_OK(store->runs().MoveState(run.key, {spec::RunState::kRunning, "runs", {}, 0}));
      EXPECT_OK(store->runs().MoveState(run.key, {spec::RunState::kFinalizing, "ends", {}, 0}));
    }
    EXPECT_OK(store->runs().MoveState(run.key, {state, "over", {}, 0}));
  }

  std::vector<std::string> EventKindsAfter(std::int64_t id) {
    std::vector<std::string> kinds;
    for (const Event& event : ROOST_VALUE(store->events().After(id, "", 1000))) {
      kinds.push_back(event.kind);
    }
    return kinds;
  }

  TempFolder folder;
  FakeClock clock;
  std::unique_ptr<Store> store;
};

inline std::vector<std::string> IdsOf(const std::vector<RunRow>& runs) {
  std::vector<std::string> ids;
  for (const RunRow& run : runs) ids.push_back(run.id.value());
  return ids;
}

}  // namespace roost::store
