#include <fmt/format.h>

#include "api/dataset_json.h"
#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/http_url.h"
#include "api/run_access.h"
#include "api/run_logs.h"
#include "base/digest.h"
#include "spec/compute_target.h"
#include "spec/run_definition.h"
#include "spec/run_query.h"

namespace roost::api {
namespace {

Result<store::RunSearch> ReadSearch(const Request& request) {
  store::RunSearch search;
  search.experiments = request.QueryValues("experiment");
  if (const auto filter = request.QueryValue("filter"); filter && !filter->empty()) {
    auto parsed = spec::ParseFilter(*filter);
    if (!parsed) return BadField("filter", "is not valid: " + parsed.error().message);
    search.filter = std::move(*parsed);
  }
  if (const auto order = request.QueryValue("order_by"); order && !order->empty()) {
    auto parsed = spec::ParseOrderBy(*order);
    if (!parsed) return BadField("order_by", "is not valid: " + parsed.error().message);
    search.order.push_back(std::move(*parsed));
  }
  ROOST_ASSIGN(search.lifecycle, QueryLifecycle(request));
  search.parent_id = request.QueryValue("parent").value_or("");
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request));
  search.limit = static_cast<int>(limit);
  search.page_token = request.QueryValue("page_token").value_or("");
  return search;
}

Result<bool> WantsMetrics(const Request& request) {
  const auto include = request.QueryValue("include");
  if (!include) return false;
  if (*include == "metrics") return true;
  return BadField("include", "must be metrics");
}

Result<Json> RunsJson(Services& services, const std::vector<store::Run>& runs, bool with_metrics) {
  std::vector<std::vector<store::MetricSummary>> metrics;
  if (with_metrics) {
    std::vector<RunKey> keys;
    for (const store::Run& run : runs) keys.push_back(run.key);
    ROOST_ASSIGN(metrics, services.store.metrics().Summaries(keys));
  }
  const Micros now = services.options.clock->Now();
  Json items = Json::array();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    items.push_back(RunJson(runs[i], now, {false, with_metrics ? &metrics[i] : nullptr}));
  }
  return items;
}

Result<Response> OneRun(Services& services, int status, const store::Run& run) {
  ROOST_ASSIGN(const auto metrics, services.store.metrics().Summaries(run.key));
  ROOST_ASSIGN(const auto params, services.store.runs().Params({run.key}));
  ROOST_ASSIGN(const auto data, services.store.run_data().Of(run.key));
  Json json = RunJson(run, services.options.clock->Now(), {true, &metrics});
  json["params"] = params[0];
  AddRunData(data, &json);
  Response response = JsonResponse(status, json);
  if (status == 201) {
    response.headers.emplace_back("Location", "/api/v1/runs/" + PercentEncodePath(run.id.value()));
  }
  return response;
}

// A run's own token makes children of its run only.
Status CheckParent(Services& services, const Request& request, const std::string& parent) {
  if (!request.token.run) return {};
  if (parent.empty()) {
    return Fail(ErrorCode::kPermissionDenied,
                "With a run's own token a new run must be its child: give its id as parent.");
  }
  return services.run_access.Check(request.token, parent);
}

Result<engine::Engine::TrackedRun> ReadTrackedRun(const Json& body) {
  engine::Engine::TrackedRun run;
  spec::JsonReader reader(body);
  std::string started_at, status;
  reader.String("experiment", &run.experiment);
  if (auto checked = spec::CheckExperimentName(run.experiment); !checked) {
    reader.AddProblems("experiment", checked.error());
  }
  if (reader.String("run_id", &run.id)) {
    if (auto checked = spec::CheckRunId(run.id); !checked) {
      reader.AddProblems("run_id", checked.error());
    }
  }
  reader.String("display_name", &run.display_name, {.max_length = spec::kMaxDisplayName});
  reader.String("description", &run.description, {.max_length = spec::kMaxDescription});
  reader.String("parent", &run.parent);
  if (reader.String("started_at", &started_at)) {
    const auto time = ParseTime(started_at);
    if (time) run.started_at = *time;
    if (!time) reader.AddProblem("started_at", time.error().message);
  }
  if (reader.String("status", &status)) {
    const auto state = spec::ParseRunState(status);
    if (state == spec::RunState::kRunning || state == spec::RunState::kNotStarted) {
      run.state = *state;
    } else {
      reader.AddProblem("status", "must be Running or NotStarted");
    }
  }
  run.snapshot = ReadSnapshot(reader);
  ReadTagsField(reader, NullTags::kAllowed, &run.tags);
  reader.StringMap("properties", &run.properties);
  ROOST_TRY(reader.Finish("The run is not valid"));
  return run;
}

