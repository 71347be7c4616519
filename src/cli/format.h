#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace roost::cli {

// "90", "90s", "30m", "2h", "1d", "1h30m" in seconds, more than zero.
Result<std::int64_t> ParseDuration(std::string_view text);
// "4.2s", "3m 07s", "2h 05m", "3d 04h".
std::string FormatDuration(double seconds);

// "512" (MiB), "512M", "16G", "1.5G", with or without "iB" or "B", in MiB.
Result<std::int64_t> ParseMemory(std::string_view text);

// "key=value"; with `value_optional`, "key" alone gives no value. `what` names the option in
// errors.
struct KeyValue {
  std::string key;
  std::optional<std::string> value;
};
Result<KeyValue> ParseKeyValue(const std::string& text, std::string_view what, bool value_optional);

// A time of the wire in the user's time zone: "2026-11-21 07:35:28"; "" for an unset one.
std::string LocalTime(const nlohmann::json& time);
// "3 min ago".
std::string Ago(const nlohmann::json& time, std::int64_t now_us);

// Fields of the server's answers, with fallbacks instead of exceptions: text of any plain value
// ("" for null or missing), and numbers ("NaN" and infinities are texts on the wire).
std::string Text(const nlohmann::json& object, std::string_view field);
std::string PlainText(const nlohmann::json& value);
std::optional<double> Number(const nlohmann::json& value);
// Up to six significant digits, for people.
std::string ShortNumber(const nlohmann::json& value);

}  // namespace roost::cli
