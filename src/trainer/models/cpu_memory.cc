#include "trainer/models/cpu_memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>
#include <unordered_map>

namespace roost::trainer {
namespace {

constexpr std::size_t kLargeBytes = std::size_t{1} << 20;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kAlignment = 64;  // a cache line, and torch's own
constexpr std::size_t kSpare = std::size_t{256} << 20;

std::size_t RoundUp(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// Aligned to a huge page; null when there is no memory.
void* Map(std::size_t bytes) {
  const std::size_t whole = bytes + kHugePage;
  void* const mapped =
      ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<std::uintptr_t>(mapped);
  const std::uintptr_t block = RoundUp(start, kHugePage);
  if (block > start) ::munmap(mapped, block - start);
  if (block + bytes < start + whole) {
    ::munmap(reinterpret_cast<void*>(block + bytes), start + whole - block - bytes);
  }
  void* const found = reinterpret_cast<void*>(block);
  ::madvise(found, bytes, MADV_HUGEPAGE);  // where it fails, small pages do
  return found;
}

// Any thread may allocate and free.
class CachingAllocator final : public c10::Allocator {
 public:
  // Throws c10::Error, as torch's own does, when there is no memory.
  c10::DataPtr allocate(std::size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  CpuMemoryFigures figures() const;

 private:
  struct Kept {
    void* block;
    std::uint64_t age;  // the smaller, the longer ago it was freed
  };

  static void Free(void* data);
  void* TakeLarge(std::size_t bytes);
  void* TakeKept(std::size_t bytes);
  void ShrinkTo(std::size_t kept_bytes);
  void Keep(void* block);

  mutable std::mutex mutex_;
  std::unordered_map<void*, std::size_t> sizes_;  // of large blocks, in use or kept
  std::multimap<std::size_t, Kept> kept_;         // by size; of equals the last is the youngest
  std::size_t used_ = 0;
  std::size_t kept_bytes_ = 0;
  std::size_t most_used_ = 0;
  std::uint64_t now_ = 0;
};

// The one that torch uses, for the whole life of the process: a freed tensor knows only its
// address.
CachingAllocator* in_use = nullptr;

c10::DataPtr CachingAllocator::allocate(std::size_t bytes) {
  void* data = nullptr;
  if (bytes >= kLargeBytes) {
    data = TakeLarge(RoundUp(bytes, kHugePage));
  } else if (bytes > 0) {
    data = std::aligned_alloc(kAlignment, RoundUp(bytes, kAlignment));
  }
  if (bytes > 0 && data == nullptr) c10::profiledCPUMemoryReporter().OutOfMemory(bytes);
  TORCH_CHECK_WITH(OutOfMemoryError, bytes == 0 || data != nullptr,
                   "not enough memory: you tried to allocate ", bytes, " bytes.");
  if (data != nullptr) c10::profiledCPUMemoryReporter().New(data, bytes);
  return {data, data, &Free, c10::Device(c10::DeviceType::CPU)};
}

CpuMemoryFigures CachingAllocator::figures() const {
  const std::lock_guard lock(mutex_);
  return {.used = used_, .kept = kept_bytes_};
}

void* CachingAllocator::TakeLarge(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  void* block = TakeKept(bytes);
  if (block == nullptr) {
    const std::size_t most = std::max(most_used_, used_ + bytes);
    const std::size_t limit = most + most / 4 + kSpare;
    ShrinkTo(limit - std::min(limit, used_ + bytes));
    block = Map(bytes);
    if (block == nullptr) {
      ShrinkTo(0);
      block = Map(bytes);
    }
    if (block == nullptr) return nullptr;
    sizes_.emplace(block, bytes);
  }
  used_ += sizes_.at(block);
  most_used_ = std::max(most_used_, used_);
  return block;
}

// The smallest that fits and wastes no more than an eighth.
void* CachingAllocator::TakeKept(std::size_t bytes) {
  auto found = kept_.lower_bound(bytes);
  if (found == kept_.end() || found->first > bytes + bytes / 8) return nullptr;
  found = std::prev(kept_.upper_bound(found->first));
  void* const block = found->second.block;
  kept_bytes_ -= found->first;
  kept_.erase(found);
  return block;
}

void CachingAllocator::ShrinkTo(std::size_t kept_bytes) {
  while (kept_bytes_ > kept_bytes) {
    const auto oldest =
        std::min_element(kept_.begin(), kept_.end(),
                         [](const auto& a, const auto& b) { return a.second.age < b.second.age; });
    ::munmap(oldest->second.block, oldest->first);
    sizes_.erase(oldest->second.block);
    kept_bytes_ -= oldest->first;
    kept_.erase(oldest);
  }
}

void CachingAllocator::Keep(void* block) {
  const std::size_t bytes = sizes_.at(block);
  used_ -= bytes;
  kept_bytes_ += bytes;
  kept_.emplace(bytes, Kept{block, now_++});
}

void CachingAllocator::Free(void* data) {
  if (data == nullptr) return;
  c10::profiledCPUMemoryReporter().Delete(data);
  if (reinterpret_cast<std::uintptr_t>(data) % kHugePage == 0) {
    const std::lock_guard lock(in_use->mutex_);
    if (in_use->sizes_.contains(data)) return in_use->Keep(data);
  }
  std::free(data);
}

}  // namespace

void KeepCpuMemory() {
  const char* const wish = std::getenv("ROOST_TRAINER_MEMORY");
  if (in_use != nullptr || (wish != nullptr && std::string_view(wish) == "system")) return;
  // Scratch memory of the convolutions goes through malloc.
  constexpr int kKeptByMalloc = 1 << 30;
  ::mallopt(M_MMAP_THRESHOLD, kKeptByMalloc);
  ::mallopt(M_TRIM_THRESHOLD, kKeptByMalloc);
  in_use = new CachingAllocator;
  c10::SetAllocator(c10::DeviceType::CPU, in_use);
}

CpuMemoryFigures KeptCpuMemory() {
  return in_use == nullptr ? CpuMemoryFigures() : in_use->figures();
}

}  // namespace roost::trainer
