#include "trainer/images/resize_kernels.h"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#define ROOST_AVX2 __attribute__((target("avx2")))
#endif

namespace roost::trainer {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

std::uint8_t ToByte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

std::int32_t Pair(std::int32_t first, std::int32_t second) {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(first) & 0xFFFF) |
                                   static_cast<std::uint32_t>(second) << 16);
}

}  // namespace

void SplitWeights(const std::vector<std::int32_t>& weights, std::vector<std::int32_t>& high,
                  std::vector<std::int32_t>& low) {
  constexpr std::int32_t kLowMask = (1 << kLowBits) - 1;
  high.resize(weights.size() / 2);
  low.resize(weights.size() / 2);
  for (std::size_t i = 0; i < high.size(); ++i) {
    const std::int32_t a = weights[2 * i];
    const std::int32_t b = weights[2 * i + 1];
    high[i] = Pair(a >> kLowBits, b >> kLowBits);
    low[i] = Pair(a & kLowMask, b & kLowMask);
  }
}

void SumPixels(const std::uint8_t* from, int count, const std::int32_t* weights, std::uint8_t* to) {
  std::int32_t red = kHalf, green = kHalf, blue = kHalf;
  for (int k = 0; k < count; ++k, from += 3) {
    red += from[0] * weights[k];
    green += from[1] * weights[k];
    blue += from[2] * weights[k];
  }
  to[0] = ToByte(red);
  to[1] = ToByte(green);
  to[2] = ToByte(blue);
}

void SumRows(const std::uint8_t* from, std::size_t stride, int count, const std::int32_t* weights,
             std::size_t bytes, std::uint8_t* to) {
  constexpr std::size_t kBlock = 64;  // sums that stay in the first cache
  std::array<std::int32_t, kBlock> sums;
  for (std::size_t at = 0; at < bytes; at += kBlock) {
    const std::size_t part = std::min(kBlock, bytes - at);
    sums.fill(kHalf);
    for (int k = 0; k < count; ++k) {
      const std::uint8_t* row = from + static_cast<std::size_t>(k) * stride + at;
      for (std::size_t i = 0; i < part; ++i) sums[i] += row[i] * weights[k];
    }
    for (std::size_t i = 0; i < part; ++i) to[at + i] = ToByte(sums[i]);
  }
}

#if defined(__x86_64__)

bool HasFastKernels() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

namespace {

// Sums of upper and lower halves to pixels: (high * 2^11 + low + 1/2) / 2^22.
ROOST_AVX2 inline __m256i Round(__m256i high, __m256i low) {
  const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low);
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(kHalf)), kWeightBits);
}

ROOST_AVX2 inline __m128i Load(const std::uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

}  // namespace

// A register holds the same four neighbouring pixels of both rows, one row in each half. A shuffle
// puts the same colour of two neighbours side by side for a multiply-and-add with their weights.
ROOST_AVX2 void FastSumPixels(const std::uint8_t* first, const std::uint8_t* second,
                              const ResizeAxis& axis, int width, std::uint8_t* to_first,
                              std::uint8_t* to_second) {
  const __m256i pixels01 = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  const __m256i pixels23 = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
  const std::size_t pairs = static_cast<std::size_t>(axis.taps) / 2;
  for (int x = 0; x < width; ++x) {
    const ResizeAxis::Span span = axis.spans[static_cast<std::size_t>(x)];
    const std::int32_t* high = axis.high.data() + static_cast<std::size_t>(x) * pairs;
    const std::int32_t* low = axis.low.data() + static_cast<std::size_t>(x) * pairs;
    const std::size_t offset = static_cast<std::size_t>(span.first) * 3;
    const std::uint8_t* a = first + offset;
    const std::uint8_t* b = second + offset;
    __m256i high_sum = _mm256_setzero_si256();
    __m256i low_sum = _mm256_setzero_si256();
    for (int k = 0; k < span.count; k += 4, a += 12, b += 12, high += 2, low += 2) {
      const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(Load(a)), Load(b), 1);
      const __m256i p01 = _mm256_shuffle_epi8(both, pixels01);
      const __m256i p23 = _mm256_shuffle_epi8(both, pixels23);
      high_sum = _mm256_add_epi32(
          high_sum, _mm256_add_epi32(_mm256_madd_epi16(p01, _mm256_set1_epi32(high[0])),
                                     _mm256_madd_epi16(p23, _mm256_set1_epi32(high[1]))));
      low_sum = _mm256_add_epi32(
          low_sum, _mm256_add_epi32(_mm256_madd_epi16(p01, _mm256_set1_epi32(low[0])),
                                    _mm256_madd_epi16(p23, _mm256_set1_epi32(low[1]))));
    }
    const __m256i words = _mm256_packs_epi32(Round(high_sum, low_sum), _mm256_setzero_si256());
    const __m256i bytes = _mm256_packus_epi16(words, _mm256_setzero_si256());
    const std::int32_t pixel_a = _mm256_extract_epi32(bytes, 0);
    const std::int32_t pixel_b = _mm256_extract_epi32(bytes, 4);
    // The fourth byte is overwritten by the next pixel; after the last there is no room for it.
    const std::size_t count = x + 1 < width ? 4 : 3;
    std::memcpy(to_first, &pixel_a, count);
    std::memcpy(to_second, &pixel_b, count);
    to_first += 3;
    to_second += 3;
  }
}

ROOST_AVX2 std::size_t FastSumRows(const std::uint8_t* from, std::size_t stride, int count,
                                   const std::int32_t* high, const std::int32_t* low,
                                   std::size_t bytes, std::uint8_t* to) {
  std::size_t at = 0;
  for (; at + 16 <= bytes; at += 16) {
    __m256i high_left = _mm256_setzero_si256(), high_right = high_left;
    __m256i low_left = high_left, low_right = high_left;
    const std::uint8_t* row = from + at;
    for (int k = 0; k < count; k += 2, row += 2 * stride) {
      const __m128i a = Load(row);
      const __m128i b = k + 1 < count ? Load(row + stride) : a;  // its weight is 0 there
      const __m256i left = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b));
      const __m256i right = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
      const __m256i high_pair = _mm256_set1_epi32(high[k / 2]);
      const __m256i low_pair = _mm256_set1_epi32(low[k / 2]);
      high_left = _mm256_add_epi32(high_left, _mm256_madd_epi16(left, high_pair));
      high_right = _mm256_add_epi32(high_right, _mm256_madd_epi16(right, high_pair));
      low_left = _mm256_add_epi32(low_left, _mm256_madd_epi16(left, low_pair));
      low_right = _mm256_add_epi32(low_right, _mm256_madd_epi16(right, low_pair));
    }
    // Packing works within halves of a register; the permutation puts them in order.
    const __m256i words = _mm256_permute4x64_epi64(
        _mm256_packs_epi32(Round(high_left, low_left), Round(high_right, low_right)), 0xD8);
    const __m128i packed =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), packed);
  }
  return at;
}

#else

bool HasFastKernels() { return false; }
void FastSumPixels(const std::uint8_t*, const std::uint8_t*, const ResizeAxis&, int, std::uint8_t*,
                   std::uint8_t*) {}
std::size_t FastSumRows(const std::uint8_t*, std::size_t, int, const std::int32_t*,
                        const std::int32_t*, std::size_t, std::uint8_t*) {
  return 0;
}

#endif

}  // namespace roost::trainer
