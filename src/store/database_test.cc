#include "store/database.h"

#include <sqlite3.h>

#include <atomic>
#include <latch>
#include <thread>

#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest() { Open(); }

  void Open() {
    database.reset();
    auto opened = Database::Open(file, clock, 2);
    if (!opened) FAIL() << opened.error().message;
    database = std::move(*opened);
  }

  // Writes a row into a table that is there anyway.
  static Status Put(WriteContext& context, const std::string& name) {
    ROOST_ASSIGN(auto insert, context.db.Prepare("INSERT INTO meta(name, value) VALUES(?, 'x')"));
    return insert.Bind(1, name).Run();
  }
  Status Put(const std::string& name, Lane lane = Lane::kState) {
    return database->Write(lane, [&](WriteContext& context) { return Put(context, name); });
  }
  std::vector<std::string> Names() {
    using Found = std::vector<std::string>;
    return ROOST_VALUE(database->Read<Found>([](Connection& db) -> Result<Found> {
      ROOST_ASSIGN(auto query, db.Prepare("SELECT name FROM meta WHERE name <> 'epoch' ORDER BY "
                                          "name"));
      Found names;
      while (true) {
        ROOST_ASSIGN(const bool row, query.Step());
        if (!row) return names;
        names.push_back(query.Text(0));
      }
    }));
  }

  // Holds the writer in a write of its own while `enqueue` submits, so that what it submits becomes
  // one group.
  void AsOneGroup(const std::function<void()>& enqueue) {
    std::latch holding(1);
    std::latch go_on(1);
    database->Submit(
        Lane::kBulk,
        [&](WriteContext&) -> Status {
          holding.count_down();
          go_on.wait();
          return {};
        },
        [](Status) {});
    holding.wait();
    enqueue();
    go_on.count_down();
    EXPECT_OK(database->Write(Lane::kBulk, [](WriteContext&) -> Status { return {}; }));
  }

  TempFolder folder;
  const fs::path file = folder.path() / "store.db";
  FakeClock clock;
  std::unique_ptr<Database> database;
};

TEST_F(DatabaseTest, AFailingWriteTakesNoOtherWithIt) {
  for (const int failing : {0, 1, 2}) {
    std::vector<std::string> outcomes(3);
    AsOneGroup([&] {
      for (int i = 0; i < 3; ++i) {
        const std::string name = std::to_string(failing) + std::to_string(i);
        database->Submit(
            Lane::kState,
            [=](WriteContext& context) -> Status {
              ROOST_TRY(Put(context, name));
              if (i == failing) return Fail(ErrorCode::kConflict, "no");
              return {};
            },
            [&outcomes, i](Status status) {
              outcomes[static_cast<std::size_t>(i)] = status ? "kept" : status.error().message;
            });
      }
    });
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(outcomes[static_cast<std::size_t>(i)], i == failing ? "no" : "kept");
    }
  }
  EXPECT_THAT(Names(), ElementsAre("01", "02", "10", "12", "20", "21"));
}

TEST_F(DatabaseTest, StateGoesBeforeLoggingBeforeBulk) {
  std::vector<std::string> order;  // written on the writer's thread alone
  const auto submit = [&](Lane lane, const std::string& name) {
    database->Submit(
        lane,
        [&order, name](WriteContext&) -> Status {
          order.push_back(name);
          return {};
        },
        [](Status) {});
  };
  AsOneGroup([&] {
    submit(Lane::kBulk, "bulk");
    submit(Lane::kLogging, "log 1");
    submit(Lane::kLogging, "log 2");
    submit(Lane::kState, "state");
  });
  // The fence of AsOneGroup is bulk too, and comes after the first.
  EXPECT_THAT(order, ElementsAre("state", "log 1", "log 2", "bulk"));
}

