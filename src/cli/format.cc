#include "cli/format.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/strings.h"

namespace roost::cli {
namespace {

// Reads a decimal number at the start of `text` and removes it.
std::optional<double> TakeNumber(std::string_view& text) {
  double value = 0;
  const auto [end, failure] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (failure != std::errc{} || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<double> SecondsOfUnit(std::string_view unit) {
  if (unit == "s" || unit.empty()) return 1;
  if (unit == "m" || unit == "min") return 60;
  if (unit == "h") return 3600;
  if (unit == "d") return 86400;
  return std::nullopt;
}

}  // namespace

Result<std::int64_t> ParseDuration(std::string_view text) {
  const auto wrong = [&] {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no time: write seconds, or 90s, 30m, 2h, 1d, 1h30m.", text));
  };
  double seconds = 0;
  std::string_view rest = Trim(text);
  if (rest.empty()) return wrong();
  while (!rest.empty()) {
    const auto value = TakeNumber(rest);
    if (!value || *value < 0) return wrong();
    const auto unit_end = rest.find_first_of("0123456789.");
    const auto unit = SecondsOfUnit(rest.substr(0, unit_end));
    if (!unit) return wrong();
    seconds += *value * *unit;
    rest = unit_end == std::string_view::npos ? "" : rest.substr(unit_end);
  }
  if (seconds < 1 || seconds > 1e12) return wrong();
  return static_cast<std::int64_t>(seconds);
}

std::string FormatDuration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "";
  if (seconds < 59.95) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h {:02}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d {:02}h", whole / 86400, whole % 86400 / 3600);
}

Result<std::int64_t> ParseMemory(std::string_view text) {
  std::string_view rest = Trim(text);
  const auto value = TakeNumber(rest);
  double unit = 1;
  if (rest.ends_with("iB")) {
    rest.remove_suffix(2);
  } else if (rest.ends_with("B")) {
    rest.remove_suffix(1);
  }
  bool known = true;
  if (rest == "K" || rest == "k") {
    unit = 1.0 / 1024;
  } else if (rest == "G" || rest == "g") {
    unit = 1024;
  } else if (rest == "T" || rest == "t") {
    unit = 1024.0 * 1024;
  } else if (rest == "P" || rest == "p") {
    unit = 1024.0 * 1024 * 1024;
  } else {
    known = rest.empty() || rest == "M" || rest == "m";
  }
  if (!value || !known || *value < 0 || *value * unit > 1e12) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no amount of memory: write MiB, or 512M, 16G.", text));
  }
  return static_cast<std::int64_t>(std::ceil(*value * unit));
}

Result<KeyValue> ParseKeyValue(const std::string& text, std::string_view what,
                               bool value_optional) {
  const auto equals = text.find('=');
  if (equals == 0 || text.empty() || (equals == std::string::npos && !value_optional)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} '{}' is not of the form KEY=VALUE.", what, text));
  }
  if (equals == std::string::npos) return KeyValue{text, std::nullopt};
  return KeyValue{text.substr(0, equals), text.substr(equals + 1)};
}

std::string LocalTime(const nlohmann::json& time) {
  if (!time.is_string()) return "";
  const auto micros = ParseTime(time.get<std::string>());
  if (!micros) return "";
  const auto seconds = static_cast<std::time_t>(*micros / 1'000'000);
  std::tm local{};
  if (::localtime_r(&seconds, &local) == nullptr) return "";
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return {text, length};
}

std::string Ago(const nlohmann::json& time, std::int64_t now_us) {
  if (!time.is_string()) return "";
  const auto micros = ParseTime(time.get<std::string>());
  if (!micros) return "";
  const std::int64_t seconds = (now_us - *micros) / 1'000'000;
  if (seconds < 0) return LocalTime(time);
  if (seconds < 60) return fmt::format("{} s ago", seconds);
  if (seconds < 3600) return fmt::format("{} min ago", seconds / 60);
  if (seconds < 86400) return fmt::format("{} h ago", seconds / 3600);
  return LocalTime(time).substr(0, 16);
}

std::string PlainText(const nlohmann::json& value) {
  if (value.is_null() || value.is_discarded()) return "";
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string Text(const nlohmann::json& object, std::string_view field) {
  if (!object.is_object()) return "";
  const auto found = object.find(field);
  return found == object.end() ? "" : PlainText(*found);
}

std::optional<double> Number(const nlohmann::json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

std::string ShortNumber(const nlohmann::json& value) {
  if (value.is_number_integer()) return PlainText(value);
  if (value.is_number()) return fmt::format("{:.6g}", value.get<double>());
  return PlainText(value);
}

}  // namespace roost::cli
