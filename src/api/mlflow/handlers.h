#pragma once

#include "api/mlflow/call.h"

namespace roost::api::mlflow {

// Every handler of the surface, by file.
#define ROOST_MLFLOW(name) Result<Answer> name(Call& call)

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
ROOST_MLFLOW(CreateRun);
ROOST_MLFLOW(GetRun);
ROOST_MLFLOW(UpdateRun);
ROOST_MLFLOW(DeleteRun);
ROOST_MLFLOW(RestoreRun);
ROOST_MLFLOW(DeleteTag);

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

// plain.cc: what is no call of the API
Result<Response> GetHealth(Services& services, Request& request);
Result<Response> GetVersion(Services& services, Request& request);
ROOST_MLFLOW(GetServerInfo);

#undef ROOST_MLFLOW

}  // namespace roost::api::mlflow
