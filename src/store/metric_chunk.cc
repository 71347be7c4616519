#include "store/metric_chunk.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/check.h"

namespace roost::store {

static_assert(std::endian::native == std::endian::little, "chunks are written as little endian");

namespace {

constexpr char kPointsVersion = 1;
constexpr char kPyramidVersion = 1;
constexpr std::uint32_t kNoPoint = 0xffffffff;

// Compression at level 1: losses and rates of a training shrink nearly as far as at higher levels,
// and the writer's thread is shared by all clients.
constexpr int kCompressionLevel = 1;

// How steps are written: most series count by a constant.
enum class StepForm : char { kConstantStride = 0, kDeltas = 1 };

Error Damaged(std::string_view what) {
  return {ErrorCode::kInternal,
          "A stored chunk of metric points is damaged (" + std::string(what) +
              "). Restore the data folder from a backup.",
          {}};
}

std::uint64_t ZigZag(std::uint64_t delta) { return (delta << 1) ^ (0 - (delta >> 63)); }
std::uint64_t UnZigZag(std::uint64_t value) { return (value >> 1) ^ (0 - (value & 1)); }

void PutVarint(std::string* to, std::uint64_t value) {
  char bytes[10];
  std::size_t count = 0;
  while (value >= 0x80) {
    bytes[count++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes[count++] = static_cast<char>(value);
  to->append(bytes, count);
}

// Reads plain bytes; every read says whether there was enough.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}
  bool Varint(std::uint64_t* value) {
    *value = 0;
    for (std::size_t i = 0; i < rest_.size() && i < 10; ++i) {
      const auto byte = static_cast<std::uint8_t>(rest_[i]);
      *value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }
  template <class T>
  bool Plain(T* value) {
    if (rest_.size() < sizeof(T)) return false;
    std::memcpy(value, rest_.data(), sizeof(T));
    rest_.remove_prefix(sizeof(T));
    return true;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

template <class T>
void PutPlain(std::string* to, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  to->append(bytes, sizeof(T));
}

// Differences wrap around like unsigned numbers, so any two values have one.
std::uint64_t Difference(std::int64_t value, std::int64_t from) {
  return static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(from);
}
std::int64_t Sum(std::int64_t value, std::uint64_t delta) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) + delta);
}

void PutSteps(std::span<const StoredPoint> points, std::string* to) {
  const std::uint64_t stride =
      points.size() > 1 ? Difference(points[1].step, points[0].step) : std::uint64_t{1};
  bool constant = true;
  for (std::size_t i = 1; i < points.size() && constant; ++i) {
    constant = Difference(points[i].step, points[i - 1].step) == stride;
  }
  if (constant) {
    to->push_back(static_cast<char>(StepForm::kConstantStride));
    PutVarint(to, ZigZag(static_cast<std::uint64_t>(points[0].step)));
    PutVarint(to, ZigZag(stride));
    return;
  }
  to->push_back(static_cast<char>(StepForm::kDeltas));
  std::int64_t previous = 0;
  for (const StoredPoint& point : points) {
    PutVarint(to, ZigZag(Difference(point.step, previous)));
    previous = point.step;
  }
}

bool GetSteps(Input* input, std::span<StoredPoint> points) {
  char form = 0;
  if (!input->Plain(&form)) return false;
  std::uint64_t delta = 0;
  if (form == static_cast<char>(StepForm::kConstantStride)) {
    std::uint64_t first = 0;
    if (!input->Varint(&first) || !input->Varint(&delta)) return false;
    std::int64_t step = static_cast<std::int64_t>(UnZigZag(first));
    for (StoredPoint& point : points) {
      point.step = step;
      step = Sum(step, UnZigZag(delta));
    }
    return true;
  }
  if (form != static_cast<char>(StepForm::kDeltas)) return false;
  std::int64_t previous = 0;
  for (StoredPoint& point : points) {
    if (!input->Varint(&delta)) return false;
    previous = point.step = Sum(previous, UnZigZag(delta));
  }
  return true;
}

// The eight bytes of the values one after the other: neighbours share sign and exponent, and values
// that were 32-bit floats have zeros in their low bytes, which then lie together and vanish.
void PutValues(std::span<const StoredPoint> points, std::string* to) {
  const std::size_t start = to->size();
  const std::size_t count = points.size();
  to->resize(start + 8 * count);
  char* out = to->data() + start;
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint64_t>(points[i].value);
    for (std::size_t plane = 0; plane < 8; ++plane) {
      out[plane * count + i] = static_cast<char>(bits >> (8 * plane));
    }
  }
}

bool GetValues(std::string_view bytes, std::span<StoredPoint> points) {
  const std::size_t count = points.size();
  if (bytes.size() != 8 * count) return false;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t bits = 0;
    for (std::size_t plane = 0; plane < 8; ++plane) {
      const auto byte = static_cast<std::uint8_t>(bytes[plane * count + i]);
      bits |= static_cast<std::uint64_t>(byte) << (8 * plane);
    }
    points[i].value = std::bit_cast<double>(bits);
  }
  return true;
}

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

void PutExtreme(std::string* to, const std::optional<StoredPoint>& point, std::int64_t first_seq) {
  const StoredPoint plain = point.value_or(StoredPoint{});
  PutPlain(to, point ? static_cast<std::uint32_t>(plain.seq - first_seq) : kNoPoint);
  PutPlain(to, plain.step);
  PutPlain(to, plain.time);
  PutPlain(to, plain.value);
}

bool GetExtreme(Input* input, std::int64_t first_seq, std::optional<StoredPoint>* to) {
  std::uint32_t offset = 0;
  StoredPoint point;
  if (!input->Plain(&offset) || !input->Plain(&point.step) || !input->Plain(&point.time) ||
      !input->Plain(&point.value)) {
    return false;
  }
  if (offset == kNoPoint) return true;
  point.seq = first_seq + static_cast<std::int64_t>(offset);
  *to = point;
  return true;
}

void PutExtremes(std::string* to, const Extremes& extremes, std::int64_t first_seq) {
  PutPlain(to, static_cast<std::uint32_t>(extremes.count));
  PutExtreme(to, extremes.low, first_seq);
  PutExtreme(to, extremes.high, first_seq);
  PutExtreme(to, extremes.odd, first_seq);
}

bool GetExtremes(Input* input, std::int64_t first_seq, Extremes* to) {
  std::uint32_t count = 0;
  if (!input->Plain(&count)) return false;
  to->count = count;
  return GetExtreme(input, first_seq, &to->low) && GetExtreme(input, first_seq, &to->high) &&
         GetExtreme(input, first_seq, &to->odd);
}

}  // namespace

