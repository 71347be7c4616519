#pragma once

// The inner loops of Resizer. Not for other files.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trainer/images/resize.h"

namespace roost::trainer {

// Pillow's fixed point: 32 bits less 8 of a pixel and 2 to spare.
constexpr int kWeightBits = 22;
// What the lower half of a weight takes; the upper half then fits 16 bits with its sign.
constexpr int kLowBits = 11;

// Each pair of neighbouring weights becomes one pair of 16-bit upper and one of lower halves.
// Requires: an even number of weights.
void SplitWeights(const std::vector<std::int32_t>& weights, std::vector<std::int32_t>& high,
                  std::vector<std::int32_t>& low);

// One pixel: the weighted sum of `count` neighbouring ones.
void SumPixels(const std::uint8_t* from, int count, const std::int32_t* weights, std::uint8_t* to);

// One row: the weighted sum of `count` rows, byte by byte.
void SumRows(const std::uint8_t* from, std::size_t stride, int count, const std::int32_t* weights,
             std::size_t bytes, std::uint8_t* to);

// Whether this processor can run the next two.
bool HasFastKernels();

// Bytes that FastSumPixels may read after the end of a row; what they hold does not matter.
constexpr std::size_t kOverread = 32;

// All `width` output pixels of two rows, three bytes each.
void FastSumPixels(const std::uint8_t* first, const std::uint8_t* second, const ResizeAxis& axis,
                   int width, std::uint8_t* to_first, std::uint8_t* to_second);

// Does as many bytes as fit its registers and says how many; SumRows does the rest.
std::size_t FastSumRows(const std::uint8_t* from, std::size_t stride, int count,
                        const std::int32_t* high, const std::int32_t* low, std::size_t bytes,
                        std::uint8_t* to);

}  // namespace roost::trainer