TEST_F(DatabaseTest, ListenersHearWhatWasCommittedAndOnlyThat) {
  std::vector<CommitNotice> notices;
  database->SetCommitListener([&](const CommitNotice& notice) { notices.push_back(notice); });
  AsOneGroup([&] {
    for (int i = 0; i < 3; ++i) {
      database->Submit(
          Lane::kState,
          [i](WriteContext& context) -> Status {
            ROOST_TRY(context.AddEvent("kind", "run", "{}"));
            context.notice.runs_with_metrics.emplace_back(i);
            if (i == 1) return Fail(ErrorCode::kConflict, "no");
            return {};
          },
          [](Status) {});
    }
  });
  EXPECT_OK(Put("silent"));
  EXPECT_OK(Put("fence"));   // the listener of the group before it has returned
  std::vector<RunKey> told;  // on a slow machine more than one group may have been made of them
  for (const CommitNotice& notice : notices) {
    EXPECT_NE(notice.last_event_id, 0);
    told.insert(told.end(), notice.runs_with_metrics.begin(), notice.runs_with_metrics.end());
  }
  EXPECT_THAT(told, ElementsAre(RunKey(0), RunKey(2)));
  const Events events(*database);
  ASSERT_FALSE(notices.empty());
  EXPECT_EQ(notices.back().last_event_id, events.LastId());
  EXPECT_EQ(ROOST_VALUE(events.After(0, "", 10)).size(), 2U);
}

TEST_F(DatabaseTest, TheHookBeforeTheCommitBelongsToTheGroup) {
  std::string row;  // what the hook writes; nothing when empty
  bool fails = false;
  std::vector<bool> groups;
  database->SetBeforeCommit([&](WriteContext& context) -> Status {
    if (!row.empty()) ROOST_TRY(Put(context, row));
    if (fails) return Fail(ErrorCode::kInternal, "the hook failed");
    return {};
  });
  database->SetAfterGroup([&](bool committed) { groups.push_back(committed); });
  groups.clear();
  row = "hook 1";
  EXPECT_OK(Put("a"));
  row = "hook 2";
  fails = true;
  EXPECT_ERROR(Put("b"), ErrorCode::kInternal, "the hook failed");
  row = "hook 3";
  fails = false;
  EXPECT_OK(Put("c"));
  EXPECT_THAT(Names(), ElementsAre("a", "c", "hook 1", "hook 3"));
  EXPECT_THAT(groups, ElementsAre(true, false, true));
}

TEST_F(DatabaseTest, AHookThatWasTakenAwayIsNotRunningAnyMore) {
  for (int i = 0; i < 50; ++i) {
    auto alive = std::make_unique<std::atomic<int>>(0);
    database->SetCommitListener([&told = *alive](const CommitNotice&) { ++told; });
    database->Submit(
        Lane::kState, [](WriteContext& context) { return context.AddEvent("kind", "", "{}"); },
        [](Status) {});
    database->SetCommitListener({});
    EXPECT_LE(*alive, 1);
    alive.reset();  // a listener that still ran would touch freed memory
  }
}

TEST_F(DatabaseTest, AReadSeesOneMomentOnly) {
  EXPECT_OK(Put("a"));
  const auto count = [](Connection& db) -> Result<std::int64_t> {
    ROOST_ASSIGN(auto query, db.Prepare("SELECT count(*) FROM meta"));
    ROOST_TRY(query.Step());
    return query.Int(0);
  };
  EXPECT_OK(database->Read<bool>([&](Connection& db) -> Result<bool> {
    ROOST_ASSIGN(const std::int64_t before, count(db));
    EXPECT_OK(Put("b"));
    ROOST_ASSIGN(const std::int64_t after, count(db));
    EXPECT_EQ(before, after);
    return true;
  }));
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
}

TEST_F(DatabaseTest, AReaderCannotWrite) {
  const auto written = database->Read<bool>([](Connection& db) -> Result<bool> {
    ROOST_TRY(db.Execute("INSERT INTO meta VALUES('a', 'b')"));
    return true;
  });
  EXPECT_ERROR(written, ErrorCode::kPermissionDenied, file.string());
}

