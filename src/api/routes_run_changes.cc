#include "api/handler_util.h"
#include "api/handlers.h"
#include "spec/run_definition.h"

namespace roost::api {
namespace {

Result<Response> Changed(Services& services, const store::Run& before, int status = 200) {
  ROOST_ASSIGN(const store::Run run, services.store.runs().Get(before.key));
  ROOST_ASSIGN(const auto metrics, services.store.metrics().Summaries(run.key));
  return JsonResponse(status, RunJson(run, services.options.clock->Now(), {true, &metrics}));
}

Result<Response> MoveLifecycle(Services& services, const Request& request,
                               spec::Lifecycle lifecycle) {
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  if (lifecycle == spec::Lifecycle::kArchived && run.lifecycle == spec::Lifecycle::kDeleted) {
    return Fail(ErrorCode::kConflict,
                "Run " + run.id.value() + " is deleted; restore it before archiving it.");
  }
  ROOST_TRY(services.store.runs().SetLifecycle(run.key, lifecycle));
  return Changed(services, run);
}

// {"code", "message", "debug_stack_trace", ...} of docs/wire.md, checked; its text to be stored.
Result<std::string> ReadRunError(const Json& error) {
  Json kept = Json::object();
  spec::JsonReader reader(error, "error.");
  std::string code = "UserError", message;
  reader.String("code", &code, {.max_length = 256, .may_be_empty = false});
  reader.String("message", &message, {.required = true});
  kept["code"] = code;
  kept["message"] = message;
  for (const char* name : {"debug_stack_trace", "debug_type", "debug_message", "details_uri"}) {
    std::string text;
    if (reader.String(name, &text)) kept[name] = text;
  }
  ROOST_TRY(reader.Finish("The error is not valid"));
  return Dump(kept);
}

}  // namespace

Result<Response> PatchRun(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  spec::JsonReader reader(body);
  std::string name, description;
  const bool has_name = reader.String("display_name", &name,
                                      {.max_length = spec::kMaxDisplayName, .may_be_empty = false});
  const bool has_description =
      reader.String("description", &description, {.max_length = spec::kMaxDescription});
  ROOST_TRY(reader.Finish("The change is not valid"));
  ROOST_ASSIGN(const store::Run run, RequireLiveRun(services, request));
  if (has_name) ROOST_TRY(services.store.runs().SetDisplayName(run.key, name));
  if (has_description) ROOST_TRY(services.store.runs().SetDescription(run.key, description));
  return Changed(services, run);
}

Result<Response> DeleteRun(Services& services, Request& request) {
  return MoveLifecycle(services, request, spec::Lifecycle::kDeleted);
}
Result<Response> ArchiveRun(Services& services, Request& request) {
  return MoveLifecycle(services, request, spec::Lifecycle::kArchived);
}
Result<Response> RestoreRun(Services& services, Request& request) {
  return MoveLifecycle(services, request, spec::Lifecycle::kActive);
}

Result<Response> CancelRun(Services& services, Request& request) {
  ROOST_ASSIGN(const store::Run before, RequireLiveRun(services, request));
  ROOST_ASSIGN(const store::Run run, services.engine.Cancel(before.id));
  return Changed(services, run, 202);
}

Result<Response> PostRunStatus(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  spec::JsonReader reader(body);
  std::string status, ended_at, error_json;
  Micros ended = 0;
  std::optional<spec::RunState> state;
  if (reader.String("status", &status, {.required = true})) {
    state = spec::ParseRunState(status);
    if (!state) reader.AddProblem("status", "\"" + status + "\" is no state of a run.");
  }
  if (reader.String("ended_at", &ended_at)) {
    const auto time = ParseTime(ended_at);
    if (time) ended = *time;
    if (!time) reader.AddProblem("ended_at", time.error().message);
  }
  if (const Json* error = reader.Any("error"); error && !error->is_null()) {
    auto read = error->is_object() ? ReadRunError(*error)
                                   : Result<std::string>(Invalid("error", "error is an object."));
    if (read) error_json = std::move(*read);
    if (!read) reader.AddProblems("", read.error());
  }
  ROOST_TRY(reader.Finish("The status is not valid"));
  ROOST_ASSIGN(const store::Run before, RequireLiveRun(services, request));
  ROOST_ASSIGN(const store::Run run,
               services.engine.ReportStatus(before.id, *state, error_json, ended));
  return Changed(services, run);
}

Result<Response> PutRunTags(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  ROOST_ASSIGN(const auto tags, ReadTags(body));
  ROOST_ASSIGN(const store::Run run, RequireLiveRun(services, request));
  ROOST_TRY(services.store.runs().SetTags(run.key, tags));
  return Changed(services, run);
}

Result<Response> DeleteRunTag(Services& services, Request& request) {
  ROOST_ASSIGN(const store::Run run, RequireLiveRun(services, request));
  const std::string& tag = request.parameters[1];
  if (!run.tags.contains(tag)) {
    return Fail(ErrorCode::kNotFound, "Run " + run.id.value() + " has no tag \"" + tag + "\".");
  }
  ROOST_TRY(services.store.runs().RemoveTag(run.key, tag));
  return Changed(services, run);
}

Result<Response> PostRunProperties(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  std::map<std::string, std::string> properties;
  Error error{ErrorCode::kInvalidArgument, "", {}};
  for (const auto& [key, value] : body.items()) {
    if (!value.is_string()) {
      error.details.push_back({key, "A property's value is a text."});
      continue;
    }
    std::string text = value.get<std::string>();
    if (auto checked = spec::CheckTag(key, text); !checked) {
      error.details.push_back({key, checked.error().message});
    }
    properties.emplace(key, std::move(text));
  }
  if (!error.details.empty()) {
    error.message = "The properties are not valid: " + error.details.front().message;
    return Fail(std::move(error));
  }
  ROOST_ASSIGN(const store::Run run, RequireLiveRun(services, request));
  ROOST_TRY(services.store.runs().AddProperties(run.key, properties));
  return Changed(services, run);
}

}  // namespace roost::api
