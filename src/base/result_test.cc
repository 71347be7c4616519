#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include "base/check.h"
#include "base/strings.h"

namespace roost {
namespace {

TEST(ErrorTable, HasNameStatusAndExitCodeOfTheWireContract) {
  struct Row {
    ErrorCode code;
    std::string_view name;
    int http_status;
    int exit_code;
  };
  const Row rows[] = {
      {ErrorCode::kInvalidArgument, "invalid_argument", 400, 2},
      {ErrorCode::kUnauthenticated, "unauthenticated", 401, 3},
      {ErrorCode::kPermissionDenied, "permission_denied", 403, 3},
      {ErrorCode::kNotFound, "not_found", 404, 4},
      {ErrorCode::kConflict, "conflict", 409, 5},
      {ErrorCode::kTooLarge, "too_large", 413, 6},
      {ErrorCode::kExhausted, "exhausted", 507, 7},
      {ErrorCode::kUnavailable, "unavailable", 503, 8},
      {ErrorCode::kDeadline, "deadline", 504, 8},
      {ErrorCode::kInternal, "internal", 500, 9},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(ToString(row.code), row.name);
    EXPECT_EQ(ToHttpStatus(row.code), row.http_status) << row.name;
    EXPECT_EQ(ToExitCode(row.code), row.exit_code) << row.name;
  }
}

TEST(ErrnoErrorTest, TellsWhatWasDoneAndWhy) {
  EXPECT_EQ(ErrnoError("opening /x/y", EACCES).message, "opening /x/y: Permission denied");
  EXPECT_EQ(ErrnoError("opening /x/y", 99999).message, "opening /x/y: unknown error 99999");
}

TEST(ErrnoErrorTest, ChoosesTheCode) {
  const std::pair<int, ErrorCode> rows[] = {
      {ENOSPC, ErrorCode::kExhausted},       {EDQUOT, ErrorCode::kExhausted},
      {EMFILE, ErrorCode::kExhausted},       {ENOENT, ErrorCode::kNotFound},
      {ESRCH, ErrorCode::kNotFound},         {EACCES, ErrorCode::kPermissionDenied},
      {EPERM, ErrorCode::kPermissionDenied}, {EROFS, ErrorCode::kPermissionDenied},
      {EEXIST, ErrorCode::kConflict},        {EFBIG, ErrorCode::kTooLarge},
      {EAGAIN, ErrorCode::kUnavailable},     {ETIMEDOUT, ErrorCode::kDeadline},
      {EISDIR, ErrorCode::kInvalidArgument}, {EIO, ErrorCode::kInternal},
  };
  for (const auto& [error_number, code] : rows) {
    EXPECT_EQ(ErrnoError("x", error_number).code, code) << error_number;
  }
}

TEST(ErrnoErrorTest, MessageIsTextEvenWhenTheFileNameIsNot) {
  EXPECT_TRUE(IsValidUtf8(ErrnoError("opening /caf\xE9", ENOENT).message));
}

Result<std::unique_ptr<int>> Number(bool good) {
  if (!good) return Invalid("number", "The number is bad.");
  return std::make_unique<int>(7);
}

Status TryIt(bool good, bool& went_on) {
  Result<std::unique_ptr<int>> kept = Number(good);
  ROOST_TRY(kept);
  went_on = true;
  return {};
}

Result<int> AssignIt(bool good) {
  ROOST_ASSIGN(const std::unique_ptr<int> number, Number(good));
  return *number + 1;
}

TEST(Macros, TryReturnsTheErrorOrGoesOn) {
  bool went_on = false;
  const Status failed = TryIt(false, went_on);
  ASSERT_FALSE(failed);
  EXPECT_FALSE(went_on);
  EXPECT_EQ(failed.error().code, ErrorCode::kInvalidArgument);
  ASSERT_EQ(failed.error().details.size(), 1U);
  EXPECT_EQ(failed.error().details[0], (Problem{"number", "The number is bad."}));

  EXPECT_TRUE(TryIt(true, went_on));
  EXPECT_TRUE(went_on);
}

TEST(Macros, AssignGivesTheValueOrReturnsTheError) {
  EXPECT_EQ(AssignIt(true).value(), 8);
  EXPECT_EQ(AssignIt(false).error().message, "The number is bad.");
}

TEST(CheckDeathTest, NamesTheConditionAndAborts) {
  const int apples = 1;
  ROOST_CHECK(apples == 1);
  EXPECT_DEATH(ROOST_CHECK(apples == 2), "result_test.cc:[0-9]+: check failed: apples == 2");
}

}  // namespace
}  // namespace roost