TEST_F(DatabaseTest, ManyThreadsReadAndWriteAtOnce) {
  constexpr int kThreads = 6;
  constexpr int kWrites = 50;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kWrites; ++i) {
        const std::string name = std::to_string(t) + "/" + std::to_string(i);
        if (!Put(name, t % 2 == 0 ? Lane::kState : Lane::kLogging)) ++failed;
        // What was answered is there for every reader.
        const auto found = database->Read<bool>([&](Connection& db) -> Result<bool> {
          ROOST_ASSIGN(auto query, db.Prepare("SELECT 1 FROM meta WHERE name = ?"));
          return query.Bind(1, name).Step();
        });
        if (!found || !*found) ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(Names().size(), static_cast<std::size_t>(kThreads * kWrites));
}

TEST_F(DatabaseTest, TheLogDoesNotGrowForeverAndIsGoneAfterACleanStop) {
  const std::string large(100'000, 'x');
  for (int i = 0; i < 600; ++i) {  // 60 MB
    EXPECT_OK(database->Write(Lane::kBulk, [&](WriteContext& context) -> Status {
      ROOST_ASSIGN(auto put, context.db.Prepare("INSERT OR REPLACE INTO meta VALUES(?, ?)"));
      return put.Bind(1, std::to_string(i % 10)).Bind(2, large).Run();
    }));
  }
  EXPECT_LT(fs::file_size(file.string() + "-wal"), 50'000'000U);
  database.reset();
  EXPECT_FALSE(fs::exists(file.string() + "-wal"));
  Open();
  EXPECT_EQ(Names().size(), 10U);
}

TEST_F(DatabaseTest, QueuedWritesAreFinishedAtTheEnd) {
  int kept = 0;
  for (int i = 0; i < 100; ++i) {
    database->Submit(
        Lane::kBulk, [i](WriteContext& context) { return Put(context, std::to_string(i)); },
        [&](Status status) { kept += status ? 1 : 0; });
  }
  database.reset();
  EXPECT_EQ(kept, 100);
  Open();
  EXPECT_EQ(Names().size(), 100U);
}

TEST_F(DatabaseTest, AStatementIsReadyAgainWhateverWasLeftInIt) {
  EXPECT_OK(database->Write(Lane::kState, [](WriteContext& context) -> Status {
    for (const char* name : {"a", "b"}) ROOST_TRY(Put(context, name));
    constexpr const char* kSql = "SELECT name FROM meta WHERE name >= ? AND ? IS NULL ORDER BY 1";
    {
      ROOST_ASSIGN(auto left_in_the_middle, context.db.Prepare(kSql));
      ROOST_TRY(left_in_the_middle.Bind(1, "a").Step());
    }
    ROOST_ASSIGN(auto outer, context.db.Prepare(kSql));
    ROOST_TRY(outer.Bind(1, "a").Step());
    ROOST_ASSIGN(auto inner, context.db.Prepare(kSql));  // the same text while the other is in use
    ROOST_TRY(inner.Bind(1, "b").Step());
    EXPECT_EQ(outer.Text(0), "a");
    EXPECT_EQ(inner.Text(0), "b");
    ROOST_ASSIGN(auto wrong, context.db.Prepare(kSql));
    EXPECT_FALSE(wrong.Bind(7, 1).Step());  // there is no seventh parameter
    return {};
  }));
}

TEST_F(DatabaseTest, EventsArePrunedButTheirIdsGoOn) {
  const auto add = [&](int count) {
    EXPECT_OK(database->Write(Lane::kBulk, [&](WriteContext& context) -> Status {
      for (int i = 0; i < count; ++i) ROOST_TRY(context.AddEvent("kind", "", "{}"));
      return {};
    }));
  };
  Events events(*database);
  EXPECT_EQ(events.LastId(), 0);
  add(102'000);
  EXPECT_EQ(events.LastId(), 102'000);
  EXPECT_EQ(events.OldestId(), 2'001);
  EXPECT_OK(events.Prune(0));
  EXPECT_EQ(events.OldestId(), 0);
  EXPECT_EQ(events.LastId(), 102'000);
  add(1);
  EXPECT_EQ(events.OldestId(), 102'001);
}

// --- Files that are not ours to use ---

std::string ContentOf(const fs::path& path) { return ReadFile(path).value_or(""); }

TEST_F(DatabaseTest, ANewerSchemaIsRefusedAndLeftAlone) {
  EXPECT_OK(database->Write(Lane::kState, [](WriteContext& context) -> Status {
    return context.db.Execute("PRAGMA user_version = " + std::to_string(kSchemaVersion + 1));
  }));
  database.reset();
  const std::string before = ContentOf(file);
  const auto opened = Database::Open(file, clock, 1);
  EXPECT_ERROR(opened, ErrorCode::kConflict,
               "schema version " + std::to_string(kSchemaVersion + 1));
  EXPECT_THAT(opened.error().message, HasSubstr("knows version " + std::to_string(kSchemaVersion)));
  EXPECT_EQ(ContentOf(file), before);
}

TEST_F(DatabaseTest, ADatabaseOfAnotherProgramIsRefusedAndLeftAlone) {
  database.reset();
  const fs::path other = folder.path() / "other.db";
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(other.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "CREATE TABLE t(x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  const std::string before = ContentOf(other);
  EXPECT_ERROR(Database::Open(other, clock, 1), ErrorCode::kConflict, "another program");
  EXPECT_EQ(ContentOf(other), before);
}

TEST_F(DatabaseTest, GarbageIsNamedAndLeftAlone) {
  database.reset();
  const fs::path garbage = folder.path() / "garbage.db";
  ASSERT_TRUE(WriteFileAtomic(garbage, std::string(5000, 'g')));
  EXPECT_ERROR(Database::Open(garbage, clock, 1), ErrorCode::kInternal,
               garbage.string() + " is damaged");
  EXPECT_EQ(ContentOf(garbage), std::string(5000, 'g'));
}

class DamagedDatabaseTest : public DatabaseTest {
 protected:
  // Two thousand rows in the file itself.
  void FillAndStop() {
    for (int i = 0; i < 2000; ++i) {
      database->Submit(
          Lane::kBulk, [i](WriteContext& context) { return Put(context, std::to_string(i)); },
          [](Status) {});
    }
    database.reset();
  }
  // Overwrites the start of every page that holds the row.
  static void DamagePagesWith(const fs::path& path, const std::string& row) {
    std::string content = ContentOf(path);
    for (std::size_t page = 4096; page + 4096 <= content.size(); page += 4096) {
      if (content.find(row, page) < page + 4096) content.replace(page, 100, 100, '\x5a');
    }
    ASSERT_TRUE(WriteFileAtomic(path, content));
  }
};

TEST_F(DamagedDatabaseTest, IsNamedByTheReadThatMeetsTheDamage) {
  FillAndStop();
  DamagePagesWith(file, "1999");
  const auto opened = ROOST_VALUE(Database::Open(file, clock, 1));
  const auto read = opened->Read<bool>([](Connection& db) -> Result<bool> {
    ROOST_ASSIGN(auto query, db.Prepare("SELECT sum(length(value)) FROM meta NOT INDEXED"));
    return query.Step();
  });
  EXPECT_ERROR(read, ErrorCode::kInternal, file.string() + " is damaged");
}

TEST_F(DamagedDatabaseTest, IsFoundAtTheStartAfterAnUncleanStop) {
  FillAndStop();
  Open();
  EXPECT_OK(Put("in the log"));
  // What a killed server leaves: the file and its log.
  const fs::path left = folder.path() / "left.db";
  ASSERT_TRUE(CopyFile(file, left));
  ASSERT_TRUE(CopyFile(file.string() + "-wal", left.string() + "-wal"));
  DamagePagesWith(left, "1999");
  const std::string before = ContentOf(left);
  const std::string log_before = ContentOf(left.string() + "-wal");
  EXPECT_ERROR(Database::Open(left, clock, 1), ErrorCode::kInternal, left.string() + " is damaged");
  EXPECT_EQ(ContentOf(left), before);
  EXPECT_EQ(ContentOf(left.string() + "-wal"), log_before);
}

}  // namespace
}  // namespace roost::store
