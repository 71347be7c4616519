#include "spec/model_source.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/strings.h"

namespace roost::spec {
namespace {

bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }

// scheme://authority/path;parameters?query#fragment
struct Address {
  std::string scheme;  // in lower case; empty: none
  std::string_view authority;
  std::string_view path;
};

std::string_view TakeScheme(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || !IsAsciiLetter(text[0])) return {};
  const std::string_view scheme = text.substr(0, colon);
  const bool valid = std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '+' || c == '-' || c == '.';
  });
  return valid ? scheme : std::string_view();
}

Address Cut(std::string_view text) {
  Address address;
  if (const std::string_view scheme = TakeScheme(text); !scheme.empty()) {
    address.scheme = scheme;
    for (char& c : address.scheme) c = static_cast<char>(IsAsciiLetter(c) ? (c | 0x20) : c);
    text.remove_prefix(scheme.size() + 1);
  }
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    address.authority = text.substr(0, text.find_first_of("/?#"));
    text.remove_prefix(address.authority.size());
  }
  text = text.substr(0, text.find_first_of("?#"));
  const std::size_t slash = text.rfind('/');
  const std::size_t parameters = text.find(';', slash == std::string_view::npos ? 0 : slash);
  address.path = text.substr(0, parameters);
  return address;
}

int HexValue(char c) {
  if (IsAsciiDigit(c)) return c - '0';
  const char low = static_cast<char>(c | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

std::string Unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
                           HexValue(text[i + 2]) >= 0;
    if (is_escape) {
      plain += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

std::vector<std::string> Segments(std::string_view path) {
  std::vector<std::string> segments = Split(path, '/');
  std::erase(segments, "");
  return segments;
}

std::string JoinFrom(const std::vector<std::string>& segments, std::size_t first) {
  std::string path;
  for (std::size_t i = first; i < segments.size(); ++i) {
    if (!path.empty()) path += '/';
    path += segments[i];
  }
  return path;
}

ModelSource ParseModelsPath(std::string_view path) {
  const std::vector<std::string> segments = Segments(path);
  if (segments.size() == 1 && segments[0].find('@') == std::string::npos) {
    return LoggedModelSource{segments[0], ""};
  }
  if (segments.size() != 2) return OtherSource{};
  RegisteredSource source{segments[0], 0};
  const std::string& digits = segments[1];
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, source.version);
  if (parsed.ec != std::errc() || parsed.ptr != end || source.version < 1) return OtherSource{};
  return source;
}

// <anything>/<run id>/artifacts/<path>, or <anything>/models/<id>/artifacts/<path>. The first
// `artifacts` with an id before it counts, since paths may have parts of that name too.
ModelSource ParseProxyPath(std::string_view path) {
  const std::vector<std::string> segments = Segments(path);
  for (std::size_t i = 1; i < segments.size(); ++i) {
    if (segments[i] != "artifacts") continue;
    std::string rest = JoinFrom(segments, i + 1);
    if (i >= 2 && segments[i - 2] == "models") {
      return LoggedModelSource{segments[i - 1], std::move(rest)};
    }
    return RunSource{segments[i - 1], std::move(rest)};
  }
  return OtherSource{};
}

constexpr std::string_view kProxyRoute = "/mlflow-artifacts/artifacts/";

}  // namespace

std::optional<std::string> LocalPathOfSource(std::string_view source) {
  const Address address = Cut(source);
  if (address.scheme.empty()) return std::string(source);
  if (address.scheme == "file") return Unescape(address.path);
  return {};
}

Status CheckSourceAddress(std::string_view source) {
  std::string plain(source);
  for (std::string next = Unescape(plain); next != plain; next = Unescape(plain)) {
    plain = std::move(next);
  }
  const std::vector<std::string> parts = Split(plain, '/');
  const std::string_view path = Cut(plain).path;
  const std::vector<std::string> segments = Segments(path);
  const bool is_absolute = path.starts_with('/') && !segments.empty();
  const bool leads_elsewhere = std::count(parts.begin(), parts.end(), "..") > 0 ||
                               std::count(segments.begin(), segments.end(), ".") > 0 ||
                               plain.find('\0') != std::string::npos;
  if (is_absolute && !leads_elsewhere) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "Invalid model version source: '" + std::string(source) +
                  "'. If supplying a source as an http, https, local file path, ftp, objectstore, "
                  "or mlflow-artifacts uri, an absolute path must be provided without relative "
                  "path references present. Please provide an absolute path.");
}

ModelSource ParseModelSource(std::string_view source) {
  const Address address = Cut(source);
  if (address.scheme == "models") return ParseModelsPath(address.path);
  if (address.scheme == "runs") {
    const std::vector<std::string> segments = Segments(address.path);
    if (segments.empty()) return OtherSource{};
    return RunSource{segments[0], JoinFrom(segments, 1)};
  }
  if (address.scheme == "mlflow-artifacts") return ParseProxyPath(address.path);
  if (address.scheme == "http" || address.scheme == "https") {
    const std::size_t route = address.path.find(kProxyRoute);
    if (route != std::string_view::npos) {
      return ParseProxyPath(address.path.substr(route + kProxyRoute.size()));
    }
  }
  return OtherSource{};
}

bool IsModelsAddress(std::string_view source) { return TakeScheme(source) == "models"; }

}  // namespace roost::spec
