#include "store/metric_chunk.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace roost::store {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<StoredPoint> Number(std::vector<StoredPoint> points, std::int64_t first_seq) {
  for (StoredPoint& point : points) point.seq = first_seq++;
  return points;
}

void ExpectSame(const std::vector<StoredPoint>& got, const std::vector<StoredPoint>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].seq, expected[i].seq);
    ASSERT_EQ(got[i].step, expected[i].step);
    ASSERT_EQ(got[i].time, expected[i].time);
    ASSERT_EQ(std::bit_cast<std::uint64_t>(got[i].value),
              std::bit_cast<std::uint64_t>(expected[i].value));
  }
}

TEST(MetricChunk, GivesBackWhatWasPutIn) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  std::vector<StoredPoint> random;
  std::mt19937_64 dice(7);
  for (std::size_t i = 0; i < kChunkPoints; ++i) {
    random.push_back({0, static_cast<std::int64_t>(dice()), static_cast<std::int64_t>(dice()),
                      std::bit_cast<double>(dice())});
  }
  std::vector<StoredPoint> counting;
  for (std::int64_t i = 0; i < 1000; ++i) {
    counting.push_back({0, 10 * i, 1'700'000'000'000'000 + 1000 * i, 1.0 / static_cast<double>(i)});
  }
  const std::vector<std::vector<StoredPoint>> cases = {
      {{0, 5, 1'700'000'000'000'000, 0.25}},
      {{0, 0, 0, std::nan("")}, {0, 1, 0, kInfinity}, {0, 2, 0, -kInfinity}, {0, 3, 0, -0.0}},
      {{0, kMin, kMax, 1}, {0, kMax, kMin, 2}, {0, 0, 0, 3}},
      {{0, 3, 9, 1}, {0, 3, 8, 1}, {0, 1, 7, 1}},
      counting,
      random,
  };
  for (const auto& points : cases) {
    const auto numbered = Number(points, 41);
    std::vector<StoredPoint> decoded;
    ASSERT_TRUE(DecodePoints(EncodePoints(numbered), 41, numbered.size(), &decoded));
    ExpectSame(decoded, numbered);
  }
}

TEST(MetricChunk, ATrainingsLossTakesFewBytes) {
  std::vector<StoredPoint> points;
  for (std::int64_t i = 0; i < 4096; ++i) {
    const float loss = 2.3F * std::exp(-static_cast<float>(i) / 900.0F);
    points.push_back({i + 1, i, 1'700'000'000'000'000 + 12'000 * i, loss});
  }
  EXPECT_LT(EncodePoints(points).size(), 4096U * 6);
}

TEST(MetricChunk, DamagedBytesAreAnErrorAndNoCrash) {
  std::vector<StoredPoint> points;
  for (std::int64_t i = 0; i < 600; ++i) points.push_back({i + 1, i * i, i, std::sqrt(i)});
  const std::string good = EncodePoints(points);
  std::vector<StoredPoint> decoded;
  EXPECT_FALSE(DecodePoints("", 1, 600, &decoded));
  EXPECT_FALSE(DecodePoints(good.substr(0, good.size() - 1), 1, 600, &decoded));
  EXPECT_FALSE(DecodePoints(good, 1, 599, &decoded));
  EXPECT_FALSE(DecodePoints(good, 1, 601, &decoded));
  EXPECT_FALSE(DecodePoints("\x02" + good.substr(1), 1, 600, &decoded));
  EXPECT_TRUE(decoded.empty());

  const std::string pyramid = EncodePyramid(points);
  EXPECT_FALSE(DecodePyramid("", 1));
  EXPECT_FALSE(DecodePyramid(pyramid.substr(0, pyramid.size() - 3), 1));
}

TEST(MetricChunk, PyramidKnowsTheExtremesOfBlocksAndOfTheWhole) {
  std::vector<StoredPoint> points;
  for (std::int64_t i = 0; i < 1000; ++i) points.push_back({100 + i, i, 2 * i, 0.5});
  points[10].value = 9;           // block 0
  points[300].value = -7;         // block 1
  points[301].value = -7;         // as small, but later
  points[600].value = kInfinity;  // block 2
  points[700].value = std::nan("");
  for (std::size_t i = 768; i < 1000; ++i) points[i].value = std::nan("");  // block 3

  const auto pyramid = DecodePyramid(EncodePyramid(points), 100);
  ASSERT_TRUE(pyramid);
  ASSERT_EQ(pyramid->blocks.size(), 4U);
  EXPECT_EQ(pyramid->blocks[0].high->seq, 110);
  EXPECT_EQ(pyramid->blocks[0].high->step, 10);
  EXPECT_EQ(pyramid->blocks[0].high->time, 20);
  EXPECT_EQ(pyramid->blocks[0].low->seq, 100);
  EXPECT_FALSE(pyramid->blocks[0].odd);
  EXPECT_EQ(pyramid->blocks[1].low->seq, 400);
  EXPECT_EQ(pyramid->blocks[2].odd->seq, 700);
  EXPECT_EQ(pyramid->blocks[2].high->value, 0.5);
  EXPECT_FALSE(pyramid->blocks[3].low);
  EXPECT_FALSE(pyramid->blocks[3].high);
  EXPECT_EQ(pyramid->blocks[3].count, 232);
  EXPECT_EQ(pyramid->blocks[3].odd->seq, 868);
  EXPECT_EQ(pyramid->whole.count, 1000);
  EXPECT_EQ(pyramid->whole.high->seq, 110);
  EXPECT_EQ(pyramid->whole.low->seq, 400);
  EXPECT_EQ(pyramid->whole.odd->seq, 700);
}

}  // namespace
}  // namespace roost::store
