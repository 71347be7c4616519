#include "base/clock.h"

#include <gtest/gtest.h>
#include <time.h>

#include <random>
#include <thread>

namespace roost {
namespace {

constexpr Micros kSecond = 1'000'000;

TEST(FormatTimeTest, WritesMicrosecondsInUtc) {
  const std::pair<Micros, std::string> rows[] = {
      {0, "1970-01-01T00:00:00.000000Z"},
      {1, "1970-01-01T00:00:00.000001Z"},
      {1'700'000'000'000'000, "2023-11-14T22:13:20.000000Z"},
      {951'782'400 * kSecond, "2000-02-29T00:00:00.000000Z"},
      {4'107'542'400 * kSecond, "2100-03-01T00:00:00.000000Z"},
      {253'402'300'799 * kSecond + 999'999, "9999-12-31T23:59:59.999999Z"},
  };
  for (const auto& [time, text] : rows) {
    EXPECT_EQ(FormatTime(time), text);
    EXPECT_EQ(ParseTime(text).value(), time) << text;
  }
}

TEST(FormatTimeTest, AgreesWithTheCLibraryThroughAllYears) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::int64_t> seconds(0, 253'402'300'799);
  for (int i = 0; i < 20'000; ++i) {
    const time_t second = seconds(random);
    struct tm parts {};
    gmtime_r(&second, &parts);
    char expected[64];
    strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000042Z", &parts);
    const Micros time = second * kSecond + 42;
    ASSERT_EQ(FormatTime(time), expected);
    ASSERT_EQ(ParseTime(expected).value(), time);
  }
}

TEST(ParseTimeTest, AcceptsFractionsAndOffsets) {
  const Micros time = 1'795'246'528 * kSecond;
  ASSERT_EQ(FormatTime(time), "2026-11-21T07:35:28.000000Z");
  const std::pair<std::string, Micros> rows[] = {
      {"2026-11-21T07:35:28Z", time},
      {"2026-11-21T07:35:28.5Z", time + 500'000},
      {"2026-11-21T07:35:28.123Z", time + 123'000},
      {"2026-11-21T07:35:28.000001Z", time + 1},
      {"2026-11-21T07:35:28.123456999Z", time + 123'456},
      {"2026-11-21T09:35:28+02:00", time},
      {"2026-11-21T13:05:28.25+05:30", time + 250'000},
      {"2026-11-20T23:35:28-08:00", time},
      {"2026-11-21T07:35:28+00:00", time},
      {"2026-11-21T07:35:28-00:00", time},
      {"1970-01-01T01:00:00+01:00", 0},
      {"2024-02-29T00:00:00Z", 1'709'164'800 * kSecond},
  };
  for (const auto& [text, expected] : rows) {
    ASSERT_TRUE(ParseTime(text)) << text;
    EXPECT_EQ(*ParseTime(text), expected) << text;
  }
}

TEST(ParseTimeTest, RefusesWhatIsNoTime) {
  const std::string_view rows[] = {
      "",
      "now",
      "2026-11-21",
      "2026-11-21T07:35Z",
      "2026-11-21T07:35:28",
      "2026-11-21 07:35:28Z",
      "2026-11-21t07:35:28Z",
      "2026-11-21T07:35:28z",
      "2026-11-21T07:35:28.Z",
      "2026-11-21T07:35:28,5Z",
      "2026-11-21T07:35:28.1234567890Z",
      "2026-11-21T07:35:28Z ",
      " 2026-11-21T07:35:28Z",
      "2026-11-21T07:35:28ZZ",
      "2026-11-21T07:35:28+0200",
      "2026-11-21T07:35:28+2:00",
      "2026-11-21T07:35:28+24:00",
      "2026-11-21T07:35:28+02:60",
      "2026-11-21T07:35:28+02:00Z",
      "2026-11-21T7:35:28Z",
      "+026-11-21T07:35:28Z",
      "-026-11-21T07:35:28Z",
      "20261-11-21T07:35:28Z",
      "2026-00-21T07:35:28Z",
      "2026-13-21T07:35:28Z",
      "2026-11-00T07:35:28Z",
      "2026-11-31T07:35:28Z",
      "2026-02-29T07:35:28Z",
      "2100-02-29T07:35:28Z",
      "2026-11-21T24:00:00Z",
      "2026-11-21T07:60:28Z",
      "2026-11-21T07:35:60Z",
      "1969-12-31T23:59:59.999999Z",
      "1970-01-01T00:59:59+01:00",
      "0000-01-01T00:00:00Z",
      "9999-12-31T23:59:59-00:01",
  };
  for (const std::string_view text : rows) {
    const Result<Micros> time = ParseTime(text);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().code, ErrorCode::kInvalidArgument) << text;
  }
}

TEST(ParseTimeTest, SaysWhatIsWrong) {
  EXPECT_EQ(ParseTime("2026-02-29T00:00:00Z").error().message,
            "\"2026-02-29T00:00:00Z\" is not a time: there is no such day; write it like "
            "2026-11-21T07:35:28.123456Z.");
}

TEST(ClockTest, TheMachinesClocksGoForward) {
  const Micros y2024 = 1'704'067'200 * kSecond;
  EXPECT_GT(SystemClock().Now(), y2024);
  const auto before = SystemClock().Steady();
  EXPECT_GE(SystemClock().Steady(), before);
}

TEST(ClockTest, AFakeClockMovesOnlyWhenTold) {
  FakeClock clock(kSecond);
  const auto start = clock.Steady();
  clock.Advance(std::chrono::seconds(2));
  EXPECT_EQ(clock.Now(), 3 * kSecond);
  EXPECT_EQ(clock.Steady() - start, std::chrono::seconds(2));
  clock.SetWall(0);
  EXPECT_EQ(clock.Now(), 0);
  EXPECT_EQ(clock.Steady() - start, std::chrono::seconds(2));
}

// Stores and servers read a test's clock on their own threads; the thread sanitizer watches this.
TEST(ClockTest, AFakeClockIsReadWhileItMoves) {
  FakeClock clock(0);
  const auto start = clock.Steady();
  std::thread reader([&] {
    Micros seen = 0;
    while (seen < 1000) {
      const Micros now = clock.Now();
      EXPECT_GE(now, seen);
      EXPECT_GE(clock.Steady() - start, std::chrono::microseconds(0));
      seen = now;
    }
  });
  for (int i = 0; i < 1000; ++i) clock.Advance(std::chrono::microseconds(1));
  reader.join();
  EXPECT_EQ(clock.Steady() - start, std::chrono::microseconds(1000));
}

}  // namespace
}  // namespace roost
