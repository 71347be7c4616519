#include "base/digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/check.h"
#include "base/files.h"

namespace roost {
namespace {

constexpr std::string_view kPrefix = "b2:";
constexpr std::size_t kBlock = 256 << 10;

// libsodium picks its fastest code and its random source in sodium_init; it may not be used before.
void InitSodium() {
  static const int result = sodium_init();
  ROOST_CHECK(result >= 0);
}

std::string ToHex(const std::uint8_t* bytes, std::size_t count) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(count * 2);
  for (std::size_t i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

// Lower-case only, so that equal digests are equal texts.
int ValueOfHexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

const std::uint8_t* AsBytes(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

}  // namespace

std::string Digest::Hex() const { return ToHex(bytes.data(), bytes.size()); }

std::string Digest::ToText() const { return std::string(kPrefix) + Hex(); }

Result<Digest> Digest::Parse(std::string_view text) {
  const auto bad = [&] {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("\"{}\" is not a digest: write b2: and 64 lower-case hexadecimal digits.",
                    text.substr(0, 80)));
  };
  Digest digest;
  if (!text.starts_with(kPrefix)) return bad();
  const std::string_view digits = text.substr(kPrefix.size());
  if (digits.size() != digest.bytes.size() * 2) return bad();
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    const int high = ValueOfHexDigit(digits[2 * i]);
    const int low = ValueOfHexDigit(digits[2 * i + 1]);
    if (high < 0 || low < 0) return bad();
    digest.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

struct Hasher::State {
  crypto_generichash_state sodium;
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  InitSodium();
  crypto_generichash_init(&state_->sodium, nullptr, 0, sizeof Digest::bytes);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Update(std::string_view piece) {
  ROOST_CHECK(state_ != nullptr);
  crypto_generichash_update(&state_->sodium, AsBytes(piece), piece.size());
}

Digest Hasher::Finish() {
  ROOST_CHECK(state_ != nullptr);
  Digest digest;
  crypto_generichash_final(&state_->sodium, digest.bytes.data(), digest.bytes.size());
  state_.reset();
  return digest;
}

Digest DigestOf(std::string_view content) {
  InitSodium();
  Digest digest;
  crypto_generichash(digest.bytes.data(), digest.bytes.size(), AsBytes(content), content.size(),
                     nullptr, 0);
  return digest;
}

Result<Digest> DigestOfFile(const std::filesystem::path& path) {
  ROOST_ASSIGN(const Fd file, OpenFile(path, O_RDONLY));
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  std::vector<char> block(kBlock);
  Hasher hasher;
  while (true) {
    const ssize_t got = read(file.get(), block.data(), block.size());
    if (got == 0) return hasher.Finish();
    if (got > 0) {
      hasher.Update({block.data(), static_cast<std::size_t>(got)});
    } else if (errno != EINTR) {
      return Fail(ErrnoError("reading " + path.string(), errno));
    }
  }
}

std::string RandomHex(std::size_t bytes) {
  InitSodium();
  if (bytes == 0) return "";
  std::vector<std::uint8_t> random(bytes);
  randombytes_buf(random.data(), random.size());
  return ToHex(random.data(), random.size());
}

}  // namespace roost
