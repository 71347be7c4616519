#include "trainer/images/random.h"

#include "base/check.h"

namespace roost::trainer {
namespace {

std::uint32_t Lower(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
std::uint32_t Upper(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

}  // namespace

Random::Random(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index)
    : key_{Lower(seed), Upper(seed)}, counter_{0, Lower(epoch), Lower(index), Upper(index)} {}

std::array<std::uint32_t, 4> Random::Philox(std::array<std::uint32_t, 4> counter,
                                            std::array<std::uint32_t, 2> key) {
  constexpr std::uint64_t kMultiply0 = 0xD2511F53, kMultiply1 = 0xCD9E8D57;
  constexpr std::uint32_t kStep0 = 0x9E3779B9, kStep1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = kMultiply0 * counter[0];
    const std::uint64_t b = kMultiply1 * counter[2];
    counter = {Upper(b) ^ counter[1] ^ key[0], Lower(b), Upper(a) ^ counter[3] ^ key[1], Lower(a)};
    key = {key[0] + kStep0, key[1] + kStep1};
  }
  return counter;
}

std::uint32_t Random::Next32() {
  if (used_ == 4) {
    block_ = Philox(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[used_++];
}

std::uint64_t Random::Next64() {
  const std::uint64_t low = Next32();
  return low | std::uint64_t{Next32()} << 32;
}

double Random::Uniform() { return static_cast<double>(Next64() >> 11) * 0x1p-53; }

std::int64_t Random::Integer(std::int64_t low, std::int64_t high) {
  ROOST_CHECK(low < high);
  const std::uint64_t count = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  // The values below this limit fall evenly on the remainders; 0 - count is 2^64 - count.
  const std::uint64_t reject_below = (0 - count) % count;
  std::uint64_t value = Next64();
  while (value < reject_below) value = Next64();
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + value % count);
}

}  // namespace roost::trainer
