#include "api/mlflow/routes.h"

#include <deque>
#include <string>

#include "api/mlflow/handlers.h"

namespace roost::api::mlflow {
namespace {

using enum Method;

class Table {
 public:
  // A call of the API: below both prefixes.
  void Call(Method method, std::string_view path, Route::Blocking handler) {
    for (const char* prefix : {"/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"}) {
      Add(method, std::string(prefix) + std::string(path)).blocking = handler;
    }
  }
  void Logging(std::string_view path, Route::Async handler) {
    for (const char* prefix : {"/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"}) {
      Add(kPost, std::string(prefix) + std::string(path)).async = handler;
    }
  }
  // A path as it stands.
  Route& Add(Method method, std::string pattern, Access access = Access::kShared) {
    Route route;
    route.method = method;
    route.pattern = Keep(std::move(pattern));
    route.access = access;
    route.surface = Surface::kMlflow;
    routes_.push_back(std::move(route));
    return routes_.back();
  }
  std::vector<Route> Take() { return std::move(routes_); }

 private:
  // Patterns are views; their texts live as long as the program.
  static std::string_view Keep(std::string pattern) {
    static std::deque<std::string> patterns;
    return patterns.emplace_back(std::move(pattern));
  }

  std::vector<Route> routes_;
};

void AddTracking(Table& table) {
  table.Call(kPost, "experiments/create", Serve<CreateExperiment>);
  table.Call(kGet, "experiments/get", Serve<GetExperiment>);
  table.Call(kGet, "experiments/get-by-name", Serve<GetExperimentByName>);
  table.Call(kPost, "experiments/search", Serve<SearchExperiments>);
  table.Call(kGet, "experiments/search", Serve<SearchExperiments>);
  table.Call(kPost, "experiments/delete", Serve<DeleteExperiment>);
  table.Call(kPost, "experiments/restore", Serve<RestoreExperiment>);
  table.Call(kPost, "experiments/update", Serve<UpdateExperiment>);
  table.Call(kPost, "experiments/set-experiment-tag", Serve<SetExperimentTag>);
  table.Call(kPost, "experiments/delete-experiment-tag", Serve<DeleteExperimentTag>);

  table.Call(kPost, "runs/create", Serve<CreateRun>);
  table.Call(kGet, "runs/get", Serve<GetRun>);
  table.Call(kPost, "runs/search", Serve<SearchRuns>);
  table.Call(kPost, "runs/update", Serve<UpdateRun>);
  table.Call(kPost, "runs/delete", Serve<DeleteRun>);
  table.Call(kPost, "runs/restore", Serve<RestoreRun>);
  table.Call(kPost, "runs/delete-tag", Serve<DeleteTag>);
  table.Logging("runs/log-metric", LogMetric);
  table.Logging("runs/log-parameter", LogParam);
  table.Logging("runs/set-tag", SetTag);
  table.Logging("runs/log-batch", LogBatch);

  table.Call(kGet, "metrics/get-history", GetMetricHistory);
  // The page's own, without the other prefix.
  table.Add(kGet, "/ajax-api/2.0/mlflow/metrics/get-history-bulk").blocking = GetMetricHistoryBulk;
  table.Call(kGet, "metrics/get-history-bulk-interval", GetMetricHistoryBulkInterval);
}

void AddRegistry(Table& table) {
  table.Call(kPost, "registered-models/create", Serve<CreateRegisteredModel>);
  table.Call(kGet, "registered-models/get", Serve<GetRegisteredModel>);
  table.Call(kPatch, "registered-models/update", Serve<UpdateRegisteredModel>);
  table.Call(kPost, "registered-models/rename", Serve<RenameRegisteredModel>);
  table.Call(kDelete, "registered-models/delete", Serve<DeleteRegisteredModel>);
  table.Call(kGet, "registered-models/search", Serve<SearchRegisteredModels>);
  table.Call(kPost, "registered-models/set-tag", Serve<SetRegisteredModelTag>);
  table.Call(kDelete, "registered-models/delete-tag", Serve<DeleteRegisteredModelTag>);
  table.Call(kPost, "registered-models/get-latest-versions", Serve<GetLatestVersions>);
  table.Call(kGet, "registered-models/get-latest-versions", Serve<GetLatestVersions>);
  table.Call(kPost, "registered-models/alias", Serve<SetRegisteredModelAlias>);
  table.Call(kDelete, "registered-models/alias", Serve<DeleteRegisteredModelAlias>);
  table.Call(kGet, "registered-models/alias", Serve<GetModelVersionByAlias>);

  table.Call(kPost, "model-versions/create", Serve<CreateModelVersion>);
  table.Call(kGet, "model-versions/get", Serve<GetModelVersion>);
  table.Call(kPatch, "model-versions/update", Serve<UpdateModelVersion>);
  table.Call(kPost, "model-versions/transition-stage", Serve<TransitionModelVersionStage>);
  table.Call(kDelete, "model-versions/delete", Serve<DeleteModelVersion>);
  table.Call(kGet, "model-versions/search", Serve<SearchModelVersions>);
  table.Call(kGet, "model-versions/get-download-uri", Serve<GetModelVersionDownloadUri>);
  table.Call(kPost, "model-versions/set-tag", Serve<SetModelVersionTag>);
  table.Call(kDelete, "model-versions/delete-tag", Serve<DeleteModelVersionTag>);
}

void AddLoggedModels(Table& table) {
  table.Call(kPost, "logged-models", Serve<CreateLoggedModel>);
  table.Call(kPost, "logged-models/search", Serve<SearchLoggedModels>);
  table.Call(kGet, "logged-models/{model_id}", Serve<GetLoggedModel>);
  table.Call(kPatch, "logged-models/{model_id}", Serve<FinalizeLoggedModel>);
  table.Call(kDelete, "logged-models/{model_id}", Serve<DeleteLoggedModel>);
  table.Call(kPatch, "logged-models/{model_id}/tags", Serve<SetLoggedModelTags>);
  table.Call(kDelete, "logged-models/{model_id}/tags/{tag}", Serve<DeleteLoggedModelTag>);
  table.Call(kPost, "logged-models/{model_id}/params", Serve<LogLoggedModelParams>);
  table.Call(kGet, "logged-models/{model_id}/artifacts/directories",
             Serve<ListLoggedModelArtifacts>);
  table.Add(kGet, "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files").blocking =
      GetLoggedModelArtifact;

  table.Call(kPost, "runs/log-inputs", Serve<LogInputs>);
  table.Call(kPost, "runs/outputs", Serve<LogOutputs>);
  table.Call(kPost, "runs/log-model", Serve<LogModel>);
  table.Add(kPost, "/ajax-api/2.0/mlflow/experiments/search-datasets").blocking =
      Serve<SearchDatasets>;
}

void AddArtifacts(Table& table) {
  table.Call(kGet, "artifacts/list", Serve<ListArtifacts>);
  table.Call(kPost, "artifacts/presigned-upload-url", Serve<CreatePresignedUploadUrl>);
  table.Add(kGet, "/get-artifact").blocking = GetRunArtifact;
  table.Add(kGet, "/model-versions/get-artifact").blocking = GetModelVersionArtifact;
  table.Add(kPost, "/ajax-api/2.0/mlflow/upload-artifact").upload = UploadRunArtifact;

  for (const std::string prefix :
       {"/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/"}) {
    table.Add(kGet, prefix + "artifacts").blocking = Serve<ListProxiedArtifacts>;
    table.Add(kGet, prefix + "artifacts/{path...}").blocking = GetArtifact;
    table.Add(kPut, prefix + "artifacts/{path...}").upload = PutArtifact;
    table.Add(kDelete, prefix + "artifacts/{path...}").blocking = Serve<DeleteArtifact>;
    table.Add(kPost, prefix + "mpu/create/{path...}").blocking = Serve<CreateMultipartUpload>;
    Route& complete = table.Add(kPost, prefix + "mpu/complete/{path...}");
    complete.blocking = Serve<CompleteMultipartUpload>;
    complete.slow = true;  // copies all parts
    table.Add(kPost, prefix + "mpu/abort/{path...}").blocking = Serve<AbortMultipartUpload>;
    table.Add(kGet, prefix + "presigned/{path...}").blocking = Serve<GetPresignedDownload>;
  }
  // The upload's id is what shows that a part may come.
  table.Add(kPut, "/api/2.0/mlflow-artifacts/mpu/part/{upload_id}/{number}", Access::kPublic)
      .upload = PutUploadPart;
}

void AddPlain(Table& table) {
  table.Add(kGet, "/health", Access::kPublic).blocking = GetHealth;
  table.Add(kGet, "/version", Access::kPublic).blocking = GetVersion;
  table.Add(kGet, "/api/3.0/mlflow/server-info").blocking = Serve<GetServerInfo>;
  table.Add(kGet, "/ajax-api/3.0/mlflow/server-info").blocking = Serve<GetServerInfo>;
}

}  // namespace

std::vector<Route> MakeRoutes() {
  Table table;
  AddTracking(table);
  AddRegistry(table);
  AddLoggedModels(table);
  AddArtifacts(table);
  AddPlain(table);
  return table.Take();
}

}  // namespace roost::api::mlflow
