#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"

namespace roost::store {

// Hashes pieces in order on a thread of its own while the caller goes on. Holds at most a few
// pieces: a caller that is faster waits.
class HashThread {
 public:
  explicit HashThread(Hasher hasher);  // goes on with what was hashed before
  ~HashThread();

  // An empty piece to be filled next: its memory was one's that is hashed, which spares the faults
  // of fresh pages.
  std::string Update(std::string piece);
  Digest Finish();  // Requires: called once, after the last Update.

 private:
  void Loop();

  Hasher hasher_;  // the thread's until Finish has joined it
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> pieces_;  // guarded by mutex_
  std::vector<std::string> spare_;  // guarded by mutex_
  bool ended_ = false;              // guarded by mutex_
  std::thread thread_;
};

}  // namespace roost::store
