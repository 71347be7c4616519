#include "store/checkpointer.h"

#include <sqlite3.h>

#include "base/log.h"

namespace roost::store {
namespace {

constexpr int kPagesBetweenCheckpoints = 1024;  // 4 MiB
constexpr int kPagesBeforeRestart = 4096;       // 16 MiB
// How long a restart waits for readers that still look at the log; without luck it is tried again
// after the next checkpoint.
constexpr int kRestartWaitMs = 10;

}  // namespace

Checkpointer::Checkpointer(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {
  sqlite3_busy_timeout(connection_->raw(), kRestartWaitMs);
  thread_ = std::thread([this] { Loop(); });
}

Checkpointer::~Checkpointer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::LogHas(int pages) {
  std::lock_guard lock(mutex_);
  if (pages < log_pages_) moved_pages_ = 0;  // the log was started anew
  log_pages_ = pages;
  if (wanted_ || pages - moved_pages_ < kPagesBetweenCheckpoints) return;
  wanted_ = true;
  wake_.notify_one();
}

void Checkpointer::Finish() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  Checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
}

void Checkpointer::Loop() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return wanted_ || stopping_; });
      if (stopping_) return;
    }
    Checkpoint(SQLITE_CHECKPOINT_PASSIVE);
    bool is_large = false;
    {
      std::lock_guard lock(mutex_);
      is_large = log_pages_ >= kPagesBeforeRestart;
    }
    if (is_large) {
      std::lock_guard alone(gate_);
      Checkpoint(SQLITE_CHECKPOINT_RESTART);
    }
    std::lock_guard lock(mutex_);
    wanted_ = false;
  }
}

void Checkpointer::Checkpoint(int mode) {
  int log_pages = 0;
  int moved_pages = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(connection_->raw(), nullptr, mode, &log_pages, &moved_pages);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) {
    // Nothing is lost: the log keeps everything, and the next commit asks again.
    LogWarning("checkpoint_failed", {{"error", sqlite3_errmsg(connection_->raw())}});
  }
  // Also after a failure, so that the next try comes with the next few megabytes and not at once.
  std::lock_guard lock(mutex_);
  moved_pages_ = code == SQLITE_OK ? moved_pages : log_pages_;
}

}  // namespace roost::store
