#pragma once

#include <string>
#include <string_view>

#include "api/http_types.h"
#include "base/result.h"

namespace roost::api::mlflow {

// The error codes of MLflow's REST API that this surface answers with. Clients decide by their
// names; the HTTP status follows from the code (duplicates are 400, not 409).
enum class Code {
  kBadRequest,
  kInvalidParameterValue,
  kResourceAlreadyExists,
  kUnauthenticated,
  kPermissionDenied,
  kResourceDoesNotExist,
  kEndpointNotFound,
  kResourceConflict,
  kResourceExhausted,
  kInvalidState,
  kInternalError,
  kNotImplemented,
  kTemporarilyUnavailable,
  kDeadlineExceeded,
};
std::string_view ToString(Code code);  // "RESOURCE_ALREADY_EXISTS"
int ToHttpStatus(Code code);

// An error of this surface, with MLflow's own words.
tl::unexpected<Error> Fail(Code code, std::string message);
inline tl::unexpected<Error> Invalid(std::string message) {
  return Fail(Code::kInvalidParameterValue, std::move(message));
}

// The code that Fail was given; any other error of Roost has the code nearest to it (a conflict is
// INVALID_PARAMETER_VALUE, as MLflow calls changes of what is deleted or fixed).
Code CodeOf(const Error& error);
// {"error_code": ..., "message": ...}
Response ErrorResponse(const Error& error);

// Whether a path belongs to this surface, so that its errors are told in MLflow's form.
bool IsMlflowPath(std::string_view path);

}  // namespace roost::api::mlflow
