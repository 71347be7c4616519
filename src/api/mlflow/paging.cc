#include "api/mlflow/paging.h"

#include <charconv>

#include "api/mlflow/errors.h"

namespace roost::api::mlflow {
namespace {

constexpr std::string_view kStart = "o";

}  // namespace

std::string OffsetToken(std::size_t offset) { return std::string(kStart) + std::to_string(offset); }

Result<std::size_t> ReadOffsetToken(const std::string& token) {
  if (token.empty()) return std::size_t{0};
  std::size_t offset = 0;
  const char* end = token.data() + token.size();
  if (token.starts_with(kStart)) {
    const auto parsed = std::from_chars(token.data() + kStart.size(), end, offset);
    if (parsed.ec == std::errc() && parsed.ptr == end) return offset;
  }
  // The words that clients know.
  return Invalid("Invalid page token, could not base64-decode");
}

}  // namespace roost::api::mlflow
