#include "spec/launch_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace roost::spec {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

LaunchRequest SomeRequest() {
  LaunchRequest request;
  request.mounts = {{"/data/\xff", "/work/in"}};
  request.launch_id = "4f1c";
  request.attempt = 2;
  request.rank = 3;
  request.argv = {"/usr/bin/python3", "train.py", "", "ü \"quoted\"\n"};
  request.environment = {{"PATH", "/usr/bin"}, {"EMPTY", ""}};
  request.working_folder = "/data/runs/x/attempt-2/scratch/work";
  request.log_file = "/data/runs/x/attempt-2/azureml-logs/70_driver_log.txt";
  request.time_limit_ms = 1000;
  request.grace_ms = 5;
  request.memory_limit_mb = 2048;
  return request;
}

ExitRecord SomeRecord() {
  ExitRecord record;
  record.launch_id = "4f1c";
  record.attempt = 2;
  record.rank = 1;
  record.boot_id = "b";
  record.pid = 4711;
  record.started_at = 1'700'000'000'000'001;
  record.ended_at = 1'700'000'000'000'002;
  record.code = 137;
  record.signal = 9;
  record.out_of_memory = true;
  record.cause = EndCause::kMemoryLimit;
  record.message = "over the limit";
  record.user_cpu_seconds = 1.25;
  record.system_cpu_seconds = 0.1;
  record.max_rss_kb = 1 << 20;
  return record;
}

// The fields, for comparing.
auto Fields(const LaunchRequest& r) {
  return std::tie(r.launch_id, r.attempt, r.rank, r.argv, r.environment, r.working_folder,
                  r.log_file, r.time_limit_ms, r.grace_ms, r.memory_limit_mb, r.mounts);
}
auto Fields(const ExitRecord& r) {
  return std::tie(r.launch_id, r.attempt, r.rank, r.boot_id, r.pid, r.started_at, r.ended_at,
                  r.code, r.signal, r.out_of_memory, r.cause, r.message, r.user_cpu_seconds,
                  r.system_cpu_seconds, r.max_rss_kb);
}
auto Fields(const Claim& c) {
  return std::tie(c.launch_id, c.boot_id, c.shim_pid, c.child_pid, c.time);
}

TEST(LaunchFormat, RequestsReadBack) {
  const LaunchRequest request = SomeRequest();
  const auto back = ParseLaunchRequest(ToJsonText(request));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(Fields(*back), Fields(request));
}

TEST(LaunchFormat, BytesThatAreNoTextReadBack) {
  LaunchRequest request = SomeRequest();
  request.argv.push_back("caf\xe9");
  request.environment["HOME"] = "/home/\xff\xfe";
  request.working_folder = "/\x80";
  const auto back = ParseLaunchRequest(ToJsonText(request));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(Fields(*back), Fields(request));
}

TEST(LaunchFormat, ExitRecordsReadBack) {
  const ExitRecord record = SomeRecord();
  const auto back = ParseExitRecord(ToJsonText(record));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(Fields(*back), Fields(record));
  for (const EndCause cause : {EndCause::kExited, EndCause::kCanceled, EndCause::kTimeLimit,
                               EndCause::kMemoryLimit, EndCause::kStartFailed}) {
    ExitRecord other = SomeRecord();
    other.signal.reset();
    other.cause = cause;
    const auto other_back = ParseExitRecord(ToJsonText(other));
    ASSERT_TRUE(other_back) << other_back.error().message;
    EXPECT_EQ(Fields(*other_back), Fields(other));
  }
}

TEST(LaunchFormat, AMessageOfAnyBytesIsMended) {
  ExitRecord record = SomeRecord();
  record.message = "exec /caf\xe9: No such file";
  const auto back = ParseExitRecord(ToJsonText(record));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->message, "exec /caf\xEF\xBF\xBD: No such file");
}

TEST(LaunchFormat, ClaimsReadBack) {
  const Claim claim{"4f1c", "boot", 12, 0, 1'700'000'000'000'001};
  const auto back = ParseClaim(ToJsonText(claim));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(Fields(*back), Fields(claim));
}

// `change` is put over a valid exit record.
std::string ErrorOf(const json& change) {
  json record = json::parse(ToJsonText(SomeRecord()));
  for (const auto& [field, value] : change.items()) {
    if (value == "remove") {
      record.erase(field);
    } else {
      record[field] = value;
    }
  }
  const auto parsed = ParseExitRecord(record.dump());
  return parsed ? "" : parsed.error().message;
}

TEST(LaunchFormat, RefusesWhatItCannotTrust) {
  const struct {
    json change;
    std::string error;
  } cases[] = {
      {{{"version", kLaunchFormatVersion + 1}}, "newer than this program's"},
      {{{"version", 0}}, "no valid format version"},
      {{{"version", "1"}}, "`version` must be a whole number"},
      {{{"version", "remove"}}, "lacks `version`"},
      {{{"code", "remove"}}, "lacks `code`"},
      {{{"code", "x"}}, "`code` must be a whole number"},
      {{{"code", 5'000'000'000}}, "`code` must be a number in range"},
      {{{"ended_at", 18446744073709551615ULL}}, "`ended_at` must be a number in range"},
      {{{"signal", "KILL"}}, "`signal` must be a whole number"},
      {{{"signal", "remove"}}, "lacks `signal`"},
      {{{"cause", "boredom"}}, "`cause` must be a known cause"},
      {{{"out_of_memory", 1}}, "`out_of_memory` must be true or false"},
      {{{"user_cpu_seconds", "1"}}, "`user_cpu_seconds` must be a number"},
      {{{"launch_id", 5}}, "`launch_id` must be a text"},
      {{{"boot_id", {{"hex", "zz"}}}}, "`boot_id` must be a text"},
      {{{"boot_id", {{"hex", "abc"}}}}, "`boot_id` must be a text"},
  };
  for (const auto& c : cases) EXPECT_THAT(ErrorOf(c.change), HasSubstr(c.error)) << c.change;
  EXPECT_EQ(ErrorOf({{"added_later", true}}), "");
}

TEST(LaunchFormat, RefusesDamagedFiles) {
  const std::string whole = ToJsonText(SomeRequest());
  for (const std::string& text :
       {std::string(), std::string("[]"), whole.substr(0, whole.size() / 2)}) {
    EXPECT_FALSE(ParseLaunchRequest(text)) << text;
    EXPECT_FALSE(ParseExitRecord(text)) << text;
    const auto claim = ParseClaim(text);
    ASSERT_FALSE(claim) << text;
    EXPECT_THAT(claim.error().message, HasSubstr("damaged or cut off"));
  }
}

TEST(LaunchFormat, ARequestNeedsAProgram) {
  LaunchRequest request = SomeRequest();
  request.argv.clear();
  const auto parsed = ParseLaunchRequest(ToJsonText(request));
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().message, HasSubstr("argv"));
}

}  // namespace
}  // namespace roost::spec
