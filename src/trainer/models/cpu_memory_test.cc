#include "trainer/models/cpu_memory.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>
#include <vector>

namespace roost::trainer {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

at::Tensor Bytes(std::int64_t count) { return at::empty({count}, at::kByte); }

class CpuMemoryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { KeepCpuMemory(); }
};

TEST_F(CpuMemoryTest, AFreedBlockIsUsedAgain) {
  const CpuMemoryFigures before = KeptCpuMemory();
  const void* first = nullptr;
  {
    const at::Tensor tensor = Bytes(5 * kMiB);
    first = tensor.data_ptr();
    EXPECT_EQ(KeptCpuMemory().used - before.used, 6u * kMiB);  // whole huge pages
  }
  EXPECT_EQ(KeptCpuMemory().used, before.used);
  EXPECT_GE(KeptCpuMemory().kept, 6u * kMiB);
  EXPECT_EQ(Bytes(5 * kMiB + 1).data_ptr(), first);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % (2 * kMiB), 0u);
}

TEST_F(CpuMemoryTest, ABlockThatIsMuchTooLargeIsNotTaken) {
  const void* large = Bytes(64 * kMiB).data_ptr();
  EXPECT_NE(Bytes(48 * kMiB).data_ptr(), large);
}

TEST_F(CpuMemoryTest, SmallTensorsAreMallocs) {
  const CpuMemoryFigures before = KeptCpuMemory();
  const at::Tensor tensor = Bytes(kMiB - 1);
  EXPECT_EQ(KeptCpuMemory().used, before.used);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 64, 0u);
}

// Sizes that never come again may not pile up.
TEST_F(CpuMemoryTest, WhatIsKeptIsBounded) {
  std::size_t most = 0;
  for (std::int64_t size = 64; size < 1024; size += 32) {
    const at::Tensor tensor = Bytes(size * kMiB);
    const CpuMemoryFigures now = KeptCpuMemory();
    most = std::max(most, now.used);
    EXPECT_LE(now.used + now.kept, most + most / 4 + 256 * kMiB) << size;
  }
}

TEST_F(CpuMemoryTest, ThreadsShareIt) {
  const CpuMemoryFigures before = KeptCpuMemory();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 50; ++round) {
        const at::Tensor tensor = at::ones({3 * kMiB / 4});
        ASSERT_EQ(tensor[-1].item<float>(), 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(KeptCpuMemory().used, before.used);
}

TEST_F(CpuMemoryTest, TooMuchIsTorchsError) {
  try {
    Bytes(std::int64_t{1} << 50);
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("not enough memory"), std::string::npos);
  }
  EXPECT_EQ(Bytes(2 * kMiB).numel(), 2 * kMiB);  // and it goes on
}

}  // namespace
}  // namespace roost::trainer
