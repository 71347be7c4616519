#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace roost {

// BLAKE2b-256 of some content, written "b2:<64 hex digits>". Python's
// hashlib.blake2b(digest_size=32) gives the same bytes.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const Digest&) const = default;
  std::string Hex() const;     // 64 digits
  std::string ToText() const;  // "b2:" + Hex()
  static Result<Digest> Parse(std::string_view text);
};

// Hashes content that arrives in pieces.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  void Update(std::string_view piece);
  Digest Finish();  // Requires: called once.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest DigestOf(std::string_view content);
Result<Digest> DigestOfFile(const std::filesystem::path& path);

// `bytes` random bytes from the system, as lower-case hex (two digits a byte).
std::string RandomHex(std::size_t bytes);

}  // namespace roost

template <>
struct std::hash<roost::Digest> {
  std::size_t operator()(const roost::Digest& digest) const noexcept {
    std::size_t value = 0;
    __builtin_memcpy(&value, digest.bytes.data(), sizeof value);
    return value;
  }
};