// The dictionary that Azure ML's get_details gives.
Json DetailsJson(Services& services, const store::Run& run, const std::vector<RunLog>& logs) {
  Json properties = run.properties;
  const bool local = run.compute_target.empty() || run.compute_target == spec::kLocalTarget;
  properties["_azureml.ComputeTargetType"] = local ? "local" : "amlcompute";
  if (run.snapshot) properties["ContentSnapshotId"] = run.snapshot->ToText();
  properties["ProcessInfoFile"] = "azureml-logs/process_info.json";
  properties["ProcessStatusFile"] = "azureml-logs/process_status.json";
  const std::string id = PercentEncodePath(run.id.value());
  Json log_files = Json::object();
  for (const RunLog& log : logs) {
    log_files[log.path] =
        services.address + "/api/v1/runs/" + id + "/logs/" + PercentEncodePath(log.path);
  }
  Json definition = nullptr;
  if (!run.definition_json.empty()) {
    Json given = ParsedOrText(run.definition_json);
    const auto field = [&](const char* name) {
      return given.is_object() && given.contains(name) ? given[name] : Json(nullptr);
    };
    const auto object_field = [&](const char* name) {
      Json value = field(name);
      return value.is_object() ? value : Json::object();
    };
    definition = {{"script", field("script")},
                  {"command", field("command")},
                  {"useAbsolutePath", false},
                  {"arguments", field("arguments")},
                  {"sourceDirectoryDataStore", nullptr},
                  {"framework", "Python"},
                  {"communicator", "None"},
                  {"target", field("compute_target")},
                  {"dataReferences", Json::object()},
                  {"data", object_field("inputs")},
                  {"outputData", object_field("outputs")},
                  {"jobName", nullptr},
                  {"maxRunDurationSeconds", field("time_limit_seconds")},
                  {"nodeCount", 1},
                  {"environment", field("environment")},
                  {"environmentVariables", field("environment_variables")}};
  }
  Json details = {{"runId", run.id.value()},
                  {"target", TextOrNull(run.compute_target)},
                  {"status", spec::ToString(run.state)},
                  {"startTimeUtc", TimeJson(run.started_at)},
                  {"endTimeUtc", TimeJson(run.ended_at)},
                  {"exitCode", run.exit_code ? Json(*run.exit_code) : Json(nullptr)},
                  {"services", Json::object()},
                  {"properties", std::move(properties)},
                  {"runDefinition", std::move(definition)},
                  {"logFiles", std::move(log_files)},
                  {"submittedBy", run.submitter}};
  if (!run.error_json.empty()) details["error"] = {{"error", ParsedOrText(run.error_json)}};
  return details;
}

}  // namespace

Result<Response> SearchRuns(Services& services, Request& request) {
  ROOST_ASSIGN(const store::RunSearch search, ReadSearch(request));
  ROOST_ASSIGN(const bool with_metrics, WantsMetrics(request));
  ROOST_ASSIGN(const store::RunPage page, services.store.runs().Search(search));
  ROOST_ASSIGN(Json items, RunsJson(services, page.runs, with_metrics));
  return ListResponse(std::move(items), page.next_page_token);
}

Result<Response> SubmitRun(Services& services, Request& request) {
  ROOST_ASSIGN(const std::string key, ReadIdempotencyKey(request));
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  ROOST_ASSIGN(const spec::RunDefinition definition, spec::ParseRunDefinition(body));
  ROOST_TRY(CheckParent(services, request, definition.parent));
  const std::string digest = DigestOf(Dump(body)).ToText();
  ROOST_ASSIGN(const store::Runs::Created created,
               services.engine.Submit(definition, request.token.name, key, digest,
                                      /*may_register=*/!request.token.run));
  return OneRun(services, created.created ? 201 : 200, created.run);
}

Result<Response> CreateTrackedRun(Services& services, Request& request) {
  ROOST_ASSIGN(const std::string key, ReadIdempotencyKey(request));
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  ROOST_ASSIGN(engine::Engine::TrackedRun tracked, ReadTrackedRun(body));
  ROOST_TRY(CheckParent(services, request, tracked.parent));
  tracked.idempotency_key = key;
  tracked.request_digest = DigestOf(Dump(body)).ToText();
  ROOST_ASSIGN(const store::Runs::Created created,
               services.engine.CreateTracked(tracked, request.token.name));
  return OneRun(services, created.created ? 201 : 200, created.run);
}

Result<Response> GetRun(Services& services, Request& request) {
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  return OneRun(services, 200, run);
}

Result<Response> GetRunChildren(Services& services, Request& request) {
  ROOST_ASSIGN(const bool recursive, QueryBool(request, "recursive"));
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  ROOST_ASSIGN(const auto children, services.store.runs().Children(run.id, recursive));
  ROOST_ASSIGN(Json items, RunsJson(services, children, false));
  return ListResponse(std::move(items), "");
}

Result<Response> GetRunDetails(Services& services, Request& request) {
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  ROOST_ASSIGN(const std::vector<RunLog> logs, ListRunLogs(services.store, run));
  ROOST_ASSIGN(const auto data, services.store.run_data().Of(run.key));
  Json details = DetailsJson(services, run, logs);
  AddDatasetDetails(data, &details);
  return JsonResponse(200, details);
}

}  // namespace roost::api
