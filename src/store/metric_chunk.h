#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/metrics.h"

namespace roost::store {

// The two blobs of a chunk: its points, compressed, and a pyramid of what a chart needs of them.
// docs/on_disk.md describes the bytes. Pure functions.

inline constexpr std::size_t kChunkPoints = 4096;  // at most, in one chunk
inline constexpr std::size_t kBlockPoints = 256;   // of the pyramid's lower level

// What a chart keeps of some consecutive points: the smallest and the largest finite value (of
// equal ones the first), and the first value that is no finite number, so that a NaN or an infinity
// is seen and hides no peak. Each is unset when there is none.
struct Extremes {
  std::int64_t count = 0;
  std::optional<StoredPoint> low;
  std::optional<StoredPoint> high;
  std::optional<StoredPoint> odd;

  void Add(const StoredPoint& point);
  void Add(const Extremes& later);  // of points that follow
};

// The upper level is the whole chunk, the lower one its blocks of 256 points, in order.
struct Pyramid {
  Extremes whole;
  std::vector<Extremes> blocks;
};

// Requires: 1 to kChunkPoints points, whose seqs follow each other.
std::string EncodePoints(std::span<const StoredPoint> points);
std::string EncodePyramid(std::span<const StoredPoint> points);

// Appends the `count` points to `to`, numbered from `first_seq`; kInternal when the bytes are
// damaged.
Status DecodePoints(std::string_view data, std::int64_t first_seq, std::size_t count,
                    std::vector<StoredPoint>* to);
Result<Pyramid> DecodePyramid(std::string_view data, std::int64_t first_seq);

}  // namespace roost::store
