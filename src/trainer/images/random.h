#pragma once

#include <array>
#include <cstdint>

namespace roost::trainer {

// Random numbers for one image in one epoch: the stream depends on nothing but (seed, epoch,
// index), so an augmentation is the same whichever thread draws it and in whatever order.
//
// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011): block number
// `i` of a stream is the cipher of the counter (i, epoch, index's lower and upper half) under the
// key `seed`. 2^34 numbers of 32 bits a stream. `epoch` counts modulo 2^32.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index);

  std::uint32_t Next32();
  std::uint64_t Next64();
  // Evenly from [0, 1), in steps of 2^-53.
  double Uniform();
  // Evenly from [low, high).
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  // Evenly from low, ..., high - 1, without bias. Requires: low < high.
  std::int64_t Integer(std::int64_t low, std::int64_t high);
  bool Chance(double probability) { return Uniform() < probability; }

  // The cipher itself.
  static std::array<std::uint32_t, 4> Philox(std::array<std::uint32_t, 4> counter,
                                             std::array<std::uint32_t, 2> key);

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;  // of block_
};

}  // namespace roost::trainer
