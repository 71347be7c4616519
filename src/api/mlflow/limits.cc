#include "api/mlflow/limits.h"

#include <algorithm>
#include <vector>

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

// What the key is as a path, without "." and "..", doubled slashes or one at the end.
std::string Normalized(std::string_view key) {
  const bool absolute = key.starts_with('/');
  std::vector<std::string_view> parts;
  while (!key.empty()) {
    const std::size_t slash = std::min(key.find('/'), key.size());
    const std::string_view part = key.substr(0, slash);
    key.remove_prefix(std::min(slash + 1, key.size()));
    if (part.empty() || part == ".") continue;
    if (part != ".." || (parts.empty() && !absolute) || (!parts.empty() && parts.back() == "..")) {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  std::string path;
  for (const std::string_view part : parts) {
    if (!path.empty() || absolute) path += '/';
    path += part;
  }
  if (path.empty()) path = absolute ? "/" : ".";
  return path;
}

// Most names have neither dots in front nor slashes.
bool MayLeadElsewhere(std::string_view key) {
  return key.starts_with('.') || key.find('/') != std::string_view::npos;
}

bool LeadsElsewhere(std::string_view key, const std::string& normalized) {
  return key != normalized || key == "." || key.starts_with("..") || key.starts_with('/');
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

bool IsRunIdForm(std::string_view id) {
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  if (id.empty() || !is_plain(id[0]) || CountCharacters(id) > 256) return false;
  // What is beyond ASCII may be a letter of any language.
  return std::all_of(id.begin(), id.end(), [&](char c) {
    return is_plain(c) || c == '_' || c == '-' || static_cast<unsigned char>(c) >= 0x80;
  });
}

Status CheckLength(std::string_view path, std::string_view text, std::size_t most) {
  if (text.size() <= most || CountCharacters(text) <= most) return {};
  return Invalid("'" + std::string(path) + "' exceeds the maximum length of " +
                 std::to_string(most) + " characters");
}

Status CheckKey(std::string_view path, std::string_view key, std::string_view length_name) {
  if (!std::all_of(key.begin(), key.end(), MayBeInKey)) {
    return InvalidValue(path, key,
                        "Names may only contain alphanumerics, underscores (_), dashes (-), "
                        "periods (.), spaces ( ), colon(:) and slashes (/).");
  }
  if (MayLeadElsewhere(key)) {
    const std::string normalized = Normalized(key);
    if (LeadsElsewhere(key, normalized)) {
      return InvalidValue(path, key,
                          "Names may be treated as files in certain cases, and must not resolve "
                          "to other names when treated as such. This name would resolve to '" +
                              normalized + "'");
    }
  }
  return CheckLength(length_name.empty() ? path : length_name, key, kMaxKey);
}

}  // namespace roost::api::mlflow
