#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <latch>
#include <random>
#include <set>
#include <thread>

#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::HasSubstr;

// --- Killed in the middle of commits ---

// What the child says when a write was answered: its number, in one write to the pipe.
struct Answer {
  std::int64_t number;
};

// Writes runs, tags, blobs and events from several threads until it is killed; never returns.
[[noreturn]] void WriteUntilKilled(const fs::path& folder, std::int64_t first, int pipe) {
  auto opened = Store::Open({folder});
  if (!opened) _exit(3);
  Store& store = **opened;
  std::vector<std::thread> threads;
  for (std::int64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&store, first, pipe, t] {
      for (std::int64_t number = first + t;; number += 3) {
        const std::string name = std::to_string(number);
        const auto blob = store.blobs().Put("content " + name);
        if (!blob) _exit(4);
        NewRun run;
        run.id = RunId(name);
        run.kind = spec::RunKind::kTracked;
        run.state = spec::RunState::kRunning;
        run.tags = {{"number", name}};
        const auto created = store.runs().Create(run);
        if (!created) _exit(5);
        const Artifact artifact{"f", blob->digest, blob->size, 0};
        if (!store.artifacts().Add(created->run.key, {artifact}, Artifacts::Overwrite::kRefuse)) {
          _exit(6);
        }
        const Answer answer{number};
        if (write(pipe, &answer, sizeof answer) != sizeof answer) _exit(7);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  _exit(8);
}

TEST(StoreKillTest, NothingThatWasAnsweredIsLostByAKill) {
  TempFolder folder;
  std::mt19937 random(7);
  std::vector<std::int64_t> answered;
  constexpr int kRounds = 12;
  for (int round = 0; round < kRounds; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(ends[0]);
      WriteUntilKilled(folder.path(), round * 1'000'000, ends[1]);
    }
    close(ends[1]);
    // Killed after a random number of answers, that is at a random point of the next writes.
    Answer answer{};
    const int answers = std::uniform_int_distribution<int>(1, 40)(random);
    for (int i = 0; i < answers; ++i) {
      ASSERT_EQ(read(ends[0], &answer, sizeof answer), static_cast<ssize_t>(sizeof answer));
      answered.push_back(answer.number);
    }
    kill(child, SIGKILL);
    while (read(ends[0], &answer, sizeof answer) == sizeof answer)
      answered.push_back(answer.number);
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);

    const auto store = ROOST_VALUE(Store::Open({folder.path()}));
    for (const std::int64_t number : answered) {
      const std::string name = std::to_string(number);
      const auto run = store->runs().Get(RunId(name));
      ASSERT_TRUE(run) << run.error().message;
      EXPECT_EQ(run->tags.at("number"), name);
      const auto artifact = store->artifacts().Get(run->key, "f");
      ASSERT_TRUE(artifact) << artifact.error().message;
      EXPECT_EQ(ROOST_VALUE(store->blobs().Read(artifact->digest)), "content " + name);
    }
    // A run and its event are one: whatever else was committed is whole too.
    const auto counts = store->database().Read<std::pair<std::int64_t, std::int64_t>>(
        [](Connection& db) -> Result<std::pair<std::int64_t, std::int64_t>> {
          ROOST_ASSIGN(auto query,
                       db.Prepare("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM "
                                  "events WHERE kind = 'run_created')"));
          ROOST_TRY(query.Step());
          return std::pair(query.Int(0), query.Int(1));
        });
    ASSERT_TRUE(counts);
    EXPECT_EQ(counts->first, counts->second);
    EXPECT_GE(counts->first, static_cast<std::int64_t>(answered.size()));
  }
  EXPECT_GT(answered.size(), static_cast<std::size_t>(kRounds));
}

// --- A full disk ---

class FullDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "mounting a small file system needs root";
    if (mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=12m") != 0) {
      GTEST_SKIP() << "a small file system cannot be mounted here: " << std::strerror(errno);
    }
    mounted = true;
    store = ROOST_VALUE(Store::Open({folder.path() / "data"}));
  }
  void TearDown() override {
    store.reset();
    if (mounted) umount2(folder.path().c_str(), MNT_DETACH);
  }

  void FillDisk() {
    const Fd file = ROOST_VALUE(OpenFile(folder.path() / "ballast", O_WRONLY | O_CREAT));
    for (std::size_t piece = 1 << 20; piece > 0; piece /= 2) {
      const std::string zeros(piece, '0');
      while (write(file.get(), zeros.data(), piece) == static_cast<ssize_t>(piece)) {
      }
    }
  }
  void FreeDisk() { fs::remove(folder.path() / "ballast"); }

  Status AddRun(const std::string& id, std::size_t bytes = 0) {
    NewRun run;
    run.id = RunId(id);
    run.state = spec::RunState::kQueued;
    run.definition_json = std::string(bytes, 'd');
    auto created = store->runs().Create(run);
    if (!created) return Fail(created.error());
    return {};
  }

  TempFolder folder;
  bool mounted = false;
  std::unique_ptr<Store> store;
};

TEST_F(FullDiskTest, WritesFailAndGoOnWorkingWhenThereIsSpaceAgain) {
  ASSERT_TRUE(IsOk(AddRun("before")));
  EXPECT_OK(store->Health());
  FillDisk();
  // Large enough to need new space in the log, whatever it had.
  for (int i = 0; i < 3; ++i) {
    EXPECT_ERROR(AddRun("during", 5'000'000), ErrorCode::kExhausted, "disk is full");
  }
  EXPECT_ERROR(store->Health(), ErrorCode::kExhausted, "disk is full");
  EXPECT_OK(store->runs().Get(RunId("before")));  // reading goes on
  EXPECT_ERROR(store->runs().Get(RunId("during")), ErrorCode::kNotFound, "");

  FreeDisk();
  EXPECT_OK(AddRun("after"));
  EXPECT_OK(store->Health());
  store.reset();
  store = ROOST_VALUE(Store::Open({folder.path() / "data"}));
  EXPECT_OK(store->runs().Get(RunId("before")));
  EXPECT_OK(store->runs().Get(RunId("after")));
}

TEST_F(FullDiskTest, AGroupFailsAsAWhole) {
  FillDisk();
  // The writer is held, so that what is submitted becomes one group.
  std::latch holding(1);
  std::latch go_on(1);
  store->database().Submit(
      Lane::kBulk,
      [&](WriteContext&) -> Status {
        holding.count_down();
        go_on.wait();
        return {};
      },
      [](Status) {});
  holding.wait();
  std::vector<std::future<Status>> outcomes;
  for (int i = 0; i < 4; ++i) {
    auto promise = std::make_shared<std::promise<Status>>();
    outcomes.push_back(promise->get_future());
    store->database().Submit(
        Lane::kLogging,
        [i](WriteContext& context) -> Status {
          ROOST_ASSIGN(auto put, context.db.Prepare("INSERT INTO meta VALUES(?, zeroblob(?))"));
          return put.Bind(1, std::to_string(i)).Bind(2, i == 3 ? 6'000'000 : 10).Run();
        },
        [promise](Status status) { promise->set_value(std::move(status)); });
  }
  go_on.count_down();
  for (auto& outcome : outcomes) {
    EXPECT_ERROR(outcome.get(), ErrorCode::kExhausted, "disk is full");
  }
  FreeDisk();
  const auto rows =
      store->database().Read<std::int64_t>([](Connection& db) -> Result<std::int64_t> {
        ROOST_ASSIGN(auto query, db.Prepare("SELECT count(*) FROM meta WHERE name <> 'epoch'"));
        ROOST_TRY(query.Step());
        return query.Int(0);
      });
  EXPECT_EQ(ROOST_VALUE(rows), 0);
}

TEST_F(FullDiskTest, ABlobThatDoesNotFitLeavesNothing) {
  const std::string large(20'000'000, 'x');
  EXPECT_ERROR(store->blobs().Put(large), ErrorCode::kExhausted, "");
  auto batch = store->blobs().NewBatch();
  Status added;
  for (int i = 0; added && i < 20; ++i) {
    const std::string content = std::to_string(i) + std::string(1'000'000, 'x');
    added = batch->Add(DigestOf(content), content);
  }
  EXPECT_ERROR(added, ErrorCode::kExhausted, "");
  batch.reset();
  EXPECT_TRUE(fs::is_empty(folder.path() / "data" / "blobs" / "tmp"));
  EXPECT_OK(store->blobs().Put(std::string(2'000'000, 'y')));
}

}  // namespace
}  // namespace roost::store
