#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "store/database.h"

namespace roost::store {

// Moves what was committed from the write-ahead log into the database's file, on a thread and a
// connection of its own, so that no commit pays for it. A checkpoint beside running writes never
// empties the log, because each moment adds to it; when the log has become large, the gate keeps
// the writer out for the few pages that are left, and its next commit starts the log anew.
class Checkpointer {
 public:
  explicit Checkpointer(std::unique_ptr<Connection> connection);
  ~Checkpointer();

  std::mutex& gate() { return gate_; }  // the writer holds it during each group
  void LogHas(int pages);               // told after each commit
  // Moves everything and empties the log's file. Requires: no other connection reads or writes.
  void Finish();

 private:
  void Loop();
  void Checkpoint(int mode);

  const std::unique_ptr<Connection> connection_;
  std::mutex gate_;

  std::mutex mutex_;  // guards everything below but the thread
  std::condition_variable wake_;
  int log_pages_ = 0;
  int moved_pages_ = 0;  // of the log as it is now
  bool wanted_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace roost::store
