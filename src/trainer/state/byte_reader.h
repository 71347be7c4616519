#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

static_assert(std::endian::native == std::endian::little, "The formats here are little-endian.");

namespace roost::trainer {

// Reads little-endian fields one after the other. Past the end every read gives zero or an empty
// text and ok() becomes false for good, so that a record can be read whole and checked once.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes, std::size_t at = 0)
      : bytes_(bytes), at_(at), ok_(at <= bytes.size()) {}

  bool ok() const { return ok_; }
  std::size_t at() const { return at_; }
  std::size_t left() const { return ok_ ? bytes_.size() - at_ : 0; }

  template <std::unsigned_integral T>
  T Get() {
    T value = 0;
    if (const std::string_view raw = Take(sizeof(T)); ok_) {
      std::memcpy(&value, raw.data(), sizeof(T));
    }
    return value;
  }
  std::string_view Take(std::uint64_t count) {
    if (count > left()) ok_ = false;
    if (!ok_) return {};
    const std::string_view taken = bytes_.substr(at_, static_cast<std::size_t>(count));
    at_ += taken.size();
    return taken;
  }
  // Up to the next line feed, which is taken and left out.
  std::string_view TakeLine() {
    const std::size_t end = ok_ ? bytes_.find('\n', at_) : std::string_view::npos;
    if (end == std::string_view::npos) {
      ok_ = false;
      return {};
    }
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

 private:
  std::string_view bytes_;
  std::size_t at_;
  bool ok_;
};

template <std::unsigned_integral T>
void AppendLittle(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace roost::trainer
