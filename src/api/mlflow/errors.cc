#include "api/mlflow/errors.h"

#include <array>

#include "api/json.h"

namespace roost::api::mlflow {
namespace {

// An Error carries its MLflow code as a detail of this name.
constexpr std::string_view kCodeField = "mlflow.error_code";

struct CodeRow {
  Code code;
  std::string_view name;
  int status;
};
// INVALID_STATE is 500 with MLflow, which makes its clients try again for minutes; nothing here
// answers that for a mistake of the user's, except where a client compares it.
constexpr std::array kCodes = {
    CodeRow{Code::kBadRequest, "BAD_REQUEST", 400},
    CodeRow{Code::kInvalidParameterValue, "INVALID_PARAMETER_VALUE", 400},
    CodeRow{Code::kResourceAlreadyExists, "RESOURCE_ALREADY_EXISTS", 400},
    CodeRow{Code::kUnauthenticated, "UNAUTHENTICATED", 401},
    CodeRow{Code::kPermissionDenied, "PERMISSION_DENIED", 403},
    CodeRow{Code::kResourceDoesNotExist, "RESOURCE_DOES_NOT_EXIST", 404},
    CodeRow{Code::kEndpointNotFound, "ENDPOINT_NOT_FOUND", 404},
    CodeRow{Code::kResourceConflict, "RESOURCE_CONFLICT", 409},
    CodeRow{Code::kResourceExhausted, "RESOURCE_EXHAUSTED", 429},
    CodeRow{Code::kInvalidState, "INVALID_STATE", 500},
    CodeRow{Code::kInternalError, "INTERNAL_ERROR", 500},
    CodeRow{Code::kNotImplemented, "NOT_IMPLEMENTED", 501},
    CodeRow{Code::kTemporarilyUnavailable, "TEMPORARILY_UNAVAILABLE", 503},
    CodeRow{Code::kDeadlineExceeded, "DEADLINE_EXCEEDED", 504},
};

const CodeRow& RowOf(Code code) { return kCodes[static_cast<std::size_t>(code)]; }

Code Nearest(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kConflict:
    case ErrorCode::kTooLarge:
      return Code::kInvalidParameterValue;
    case ErrorCode::kUnauthenticated:
      return Code::kUnauthenticated;
    case ErrorCode::kPermissionDenied:
      return Code::kPermissionDenied;
    case ErrorCode::kNotFound:
      return Code::kResourceDoesNotExist;
    case ErrorCode::kExhausted:
      return Code::kResourceExhausted;
    case ErrorCode::kUnavailable:
      return Code::kTemporarilyUnavailable;
    case ErrorCode::kDeadline:
      return Code::kDeadlineExceeded;
    case ErrorCode::kInternal:
      break;
  }
  return Code::kInternalError;
}

}  // namespace

std::string_view ToString(Code code) { return RowOf(code).name; }
int ToHttpStatus(Code code) { return RowOf(code).status; }

tl::unexpected<Error> Fail(Code code, std::string message) {
  Error error{ErrorCode::kInvalidArgument, std::move(message), {}};
  error.details.push_back({std::string(kCodeField), std::string(ToString(code))});
  return tl::unexpected<Error>(std::move(error));
}

Code CodeOf(const Error& error) {
  if (error.details.size() == 1 && error.details[0].field == kCodeField) {
    for (const CodeRow& row : kCodes) {
      if (row.name == error.details[0].message) return row.code;
    }
  }
  return Nearest(error.code);
}

Response ErrorResponse(const Error& error) {
  const Code code = CodeOf(error);
  Response response(ToHttpStatus(code),
                    Dump(Json{{"error_code", ToString(code)}, {"message", error.message}}));
  if (code == Code::kUnauthenticated) {
    response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"mlflow\"");
  }
  if (code == Code::kTemporarilyUnavailable) response.headers.emplace_back("Retry-After", "1");
  return response;
}

bool IsMlflowPath(std::string_view path) {
  return path.starts_with("/api/2.0/") || path.starts_with("/api/3.0/") ||
         path.starts_with("/ajax-api/");
}

}  // namespace roost::api::mlflow
