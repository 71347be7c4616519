#pragma once

#include "api/mlflow/call.h"

namespace roost::api::mlflow {

// Every handler of the surface, by file.
#define ROOST_MLFLOW(name) Result<Answer> name(Call& call)
#define ROOST_MLFLOW_TEXT(name) Result<std::string> name(Call& call)

// experiments.cc
ROOST_MLFLOW(CreateExperiment);
ROOST_MLFLOW(GetExperiment);
ROOST_MLFLOW(GetExperimentByName);
ROOST_MLFLOW(DeleteExperiment);
ROOST_MLFLOW(RestoreExperiment);
ROOST_MLFLOW(UpdateExperiment);
ROOST_MLFLOW(SetExperimentTag);
ROOST_MLFLOW(DeleteExperimentTag);

// runs.cc
ROOST_MLFLOW_TEXT(CreateRun);
ROOST_MLFLOW_TEXT(GetRun);
ROOST_MLFLOW_TEXT(UpdateRun);
ROOST_MLFLOW(DeleteRun);
ROOST_MLFLOW(RestoreRun);
ROOST_MLFLOW(DeleteTag);

// search_experiments.cc, search_runs.cc
ROOST_MLFLOW(SearchExperiments);
ROOST_MLFLOW_TEXT(SearchRuns);

// logging.cc: on the I/O thread, answered when the group commit is durable
void LogMetric(Services& services, Request& request, Responder responder);
void LogParam(Services& services, Request& request, Responder responder);
void SetTag(Services& services, Request& request, Responder responder);
void LogBatch(Services& services, Request& request, Responder responder);

// history.cc
Result<Response> GetMetricHistory(Services& services, Request& request);
Result<Response> GetMetricHistoryBulk(Services& services, Request& request);
Result<Response> GetMetricHistoryBulkInterval(Services& services, Request& request);

// registered_models.cc
ROOST_MLFLOW(CreateRegisteredModel);
ROOST_MLFLOW(GetRegisteredModel);
ROOST_MLFLOW(UpdateRegisteredModel);
ROOST_MLFLOW(RenameRegisteredModel);
ROOST_MLFLOW(DeleteRegisteredModel);
ROOST_MLFLOW(SetRegisteredModelTag);
ROOST_MLFLOW(DeleteRegisteredModelTag);
ROOST_MLFLOW(GetLatestVersions);
ROOST_MLFLOW(SetRegisteredModelAlias);
ROOST_MLFLOW(DeleteRegisteredModelAlias);
ROOST_MLFLOW(GetModelVersionByAlias);

// model_versions.cc
ROOST_MLFLOW(CreateModelVersion);
ROOST_MLFLOW(GetModelVersion);
ROOST_MLFLOW(UpdateModelVersion);
ROOST_MLFLOW(TransitionModelVersionStage);
ROOST_MLFLOW(DeleteModelVersion);
ROOST_MLFLOW(GetModelVersionDownloadUri);
ROOST_MLFLOW(SetModelVersionTag);
ROOST_MLFLOW(DeleteModelVersionTag);

// registry_search.cc
ROOST_MLFLOW(SearchRegisteredModels);
ROOST_MLFLOW(SearchModelVersions);

// logged_models.cc
ROOST_MLFLOW(CreateLoggedModel);
ROOST_MLFLOW(GetLoggedModel);
ROOST_MLFLOW(FinalizeLoggedModel);
ROOST_MLFLOW(DeleteLoggedModel);
ROOST_MLFLOW(SetLoggedModelTags);
ROOST_MLFLOW(DeleteLoggedModelTag);
ROOST_MLFLOW(LogLoggedModelParams);
ROOST_MLFLOW(SearchLoggedModels);

// inputs.cc
ROOST_MLFLOW(LogInputs);
ROOST_MLFLOW(LogOutputs);
ROOST_MLFLOW(LogModel);
ROOST_MLFLOW(SearchDatasets);

// artifact_routes.cc: files by their owner
ROOST_MLFLOW(ListArtifacts);
ROOST_MLFLOW(CreatePresignedUploadUrl);
ROOST_MLFLOW(ListLoggedModelArtifacts);
Result<Response> GetLoggedModelArtifact(Services& services, Request& request);
Result<Response> GetRunArtifact(Services& services, Request& request);
Result<Response> GetModelVersionArtifact(Services& services, Request& request);
Result<std::unique_ptr<BodySink>> UploadRunArtifact(Services& services, Request& request);

// artifacts.cc: files by their path
Result<std::unique_ptr<BodySink>> PutArtifact(Services& services, Request& request);
Result<Response> GetArtifact(Services& services, Request& request);
ROOST_MLFLOW(ListProxiedArtifacts);
ROOST_MLFLOW(DeleteArtifact);
ROOST_MLFLOW(CreateMultipartUpload);
Result<std::unique_ptr<BodySink>> PutUploadPart(Services& services, Request& request);
ROOST_MLFLOW(CompleteMultipartUpload);
ROOST_MLFLOW(AbortMultipartUpload);
ROOST_MLFLOW(GetPresignedDownload);

// plain.cc: what is no call of the API
Result<Response> GetHealth(Services& services, Request& request);
Result<Response> GetVersion(Services& services, Request& request);
ROOST_MLFLOW(GetServerInfo);

#undef ROOST_MLFLOW
#undef ROOST_MLFLOW_TEXT

}  // namespace roost::api::mlflow
