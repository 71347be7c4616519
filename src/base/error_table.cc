#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/result.h"
#include "base/strings.h"

namespace roost {
namespace {

struct ErrorRow {
  ErrorCode code;
  std::string_view name;
  int http_status;
  int exit_code;
};

// The table of docs/wire.md.
constexpr ErrorRow kErrorTable[] = {
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

const ErrorRow& RowOf(ErrorCode code) {
  for (const ErrorRow& row : kErrorTable) {
    if (row.code == code) return row;
  }
  CheckFailed("error code is in the table", __FILE__, __LINE__);
}

ErrorCode CodeOfErrno(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorCode::kExhausted;
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
      return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermissionDenied;
    case EEXIST:
    case ENOTEMPTY:
      return ErrorCode::kConflict;
    case EFBIG:
    case E2BIG:
      return ErrorCode::kTooLarge;
    case EAGAIN:
    case EBUSY:
    case ETXTBSY:
      return ErrorCode::kUnavailable;
    case ETIMEDOUT:
      return ErrorCode::kDeadline;
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOEXEC:
      return ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

std::string_view ToString(ErrorCode code) { return RowOf(code).name; }
int ToHttpStatus(ErrorCode code) { return RowOf(code).http_status; }
int ToExitCode(ErrorCode code) { return RowOf(code).exit_code; }

Error ErrnoError(std::string_view doing, int error_number) {
  // Unlike strerror, strerrordesc_np neither depends on the locale nor shares a buffer.
  const char* description = strerrordesc_np(error_number);
  std::string message(doing);
  message += ": ";
  message += description != nullptr ? std::string(description)
                                    : "unknown error " + std::to_string(error_number);
  // File names may be any bytes; a message has to travel as JSON.
  return Error{CodeOfErrno(error_number), ToValidUtf8(message), {}};
}

}  // namespace roost
