#include "cli/format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace roost::cli {
namespace {

using nlohmann::json;

TEST(DurationTest, ReadsWhatPeopleWrite) {
  const struct {
    const char* text;
    std::int64_t seconds;
  } cases[] = {{"90", 90},    {"90s", 90},     {"30m", 1800},  {"2h", 7200},
               {"1d", 86400}, {"1h30m", 5400}, {"1.5h", 5400}, {" 5min ", 300}};
  for (const auto& one : cases) EXPECT_EQ(ParseDuration(one.text).value_or(-1), one.seconds);
  for (const char* text : {"", "abc", "-5", "5 parsecs", "h", "0", "1h-3m", "nan", "inf", "1e99"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(DurationTest, IsShownInTwoUnits) {
  const struct {
    double seconds;
    const char* text;
  } cases[] = {{0, "0.0s"},      {4.21, "4.2s"},     {59.97, "1m 00s"}, {187, "3m 07s"},
               {7500, "2h 05m"}, {273600, "3d 04h"}, {-1, ""}};
  for (const auto& one : cases) EXPECT_EQ(FormatDuration(one.seconds), one.text);
}

TEST(MemoryTest, ReadsUnits) {
  const struct {
    const char* text;
    std::int64_t mb;
  } cases[] = {{"512", 512},    {"512M", 512},   {"512MiB", 512},         {"2G", 2048},
               {"1.5GB", 1536}, {"1T", 1 << 20}, {"100PiB", 100LL << 30}, {"1k", 1},
               {"0", 0}};
  for (const auto& one : cases) EXPECT_EQ(ParseMemory(one.text).value_or(-1), one.mb) << one.text;
  for (const char* text : {"", "G", "2X", "-1", "1GG", "2Gi"}) {
    EXPECT_FALSE(ParseMemory(text)) << text;
  }
}

TEST(KeyValueTest, SplitsAtTheFirstEqualsSign) {
  const auto pair = ParseKeyValue("a=b=c", "--env", false);
  ASSERT_TRUE(pair);
  EXPECT_EQ(pair->key, "a");
  EXPECT_EQ(pair->value, "b=c");
  EXPECT_EQ(ParseKeyValue("empty=", "--env", false)->value, "");
  EXPECT_EQ(ParseKeyValue("flag", "--tag", true)->value, std::nullopt);
  EXPECT_FALSE(ParseKeyValue("flag", "--env", false));
  EXPECT_FALSE(ParseKeyValue("=x", "--env", false));
}

TEST(NumberTest, KnowsTheWiresTexts) {
  EXPECT_EQ(Number(json(1.5)), 1.5);
  EXPECT_TRUE(std::isnan(*Number(json("NaN"))));
  EXPECT_LT(*Number(json("-Infinity")), 0);
  EXPECT_FALSE(Number(json("1.5")));
  EXPECT_FALSE(Number(json()));
  EXPECT_EQ(ShortNumber(json(0.123456789)), "0.123457");
  EXPECT_EQ(ShortNumber(json(12345678)), "12345678");
  EXPECT_EQ(ShortNumber(json("NaN")), "NaN");
}

TEST(TimeTest, AgoIsRelativeForADay) {
  const std::int64_t now = 1'700'000'000'000'000;
  EXPECT_EQ(Ago(json("2023-11-14T22:13:10.000000Z"), now), "10 s ago");
  EXPECT_EQ(Ago(json("2023-11-14T20:13:20Z"), now), "2 h ago");
  EXPECT_EQ(Ago(json(), now), "");
  EXPECT_EQ(LocalTime(json("no time")), "");
}

}  // namespace
}  // namespace roost::cli
