#include "store/writer.h"

#include <sqlite3.h>

#include "base/log.h"

namespace roost::store {
namespace {

using std::chrono::milliseconds;

// A group that is still taking writes keeps the first ones from being answered.
constexpr milliseconds kGroupLimit(10);
constexpr milliseconds kBulkLimit(5);
// Bulk work that has waited so long gets its turn beside a steady stream of other writes.
constexpr milliseconds kBulkPatience(100);

constexpr std::int64_t kEventsKept = 100'000;
constexpr std::int64_t kEventsBetweenPrunes = 1'000;

std::size_t IndexOf(Lane lane) { return static_cast<std::size_t>(lane); }

}  // namespace

Status WriteContext::AddEvent(std::string_view kind, std::string_view run_id,
                              std::string_view body_json) {
  ROOST_ASSIGN(Statement insert,
               db.Prepare("INSERT INTO events(time, kind, run_id, body) VALUES(?, ?, ?, ?)"));
  ROOST_TRY(insert.Bind(1, now).Bind(2, kind).Bind(3, run_id).Bind(4, body_json).Run());
  notice.last_event_id = db.LastInsertId();
  if (notice.last_event_id % kEventsBetweenPrunes != 0) return {};
  ROOST_ASSIGN(Statement prune, db.Prepare("DELETE FROM events WHERE id <= ?"));
  return prune.Bind(1, notice.last_event_id - kEventsKept).Run();
}

Writer::Writer(std::unique_ptr<Connection> connection, Clock& clock, Checkpointer& checkpointer)
    : connection_(std::move(connection)), clock_(clock), checkpointer_(checkpointer) {
  sqlite3_wal_hook(
      connection_->raw(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Writer*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  thread_ = std::thread([this] { Loop(); });
}

Writer::~Writer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Writer::Submit(Lane lane, Database::WriteFunction write, Database::Done done) {
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      lanes_[IndexOf(lane)].push_back(
          {std::move(write), std::move(done), std::chrono::steady_clock::now()});
      wake_.notify_one();
      return;
    }
  }
  done(Fail(ErrorCode::kUnavailable, "The server is stopping; try again when it is back."));
}

void Writer::ChangeHooks(const std::function<void(Hooks&)>& change) {
  std::lock_guard lock(mutex_);
  auto hooks = std::make_shared<Hooks>(*hooks_);
  change(*hooks);
  hooks_ = std::move(hooks);
}

Status Writer::Health() const {
  std::lock_guard lock(mutex_);
  return health_;
}

void Writer::Loop() {
  while (true) {
    std::shared_ptr<const Hooks> hooks;
    {
      std::unique_lock lock(mutex_);
      const auto waits = [this] {
        return !lanes_[0].empty() || !lanes_[1].empty() || !lanes_[2].empty();
      };
      wake_.wait(lock, [&] { return stopping_ || waits(); });
      if (!waits()) return;
      hooks = hooks_;
    }

    Group group;
    {
      std::lock_guard gate(checkpointer_.gate());
      RunGroup(group, *hooks);
    }
    for (Finished& finished : group.finished) {
      if (finished.done) finished.done(std::move(finished.status));
    }
    const bool has_news =
        group.notice.last_event_id != 0 || !group.notice.runs_with_metrics.empty();
    if (has_news && hooks->listener) hooks->listener(group.notice);
  }
}

void Writer::RunGroup(Group& group, const Hooks& hooks) {
  group.start = std::chrono::steady_clock::now();
  WriteContext context{*connection_, group.notice, clock_.Now()};
  Status outcome = Begin();
  while (std::optional<Waiting> next = TakeNext(group)) {
    if (!outcome) {  // one write at a time is told that the database cannot be written
      group.finished.push_back({std::move(next->done), outcome});
      break;
    }
    const bool is_first = group.finished.empty();
    Status status = RunOne(context, next->write, is_first);
    const bool failed = !status;
    group.finished.push_back({std::move(next->done), std::move(status)});
    if (!failed) continue;
    if (sqlite3_get_autocommit(connection_->raw()) != 0) {
      // SQLite has rolled everything back, as it does on a full disk.
      outcome = Fail(group.finished.back().status.error());
      break;
    }
    if (is_first) break;  // it ran without a savepoint: its transaction goes with it
  }

  const bool worked = outcome && (group.finished.size() != 1 || group.finished[0].status);
  if (worked) outcome = Commit(context, hooks);
  const bool committed = worked && outcome;
  if (!committed) {
    if (sqlite3_get_autocommit(connection_->raw()) == 0) {
      if (Status rolled_back = connection_->Execute("ROLLBACK"); !rolled_back) {
        LogError("rollback_failed", {{"error", rolled_back.error().message}});
      }
    }
    if (!outcome) FailAll(group, outcome.error());
    group.notice = {};
  }
  if (hooks.after_group) hooks.after_group(committed);

  std::lock_guard lock(mutex_);
  if (!outcome) {
    health_ = outcome;
  } else if (log_pages_ > 0) {
    health_ = {};
  }
  log_pages_ = 0;
}

Status Writer::Begin() {
  ROOST_ASSIGN(Statement begin, connection_->Prepare("BEGIN IMMEDIATE"));
  return begin.Run();
}

Status Writer::RunOne(WriteContext& context, const Database::WriteFunction& write, bool is_first) {
  if (is_first) return write(context);

  const std::int64_t last_event_id = context.notice.last_event_id;
  const std::size_t runs_with_metrics = context.notice.runs_with_metrics.size();
  ROOST_ASSIGN(Statement begin, connection_->Prepare("SAVEPOINT one"));
  ROOST_TRY(begin.Run());
  Status status = write(context);
  if (!status && sqlite3_get_autocommit(connection_->raw()) == 0) {
    context.notice.last_event_id = last_event_id;
    context.notice.runs_with_metrics.resize(runs_with_metrics);
    ROOST_ASSIGN(Statement undo, connection_->Prepare("ROLLBACK TO one"));
    ROOST_TRY(undo.Run());
  }
  if (sqlite3_get_autocommit(connection_->raw()) == 0) {
    ROOST_ASSIGN(Statement end, connection_->Prepare("RELEASE one"));
    ROOST_TRY(end.Run());
  }
  return status;
}

Status Writer::Commit(WriteContext& context, const Hooks& hooks) {
  if (hooks.before_commit) ROOST_TRY(hooks.before_commit(context));
  ROOST_ASSIGN(Statement commit, connection_->Prepare("COMMIT"));
  ROOST_TRY(commit.Run());
  if (log_pages_ > 0) checkpointer_.LogHas(log_pages_);
  return {};
}

void Writer::FailAll(Group& group, const Error& error) {
  LogError("group_failed",
           {{"writes", std::to_string(group.finished.size())}, {"error", error.message}});
  for (Finished& finished : group.finished) {
    if (finished.status) finished.status = Fail(error);
  }
}

std::optional<Writer::Waiting> Writer::TakeNext(Group& group) {
  const Time now = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  auto& state = lanes_[IndexOf(Lane::kState)];
  auto& logging = lanes_[IndexOf(Lane::kLogging)];
  auto& bulk = lanes_[IndexOf(Lane::kBulk)];

  std::deque<Waiting>* from = nullptr;
  if (group.finished.empty()) {
    const bool bulk_is_due = !bulk.empty() && now - bulk.front().since > kBulkPatience;
    group.is_bulk = state.empty() && (logging.empty() || bulk_is_due);
    from = group.is_bulk ? &bulk : !state.empty() ? &state : &logging;
  } else if (group.is_bulk) {
    if (now - group.start < kBulkLimit && state.empty() && logging.empty()) from = &bulk;
  } else if (now - group.start < kGroupLimit) {
    from = !state.empty() ? &state : &logging;
  }
  if (from == nullptr || from->empty()) return std::nullopt;
  Waiting next = std::move(from->front());
  from->pop_front();
  return next;
}

}  // namespace roost::store
