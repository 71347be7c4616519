#include "trainer/images/random.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;

// The known answers published with the algorithm.
TEST(RandomTest, PhiloxGivesItsKnownAnswers) {
  EXPECT_THAT(Random::Philox({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_THAT(Random::Philox({ones, ones, ones, ones}, {ones, ones}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(
      Random::Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(RandomTest, StreamsAreTheSameEachTimeAndDiffer) {
  std::set<std::uint64_t> firsts;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
      for (const std::uint64_t index : {0ULL, 1ULL, 2ULL, 1ULL << 32}) {
        Random a(seed, epoch, index);
        Random b(seed, epoch, index);
        firsts.insert(a.Next64());
        b.Next64();
        for (int i = 0; i < 10; ++i) EXPECT_EQ(a.Next32(), b.Next32());
      }
    }
  }
  EXPECT_EQ(firsts.size(), 36U);
}

TEST(RandomTest, NumbersAreEven) {
  Random random(1, 2, 3);
  std::map<std::int64_t, int> counts;
  double sum = 0;
  for (int i = 0; i < 30000; ++i) {
    ++counts[random.Integer(-1, 2)];
    const double value = random.Uniform(2, 4);
    ASSERT_GE(value, 2);
    ASSERT_LT(value, 4);
    sum += value;
  }
  ASSERT_EQ(counts.size(), 3U);
  for (const auto& [value, count] : counts) EXPECT_NEAR(count, 10000, 400) << value;
  EXPECT_NEAR(sum / 30000, 3, 0.02);
  EXPECT_EQ(random.Integer(5, 6), 5);
}

}  // namespace
}  // namespace roost::trainer
