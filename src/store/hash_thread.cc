#include "store/hash_thread.h"

namespace roost::store {
namespace {

constexpr std::size_t kMostPieces = 4;

}  // namespace

HashThread::HashThread(Hasher hasher) : hasher_(std::move(hasher)), thread_([this] { Loop(); }) {}

HashThread::~HashThread() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    pieces_.clear();
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::string HashThread::Update(std::string piece) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return pieces_.size() < kMostPieces; });
  pieces_.push_back(std::move(piece));
  changed_.notify_all();
  if (spare_.empty()) return {};
  std::string empty = std::move(spare_.back());
  spare_.pop_back();
  return empty;
}

Digest HashThread::Finish() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
  return hasher_.Finish();
}

void HashThread::Loop() {
  std::string piece;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!piece.empty()) {
        piece.clear();
        spare_.push_back(std::move(piece));
      }
      changed_.wait(lock, [this] { return ended_ || !pieces_.empty(); });
      if (pieces_.empty()) return;
      piece = std::move(pieces_.front());
      pieces_.pop_front();
    }
    changed_.notify_all();
    hasher_.Update(piece);
  }
}

}  // namespace roost::store
