#include "api/mlflow/artifact_path.h"

#include <algorithm>

#include "api/mlflow/errors.h"
#include "base/strings.h"
#include "spec/run_definition.h"

namespace roost::api::mlflow {
namespace {

// More layers of escapes than this are no file's name.
constexpr int kMostLayers = 10;

int HexValueOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A '%' without two hex digits stands for itself.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexValueOf(text[i + 1]) >= 0 &&
                        HexValueOf(text[i + 2]) >= 0;
    if (!escape) {
      plain += text[i];
      continue;
    }
    plain += static_cast<char>(HexValueOf(text[i + 1]) * 16 + HexValueOf(text[i + 2]));
    i += 2;
  }
  return plain;
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool IsDrive(std::string_view part) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return part.size() == 2 && part[1] == ':' && is_letter(part[0]);
}

tl::unexpected<Error> Refused() { return Invalid("Invalid path"); }

}  // namespace

Result<std::string> SafePath(std::string_view sent) {
  std::string path(sent);
  for (int layer = 0;; ++layer) {
    std::string plain = Unescape(path);
    if (plain == path) break;
    if (layer == kMostLayers) return Refused();
    path = std::move(plain);
  }
  // In the middle, "//" begins what is an absolute path to whoever takes the part before it away.
  const bool is_absolute = path.find("//") != std::string::npos || path.starts_with('/');
  if (is_absolute || path.starts_with("file:")) return Refused();
  if (path.find_first_of("#\\") != std::string::npos) return Refused();
  if (std::any_of(path.begin(), path.end(), IsControl)) return Refused();
  std::string normal;
  for (const std::string& part : Split(path, '/')) {
    if (part.empty() || part == ".") continue;  // empty: behind a last slash
    if (part == ".." || IsDrive(part)) return Refused();
    if (!normal.empty()) normal += '/';
    normal += part;
  }
  if (!normal.empty() && !spec::CheckArtifactPath(normal)) return Refused();
  return normal;
}

}  // namespace roost::api::mlflow
