#include "api/mlflow/limits.h"

#include <algorithm>

#include "api/mlflow/errors.h"
#include "api/mlflow/message.h"

namespace roost::api::mlflow {
namespace {

bool StartsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

// Letters of every script count as letters.
bool MayBeInKey(char c) {
  const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return plain || static_cast<unsigned char>(c) >= 0x80U ||
         std::string_view("_-./: ").find(c) != std::string_view::npos;
}

// A path without "." and "..", doubled slashes or one at an end.
bool IsNormalPath(std::string_view key) {
  if (key.starts_with('/') || key.ends_with('/')) return false;
  while (true) {
    const std::size_t slash = key.find('/');
    const std::string_view part = key.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    key.remove_prefix(slash + 1);
  }
}

}  // namespace

std::size_t CountCharacters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), StartsCharacter));
}

std::string CutTo(std::string text, std::size_t count) {
  if (text.size() <= count) return text;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!StartsCharacter(text[i])) continue;
    if (count == 0) {
      text.resize(i);
      break;
    }
    --count;
  }
  return text;
}

Status CheckLength(std::string_view path, std::string_view text, std::size_t most) {
  if (text.size() <= most || CountCharacters(text) <= most) return {};
  return Invalid("'" + std::string(path) + "' exceeds the maximum length of " +
                 std::to_string(most) + " characters");
}

Status CheckKey(std::string_view path, const std::string& key) {
  if (!std::all_of(key.begin(), key.end(), MayBeInKey)) {
    return InvalidValue(path, key,
                        "Names may only contain alphanumerics, underscores (_), dashes (-), "
                        "periods (.), spaces ( ), colon(:) and slashes (/).");
  }
  if (!IsNormalPath(key)) {
    return InvalidValue(path, key,
                        "Names may be treated as files in certain cases, and must not resolve to "
                        "other names when treated as such.");
  }
  return CheckLength(path, key, kMaxKey);
}

}  // namespace roost::api::mlflow
