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

// {"code", "message", "debug_stack_trace", ...} of docs/wire.md, as the text to be stored.
std::string ReadRunError(spec::JsonReader& reader) {
  Json kept = Json::object();
  std::string code = "UserError", message;
  reader.String("code", &code, {.max_length = 256, .may_be_empty = false});
  reader.String("message", &message, {.required = true});
  kept["code"] = code;
  kept["message"] = message;
  for (const char* name : {"debug_stack_trace", "debug_type", "debug_message", "details_uri"}) {
    std::string text;
    if (reader.String(name, &text)) kept[name] = text;
  }
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
  const std::optional<Digest> snapshot = ReadSnapshot(reader);
  ROOST_TRY(reader.Finish("The change is not valid"));
  ROOST_ASSIGN(const store::Run run, RequireLiveRun(services, request));
  if (snapshot) ROOST_TRY(services.store.runs().SetSnapshot(run.key, *snapshot));
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
    if (!state) reader.AddProblem("status", "must be a state of a run, like Completed");
  }
  if (reader.String("ended_at", &ended_at)) {
    const auto time = ParseTime(ended_at);
    if (time) ended = *time;
    if (!time) reader.AddProblem("ended_at", time.error().message);
  }
  reader.Object("error", [&](spec::JsonReader& nested) { error_json = ReadRunError(nested); });
  ROOST_TRY(reader.Finish("The status is not valid"));
  ROOST_ASSIGN(const store::Run before, RequireLiveRun(services, request));
  ROOST_ASSIGN(const store::Run run,
               services.engine.ReportStatus(before.id, *state, error_json, ended));
  return Changed(services, run);
}

Result<Response> PutRunTags(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  const Json wrapped = {{"tags", body}};
  spec::JsonReader reader(wrapped);
  std::map<std::string, std::optional<std::string>> tags;
  ReadTagsField(reader, NullTags::kAllowed, &tags);
  ROOST_TRY(reader.Finish("The tags are not valid"));
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
  const Json wrapped = {{"properties", body}};
  spec::JsonReader reader(wrapped);
  std::map<std::string, std::string> properties;
  reader.StringMap("properties", &properties);
  for (const auto& [key, value] : properties) {
    if (auto checked = spec::CheckTag(key, value); !checked) {
      reader.AddProblems("properties." + key, checked.error());
    }
  }
  ROOST_TRY(reader.Finish("The properties are not valid"));
  ROOST_ASSIGN(const store::Run run, RequireLiveRun(services, request));
  ROOST_TRY(services.store.runs().AddProperties(run.key, properties));
  return Changed(services, run);
}

}  // namespace roost::api
