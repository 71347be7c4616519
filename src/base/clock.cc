#include "base/clock.h"

#include <fmt/format.h>

namespace roost {
namespace {

using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr Micros kSecond = 1'000'000;
constexpr Micros kEndOfYear9999 =
    microseconds(sys_days(std::chrono::year(10000) / 1 / 1).time_since_epoch()).count();

class MachineClock : public Clock {
 public:
  Micros Now() const override {
    return std::chrono::duration_cast<microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  std::chrono::steady_clock::time_point Steady() const override {
    return std::chrono::steady_clock::now();
  }
};

// Takes a text apart from left to right; after the first mismatch everything fails.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool Take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool TakeDigit(int& digit) {
    if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return false;
    digit = rest_.front() - '0';
    rest_.remove_prefix(1);
    return true;
  }
  bool TakeNumber(int digits, int& number) {
    number = 0;
    for (int i = 0; i < digits; ++i) {
      int digit = 0;
      if (!TakeDigit(digit)) return false;
      number = number * 10 + digit;
    }
    return true;
  }
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// ".5" to ".123456789"; what is finer than a microsecond is cut off.
bool TakeFraction(Scanner& scanner, Micros& fraction) {
  fraction = 0;
  if (!scanner.Take('.')) return true;
  Micros unit = kSecond / 10;
  int digit = 0;
  int count = 0;
  for (; count < 9 && scanner.TakeDigit(digit); ++count) {
    fraction += digit * unit;
    unit /= 10;
  }
  return count > 0;
}

// "Z" or "+02:00"; local time is `offset` ahead of UTC.
bool TakeOffset(Scanner& scanner, Micros& offset) {
  offset = 0;
  if (scanner.Take('Z')) return true;
  const bool ahead = scanner.Take('+');
  if (!ahead && !scanner.Take('-')) return false;
  int hours = 0;
  int minutes = 0;
  if (!scanner.TakeNumber(2, hours) || !scanner.Take(':') || !scanner.TakeNumber(2, minutes)) {
    return false;
  }
  if (hours > 23 || minutes > 59) return false;
  offset = (ahead ? 1 : -1) * (hours * 60 + minutes) * 60 * kSecond;
  return true;
}

tl::unexpected<Error> BadTime(std::string_view text, std::string_view why) {
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" is not a time: {}; write it like 2026-11-21T07:35:28.123456Z.",
                          text.substr(0, 64), why));
}

}  // namespace

Clock& SystemClock() {
  static MachineClock clock;
  return clock;
}

std::string FormatTime(Micros time) {
  const std::chrono::sys_time<microseconds> point{microseconds(time)};
  const auto day = std::chrono::floor<days>(point);
  const year_month_day date(day);
  const std::chrono::hh_mm_ss<microseconds> clock(point - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

Result<Micros> ParseTime(std::string_view text) {
  Scanner scanner(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  Micros fraction = 0, offset = 0;
  const bool has_shape =
      scanner.TakeNumber(4, year) && scanner.Take('-') && scanner.TakeNumber(2, month) &&
      scanner.Take('-') && scanner.TakeNumber(2, day) && scanner.Take('T') &&
      scanner.TakeNumber(2, hour) && scanner.Take(':') && scanner.TakeNumber(2, minute) &&
      scanner.Take(':') && scanner.TakeNumber(2, second) && TakeFraction(scanner, fraction);
  if (!has_shape) return BadTime(text, "it does not have that shape");
  if (scanner.AtEnd()) return BadTime(text, "it has neither Z nor an offset such as +02:00");
  if (!TakeOffset(scanner, offset) || !scanner.AtEnd()) {
    return BadTime(text, "its end is neither Z nor an offset such as +02:00");
  }

  const year_month_day date{std::chrono::year(year),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return BadTime(text, "there is no such day");
  if (hour > 23 || minute > 59 || second > 59) return BadTime(text, "there is no such time of day");

  const Micros midnight = microseconds(sys_days(date).time_since_epoch()).count();
  const Micros time = midnight + ((hour * 60 + minute) * 60 + second) * kSecond + fraction - offset;
  if (time < 0 || time >= kEndOfYear9999) {
    return BadTime(text, "it is not within the years 1970 to 9999");
  }
  return time;
}

}  // namespace roost
