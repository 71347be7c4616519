#include "trainer/train/batch_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <new>
#include <set>

#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Sample i is the byte i, three times; some cannot be read.
class Numbers : public SampleSource {
 public:
  std::size_t sample_bytes() const override { return 3; }
  Status Fill(std::size_t index, std::uint8_t* to) const override {
    if (uneven_times) std::this_thread::sleep_for(std::chrono::microseconds(index % 7 * 100));
    if (broken.count(index) > 0) {
      return roost::Fail(ErrorCode::kInvalidArgument,
                         "sample " + std::to_string(index) + " is broken");
    }
    if (no_memory.count(index) > 0) throw std::bad_alloc();
    if (fatal.count(index) > 0) return FailModule(InvalidDataset("Training dataset", "it is"));
    for (int i = 0; i < 3; ++i) to[i] = static_cast<std::uint8_t>(index);
    return {};
  }
  std::set<std::size_t> broken{};
  std::set<std::size_t> fatal{};
  std::set<std::size_t> no_memory{};
  bool uneven_times = false;
};

std::vector<std::vector<std::size_t>> ReadAll(BatchLoader& loader) {
  std::vector<std::vector<std::size_t>> batches;
  while (true) {
    auto next = loader.Next();
    EXPECT_TRUE(next);
    if (!next || !*next) return batches;
    Batch& batch = **next;
    for (std::size_t i = 0; i < batch.samples.size(); ++i) {
      for (std::size_t byte = 0; byte < 3; ++byte) {
        EXPECT_EQ(batch.bytes[i * 3 + byte], static_cast<std::uint8_t>(batch.samples[i]));
      }
    }
    batches.push_back(batch.samples);
    loader.Recycle(std::move(batch));
  }
}

TEST(BatchLoaderTest, WantOfMemoryInAThreadIsAnError) {
  Numbers numbers;
  numbers.no_memory = {2};
  BatchLoader loader(numbers, {0, 1, 2, 3}, {.batch_size = 2, .threads = 2});
  ASSERT_TRUE(loader.Next());
  const auto second = loader.Next();
  ASSERT_FALSE(second);
  EXPECT_EQ(ModuleErrorOf(second.error())->number, 138);
}

// More than any system gives; and memory for no more than the samples that there are.
TEST(BatchLoaderTest, TakesNoMoreThreadsAndMemoryThanItNeeds) {
  const Numbers numbers;
  BatchLoader loader(numbers, {0, 1, 2},
                     {.batch_size = std::size_t{1} << 40U, .threads = 1'000'000'000});
  const auto batches = ReadAll(loader);
  EXPECT_THAT(batches, ElementsAre(ElementsAre(0, 1, 2)));
}

TEST(BatchLoaderTest, GivesTheSameForAnyNumberOfThreads) {
  Numbers numbers;
  numbers.uneven_times = true;
  numbers.broken = {3, 40};
  const auto order = ShuffledOrder(103, 7, 2);
  std::vector<std::vector<std::vector<std::size_t>>> results;
  for (const int threads : {1, 2, 5}) {
    BatchLoader loader(numbers, order, {.batch_size = 10, .drop_last = false, .threads = threads});
    EXPECT_EQ(loader.batch_count(), 11U);
    results.push_back(ReadAll(loader));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
  EXPECT_THAT(results[0].back(), SizeIs(3));
  std::size_t samples = 0;
  for (const auto& batch : results[0]) samples += batch.size();
  EXPECT_EQ(samples, 101U);
}

TEST(BatchLoaderTest, LeavesOutWhatCannotBeReadAndNamesIt) {
  Numbers numbers;
  numbers.broken = {1, 2};
  BatchLoader loader(numbers, {0, 1, 2, 3}, {.batch_size = 4});
  auto batch = loader.Next();
  ASSERT_TRUE(batch && *batch);
  EXPECT_THAT((*batch)->samples, ElementsAre(0, 3));
  EXPECT_EQ((*batch)->bytes[3], 3);
  EXPECT_THAT((*batch)->unreadable, ElementsAre("sample 1 is broken", "sample 2 is broken"));
}

TEST(BatchLoaderTest, AMistakeInTheDataEndsTheEpoch) {
  Numbers numbers;
  numbers.fatal = {5};
  BatchLoader loader(numbers, {4, 5, 6}, {.batch_size = 2});
  const auto batch = loader.Next();
  ASSERT_FALSE(batch);
  EXPECT_EQ(ModuleErrorOf(batch.error())->number, 18);
}

TEST(BatchLoaderTest, DropsAnIncompleteBatchAndGoesOnInTheMiddle) {
  Numbers numbers;
  BatchLoader loader(numbers, {0, 1, 2, 3, 4, 5, 6},
                     {.batch_size = 2, .drop_last = true, .first_batch = 1, .threads = 2});
  EXPECT_EQ(loader.batch_count(), 3U);
  EXPECT_THAT(ReadAll(loader), ElementsAre(ElementsAre(2, 3), ElementsAre(4, 5)));
}

TEST(BatchLoaderTest, MayBeDroppedInTheMiddle) {
  Numbers numbers;
  numbers.uneven_times = true;
  for (int i = 0; i < 20; ++i) {
    BatchLoader loader(numbers, ShuffledOrder(100, 1, 0), {.batch_size = 8, .threads = 3});
    ASSERT_TRUE(loader.Next());
  }
}

TEST(ShuffledOrderTest, IsAPermutationThatSeedAndEpochDecide) {
  const auto first = ShuffledOrder(1000, 1, 0);
  EXPECT_EQ(std::set<std::size_t>(first.begin(), first.end()).size(), 1000U);
  EXPECT_EQ(first, ShuffledOrder(1000, 1, 0));
  EXPECT_NE(first, ShuffledOrder(1000, 1, 1));
  EXPECT_NE(first, ShuffledOrder(1000, 2, 0));
  // Written down, so that a change which would make old checkpoints go on in another order shows.
  const auto few = ShuffledOrder(5, 1, 0);
  EXPECT_THAT(ShuffledOrder(5, 1, 0), few);
}

}  // namespace
}  // namespace roost::trainer