void Extremes::Add(const StoredPoint& point) {
  ++count;
  if (!std::isfinite(point.value)) {
    if (!odd) odd = point;
    return;
  }
  if (!low || point.value < low->value) low = point;
  if (!high || point.value > high->value) high = point;
}

void Extremes::Add(const Extremes& later) {
  count += later.count;
  if (later.low && (!low || later.low->value < low->value)) low = later.low;
  if (later.high && (!high || later.high->value > high->value)) high = later.high;
  if (!odd) odd = later.odd;
}

std::string EncodePoints(std::span<const StoredPoint> points) {
  ROOST_CHECK(!points.empty() && points.size() <= kChunkPoints);
  std::string plain;
  plain.reserve(points.size() * 12 + 64);
  PutSteps(points, &plain);
  std::int64_t previous = 0;
  for (const StoredPoint& point : points) {
    PutVarint(&plain, ZigZag(Difference(point.time, previous)));
    previous = point.time;
  }
  PutValues(points, &plain);

  thread_local std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
  std::string data(1 + ZSTD_compressBound(plain.size()), '\0');
  data[0] = kPointsVersion;
  const std::size_t size = ZSTD_compressCCtx(context.get(), data.data() + 1, data.size() - 1,
                                             plain.data(), plain.size(), kCompressionLevel);
  ROOST_CHECK(!ZSTD_isError(size));
  data.resize(1 + size);
  return data;
}

Status DecodePoints(std::string_view data, std::int64_t first_seq, std::size_t count,
                    std::vector<StoredPoint>* to) {
  if (data.empty() || data[0] != kPointsVersion) return Fail(Damaged("unknown format"));
  if (count == 0 || count > kChunkPoints) return Fail(Damaged("wrong count"));
  data.remove_prefix(1);
  // Steps and times take at most ten bytes each, and the form of the steps one.
  std::array<char, kChunkPoints * 28 + 1> plain;
  thread_local std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
  const std::size_t size =
      ZSTD_decompressDCtx(context.get(), plain.data(), plain.size(), data.data(), data.size());
  if (ZSTD_isError(size)) return Fail(Damaged(ZSTD_getErrorName(size)));

  const std::size_t start = to->size();
  to->resize(start + count);
  const std::span<StoredPoint> points(to->data() + start, count);
  Input input(std::string_view(plain.data(), size));
  bool good = GetSteps(&input, points);
  std::int64_t previous = 0;
  for (std::size_t i = 0; i < count && good; ++i) {
    std::uint64_t delta = 0;
    good = input.Varint(&delta);
    previous = points[i].time = Sum(previous, UnZigZag(delta));
    points[i].seq = first_seq + static_cast<std::int64_t>(i);
  }
  if (!good || !GetValues(input.rest(), points)) {
    to->resize(start);
    return Fail(Damaged("cut off"));
  }
  return {};
}

std::string EncodePyramid(std::span<const StoredPoint> points) {
  ROOST_CHECK(!points.empty() && points.size() <= kChunkPoints);
  Extremes whole;
  std::string blocks;
  const std::int64_t first_seq = points[0].seq;
  for (std::size_t start = 0; start < points.size(); start += kBlockPoints) {
    Extremes block;
    for (const StoredPoint& point :
         points.subspan(start, std::min(kBlockPoints, points.size() - start))) {
      block.Add(point);
    }
    whole.Add(block);
    PutExtremes(&blocks, block, first_seq);
  }
  std::string data(1, kPyramidVersion);
  PutExtremes(&data, whole, first_seq);
  return data + blocks;
}

Result<Pyramid> DecodePyramid(std::string_view data, std::int64_t first_seq) {
  if (data.empty() || data[0] != kPyramidVersion) return Fail(Damaged("unknown pyramid"));
  Input input(data.substr(1));
  Pyramid pyramid;
  if (!GetExtremes(&input, first_seq, &pyramid.whole)) return Fail(Damaged("pyramid cut off"));
  while (!input.rest().empty()) {
    if (!GetExtremes(&input, first_seq, &pyramid.blocks.emplace_back())) {
      return Fail(Damaged("pyramid cut off"));
    }
  }
  return pyramid;
}

}  // namespace roost::store
