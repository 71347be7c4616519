#include "trainer/train/batch_loader.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <system_error>

#include "trainer/folders/component_error.h"
#include "trainer/images/random.h"
#include "trainer/train/torch_error.h"

namespace roost::trainer {
namespace {

// No image has this index, so the order shares no random numbers with any augmentation.
constexpr std::uint64_t kOrderStream = UINT64_MAX;

std::size_t CountBatches(std::size_t samples, const BatchLoader::Options& options) {
  return options.drop_last ? samples / options.batch_size
                           : (samples + options.batch_size - 1) / options.batch_size;
}

}  // namespace

std::vector<std::size_t> ShuffledOrder(std::size_t count, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(seed, epoch, kOrderStream);
  for (std::size_t left = count; left > 1; --left) {
    const std::int64_t drawn = random.Integer(0, static_cast<std::int64_t>(left));
    std::swap(order[left - 1], order[static_cast<std::size_t>(drawn)]);
  }
  return order;
}

BatchLoader::BatchLoader(const SampleSource& source, std::vector<std::size_t> order,
                         const Options& options)
    : source_(source),
      order_(std::move(order)),
      options_(options),
      batch_count_(CountBatches(order_.size(), options)),
      next_out_(options.first_batch),
      next_in_(options.first_batch) {
  slots_.resize(std::max<std::size_t>(options_.ahead, 1));
  for (std::unique_ptr<Slot>& slot : slots_) slot = std::make_unique<Slot>();
  const std::size_t first = next_in_;
  for (std::size_t i = 0; i < slots_.size() && first + i < batch_count_; ++i) Open(first + i);
  StartThreads();
}

// No more threads than samples that can be read at once. Where the system gives fewer, those do.
void BatchLoader::StartThreads() {
  const std::size_t samples = std::min(slots_.size() * options_.batch_size, order_.size());
  const std::size_t wanted = std::min(static_cast<std::size_t>(std::max(options_.threads, 1)),
                                      std::max<std::size_t>(samples, 1));
  try {
    while (threads_.size() < wanted) threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    if (threads_.empty()) throw;
  }
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::size_t BatchLoader::SizeOf(std::size_t batch) const {
  return std::min(options_.batch_size, order_.size() - batch * options_.batch_size);
}

// Makes the batch's slot ready to be filled. Requires: the lock, and the slot is not in use.
void BatchLoader::Open(std::size_t batch) {
  Slot& slot = *slots_[batch % slots_.size()];
  slot.number = batch;
  slot.expected = SizeOf(batch);
  slot.done = 0;
  slot.outcomes.assign(slot.expected, Status());
  slot.batch = {};
  if (!memory_.empty()) {
    slot.batch.bytes = std::move(memory_.back());
    memory_.pop_back();
  }
  slot.batch.bytes.resize(slot.expected * source_.sample_bytes());
  const auto first = order_.begin() + static_cast<std::ptrdiff_t>(batch * options_.batch_size);
  slot.batch.samples.assign(first, first + static_cast<std::ptrdiff_t>(slot.expected));
}

void BatchLoader::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [&] {
      return stopping_ || next_in_ >= batch_count_ || next_in_ < next_out_ + slots_.size();
    });
    if (stopping_ || next_in_ >= batch_count_) return;
    Slot& slot = *slots_[next_in_ % slots_.size()];
    const std::size_t place = next_in_sample_++;
    if (next_in_sample_ == slot.expected) {
      next_in_sample_ = 0;
      ++next_in_;
      work_.notify_all();
    }
    const std::size_t sample = slot.batch.samples[place];
    std::uint8_t* const to = slot.batch.bytes.data() + place * source_.sample_bytes();
    lock.unlock();
    // An exception must not leave the thread; want of memory is told as such.
    Status outcome =
        GuardTorch("The dataset", [&]() -> Status { return source_.Fill(sample, to); });
    lock.lock();
    slot.outcomes[place] = std::move(outcome);
    if (++slot.done == slot.expected) ready_.notify_one();
  }
}

void BatchLoader::CloseGaps(Slot& slot, std::size_t sample_bytes) {
  Batch& batch = slot.batch;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < slot.expected; ++i) {
    if (!slot.outcomes[i]) {
      batch.unreadable.push_back(slot.outcomes[i].error().message);
      continue;
    }
    if (kept != i) {
      std::memmove(batch.bytes.data() + kept * sample_bytes, batch.bytes.data() + i * sample_bytes,
                   sample_bytes);
      batch.samples[kept] = batch.samples[i];
    }
    ++kept;
  }
  batch.samples.resize(kept);
}

Result<std::optional<Batch>> BatchLoader::Next() {
  if (next_out_ >= batch_count_) return std::optional<Batch>();
  std::unique_lock lock(mutex_);
  Slot& slot = *slots_[next_out_ % slots_.size()];
  if (slot.done < slot.expected) {
    const auto started = std::chrono::steady_clock::now();
    ready_.wait(lock, [&] { return slot.done == slot.expected; });
    waited_seconds_ +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  }
  for (const Status& outcome : slot.outcomes) {
    if (!outcome && ModuleErrorOf(outcome.error())) return tl::unexpected<Error>(outcome.error());
  }
  CloseGaps(slot, source_.sample_bytes());
  Batch batch = std::move(slot.batch);
  const std::size_t later = next_out_ + slots_.size();
  ++next_out_;
  if (later < batch_count_) Open(later);
  work_.notify_all();
  return std::optional<Batch>(std::move(batch));
}

void BatchLoader::Recycle(Batch batch) {
  const std::lock_guard lock(mutex_);
  memory_.push_back(std::move(batch.bytes));
}

}  // namespace roost::trainer
