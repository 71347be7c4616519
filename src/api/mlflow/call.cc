#include "api/mlflow/call.h"

#include <charconv>
#include <exception>

#include "api/run_access.h"
#include "base/log.h"

namespace roost::api::mlflow {

Response RunHandler(TextHandler handler, Services& services, Request& request) {
  try {
    auto message = Message::Read(request);
    if (!message) return ErrorResponse(message.error());
    Call call{services, request, std::move(*message)};
    auto text = handler(call);
    return text ? Response(200, std::move(*text)) : ErrorResponse(text.error());
  } catch (const std::exception& exception) {
    LogError("handler_failed", {{"path", request.path}, {"what", exception.what()}});
    return ErrorResponse(
        Fail(Code::kInternalError, "The server could not answer this request; its log says why.")
            .value());
  }
}

std::string ToText(const Answer& answer) {
  return answer.dump(2, ' ', false, Answer::error_handler_t::replace);
}

std::string ToTagText(const Answer& value) {
  if (!value.is_structured()) {
    return value.dump(-1, ' ', true, Answer::error_handler_t::replace);
  }
  std::string text = value.is_object() ? "{" : "[";
  for (const auto& [key, item] : value.items()) {
    if (text.size() > 1) text += ", ";
    if (value.is_object()) text += ToTagText(key) + ": ";
    text += ToTagText(item);
  }
  return text + (value.is_object() ? "}" : "]");
}

Result<store::Experiment> FindExperiment(Services& services, const std::string& id) {
  std::int64_t number = -1;
  const char* end = id.data() + id.size();
  const auto parsed = std::from_chars(id.data(), end, number);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == end;
  if (is_number) {
    auto found = services.store.experiments().Get(ExperimentId(number));
    if (found || found.error().code != ErrorCode::kNotFound) return found;
  } else {
    return Invalid("Invalid experiment ID '" + id + "'. Experiment ID must be a valid integer.");
  }
  return Fail(Code::kResourceDoesNotExist, "No Experiment with id=" + id + " exists");
}

Result<store::Experiment> RequireExperiment(Call& call, std::string_view field) {
  ROOST_ASSIGN(const std::string id, call.message.RequiredText(field));
  return FindExperiment(call.services, id);
}

Result<store::Run> FindRun(Services& services, const std::string& id) {
  auto found = services.store.runs().Get(RunId(id));
  if (found || found.error().code != ErrorCode::kNotFound) return found;
  return Fail(Code::kResourceDoesNotExist, "Run with id=" + id + " not found");
}

Result<store::Run> RequireRun(Call& call) {
  ROOST_ASSIGN(const std::string id, call.message.RequiredText("run_id"));
  return FindRun(call.services, id);
}

Status MayWrite(const Call& call, const store::Run& run) {
  return call.services.run_access.Check(call.http.token, run.id.value());
}

Result<store::Run> RequireWritableRun(Call& call) {
  ROOST_ASSIGN(store::Run run, RequireRun(call));
  ROOST_TRY(MayWrite(call, run));
  if (run.lifecycle == spec::Lifecycle::kDeleted) {
    return Invalid("The run " + run.id.value() +
                   " must be in the 'active' state. Current state is deleted.");
  }
  return run;
}

Status RequireUser(const Call& call) {
  if (!call.http.token.run) return {};
  return Fail(Code::kPermissionDenied,
              "A run's own token may only touch its run and its children.");
}

}  // namespace roost::api::mlflow
