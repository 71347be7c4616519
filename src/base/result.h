#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace roost {

// The closed list of ways in which an operation can fail. One table (error_table.cc) maps each to
// an HTTP status and to an exit code of the command line; nothing else decides on those numbers.
enum class ErrorCode {
  kInvalidArgument,   // the request is wrong; details name every wrong field
  kUnauthenticated,   // no token, or one that is not known
  kPermissionDenied,  // a known token that may not do this
  kNotFound,
  kConflict,     // the thing exists already, or its state forbids the change
  kTooLarge,     // over a documented limit
  kExhausted,    // disk full, quota, too many of something
  kUnavailable,  // try again later: starting, stopping, locked
  kDeadline,     // ran out of time
  kInternal,     // a mistake of ours, or a machine that breaks its promises
};

// One wrong thing in a request. `field` is the path in the request, e.g. "resources.cpus".
struct Problem {
  std::string field;
  std::string message;
  bool operator==(const Problem&) const = default;
};

// What a failed operation tells: a sentence for the user that names the thing and, where there is
// one, the way out. `details` has one entry for each problem of a request.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::vector<Problem> details;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// "invalid_argument", as written in JSON.
std::string_view ToString(ErrorCode code);
int ToHttpStatus(ErrorCode code);
int ToExitCode(ErrorCode code);

inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message), {}});
}
inline tl::unexpected<Error> Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> Invalid(std::string field, std::string message) {
  Error error{ErrorCode::kInvalidArgument, message, {}};
  error.details.push_back({std::move(field), std::move(message)});
  return tl::unexpected<Error>(std::move(error));
}

// "opening /x/y: Permission denied", with the code that fits errno (ENOSPC and EDQUOT are
// kExhausted, ENOENT kNotFound, EACCES and EPERM kPermissionDenied, EEXIST kConflict).
Error ErrnoError(std::string_view doing, int error_number);

}  // namespace roost

#define ROOST_CONCAT_INNER(a, b) a##b
#define ROOST_CONCAT(a, b) ROOST_CONCAT_INNER(a, b)

// Returns the error of a Status or Result from the enclosing function.
#define ROOST_TRY(expression)                                                       \
  do {                                                                              \
    if (auto&& roost_try_result = (expression); !roost_try_result) {                \
      return ::tl::unexpected<::roost::Error>(std::move(roost_try_result.error())); \
    }                                                                               \
  } while (false)

// ROOST_ASSIGN(auto value, Function()); gives the value or returns the error.
#define ROOST_ASSIGN(declaration, expression) \
  ROOST_ASSIGN_INNER(ROOST_CONCAT(roost_result_, __LINE__), declaration, expression)
#define ROOST_ASSIGN_INNER(result, declaration, expression)             \
  auto result = (expression);                                           \
  if (!result) {                                                        \
    return ::tl::unexpected<::roost::Error>(std::move(result.error())); \
  }                                                                     \
  declaration = std::move(*result)
