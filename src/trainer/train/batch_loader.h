#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"

namespace roost::trainer {

// Where samples come from. Called by several threads at once.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual std::size_t sample_bytes() const = 0;
  // Writes sample_bytes() bytes at `to`. A failure that carries a module error ends the epoch; any
  // other leaves this sample out.
  virtual Status Fill(std::size_t index, std::uint8_t* to) const = 0;
};

// Samples of one batch, one after the other without gaps; those that could not be read are missing.
struct Batch {
  std::vector<std::uint8_t> bytes{};  // samples.size() * sample_bytes(), and perhaps unused ones
  std::vector<std::size_t> samples{};
  std::vector<std::string> unreadable{};  // sentences that name what was left out
};

// The order of an epoch: 0 .. count-1, shuffled by (seed, epoch). The same numbers on every
// machine.
std::vector<std::size_t> ShuffledOrder(std::size_t count, std::uint64_t seed, std::uint64_t epoch);

// Reads the batches of one epoch ahead with its own threads, which write straight into the batches.
// What comes out depends neither on their number nor on their speed. Used by one thread.
class BatchLoader {
 public:
  struct Options {
    std::size_t batch_size = 1;
    bool drop_last = false;       // an incomplete last batch
    std::size_t first_batch = 0;  // those before it are skipped: where a training goes on
    int threads = 1;
    std::size_t ahead = 3;  // batches that are being read or wait
  };
  // `source` must outlive the loader.
  BatchLoader(const SampleSource& source, std::vector<std::size_t> order, const Options& options);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;

  std::size_t batch_count() const { return batch_count_; }
  // The next batch, nothing at the end of the epoch. Give it back with Recycle, so that its memory
  // is used again.
  Result<std::optional<Batch>> Next();
  void Recycle(Batch batch);
  // Seconds that Next has waited for batches that were not ready: with a loader that keeps up, next
  // to nothing.
  double waited_seconds() const { return waited_seconds_; }

 private:
  struct Slot {
    Batch batch{};
    std::size_t number = 0;  // of the batch
    std::size_t expected = 0;
    std::size_t done = 0;
    std::vector<Status> outcomes{};
  };

  void StartThreads();
  void Work();
  std::size_t SizeOf(std::size_t batch) const;
  void Open(std::size_t batch);
  static void CloseGaps(Slot& slot, std::size_t sample_bytes);

  const SampleSource& source_;
  const std::vector<std::size_t> order_;
  const Options options_;
  const std::size_t batch_count_;

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable ready_;
  std::vector<std::unique_ptr<Slot>> slots_;       // batch b is in slot b % ahead
  std::vector<std::vector<std::uint8_t>> memory_;  // of recycled batches
  std::size_t next_out_ = 0;
  std::size_t next_in_ = 0;         // batch that samples are taken from
  std::size_t next_in_sample_ = 0;  // within it
  bool stopping_ = false;
  double waited_seconds_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace roost::trainer
