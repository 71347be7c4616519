#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/checkpointer.h"
#include "store/database.h"

namespace roost::store {

// The only thread that writes. It takes what waits (state before logging before bulk) into one
// transaction, commits it, and then tells everyone. Waiting writes gather while a commit syncs, so
// the more there are, the fewer syncs each costs.
class Writer {
 public:
  struct Hooks {
    std::function<Status(WriteContext&)> before_commit;
    std::function<void(bool)> after_group;
    std::function<void(const CommitNotice&)> listener;
  };

  Writer(std::unique_ptr<Connection> connection, Clock& clock, Checkpointer& checkpointer);
  ~Writer();  // finishes what waits

  void Submit(Lane lane, Database::WriteFunction write, Database::Done done);
  void ChangeHooks(const std::function<void(Hooks&)>& change);
  Status Health() const;
  bool OnThisThread() const { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Waiting {
    Database::WriteFunction write;
    Database::Done done;
    Time since;
  };
  struct Finished {
    Database::Done done;
    Status status;
  };
  // What becomes one transaction. Bulk work has groups of its own, so that nobody waits for it.
  struct Group {
    Time start;
    bool is_bulk = false;
    std::vector<Finished> finished;
    CommitNotice notice;
  };

  void Loop();
  void RunGroup(Group& group, const Hooks& hooks);
  Status Begin();
  Status RunOne(WriteContext& context, const Database::WriteFunction& write, bool is_first);
  Status Commit(WriteContext& context, const Hooks& hooks);
  void FailAll(Group& group, const Error& error);
  std::optional<Waiting> TakeNext(Group& group);

  const std::unique_ptr<Connection> connection_;
  Clock& clock_;
  Checkpointer& checkpointer_;
  int log_pages_ = 0;  // after the last commit that wrote; 0: this one has not. Writer's thread

  mutable std::mutex mutex_;  // guards everything below but the thread
  std::condition_variable wake_;
  std::array<std::deque<Waiting>, 3> lanes_;
  std::shared_ptr<const Hooks> hooks_ = std::make_shared<Hooks>();
  Status health_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace roost::store
