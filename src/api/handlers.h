#pragma once

#include "api/http_types.h"
#include "api/services.h"

namespace roost::api {

// Every handler of the route table, by noun; routes_<noun>.cc has them.
#define ROOST_HANDLER(name) Result<Response> name(Services& services, Request& request)
#define ROOST_UPLOAD(name) \
  Result<std::unique_ptr<BodySink>> name(Services& services, Request& request)

// page.cc, health.cc
ROOST_HANDLER(GetPage);
ROOST_HANDLER(GetOpenApi);
ROOST_HANDLER(GetHealth);
ROOST_HANDLER(GetPrometheus);

// routes_admin.cc
ROOST_HANDLER(GetServer);
ROOST_HANDLER(ListTokens);
ROOST_HANDLER(CreateToken);
ROOST_HANDLER(DeleteToken);
ROOST_HANDLER(PostGc);
ROOST_HANDLER(PostBackup);

// routes_experiments.cc
ROOST_HANDLER(ListExperiments);
ROOST_HANDLER(CreateExperiment);
ROOST_HANDLER(GetExperiment);
ROOST_HANDLER(PatchExperiment);
ROOST_HANDLER(DeleteExperiment);
ROOST_HANDLER(ArchiveExperiment);
ROOST_HANDLER(RestoreExperiment);

// routes_snapshots.cc
ROOST_HANDLER(CreateSnapshot);
ROOST_HANDLER(GetSnapshot);
ROOST_HANDLER(GetSnapshotArchive);
ROOST_HANDLER(GetSnapshotFile);
ROOST_UPLOAD(UploadBlobs);
ROOST_HANDLER(GetBlobState);
ROOST_UPLOAD(PutBlob);

// routes_runs.cc, routes_run_changes.cc
ROOST_HANDLER(SearchRuns);
ROOST_HANDLER(SubmitRun);
ROOST_HANDLER(CreateTrackedRun);
ROOST_HANDLER(GetRun);
ROOST_HANDLER(GetRunChildren);
ROOST_HANDLER(GetRunDetails);
ROOST_HANDLER(PatchRun);
ROOST_HANDLER(DeleteRun);
ROOST_HANDLER(CancelRun);
ROOST_HANDLER(PostRunStatus);
ROOST_HANDLER(ArchiveRun);
ROOST_HANDLER(RestoreRun);
ROOST_HANDLER(PutRunTags);
ROOST_HANDLER(DeleteRunTag);
ROOST_HANDLER(PostRunProperties);

// routes_metrics.cc
void PostMetrics(Services& services, Request& request, Responder responder);
ROOST_HANDLER(ListMetrics);
ROOST_HANDLER(GetMetricHistory);
ROOST_HANDLER(GetMetricEntries);
ROOST_HANDLER(GetMetricChart);

// routes_logs.cc
ROOST_HANDLER(ListLogs);
ROOST_HANDLER(GetLog);

// routes_files.cc, routes_export.cc
ROOST_HANDLER(ListRunFiles);
ROOST_HANDLER(GetRunFile);
ROOST_UPLOAD(PutRunFile);
ROOST_HANDLER(GetRunArchive);
ROOST_HANDLER(GetRunExport);

// routes_models.cc
ROOST_HANDLER(ListModels);
ROOST_HANDLER(RegisterModelVersion);
ROOST_HANDLER(GetModel);
ROOST_HANDLER(GetModelVersion);
ROOST_HANDLER(PatchModelVersion);
ROOST_HANDLER(DeleteModelVersion);
ROOST_HANDLER(ListModelFiles);
ROOST_HANDLER(GetModelFile);
ROOST_HANDLER(GetModelArchive);

// routes_datastores.cc
ROOST_HANDLER(ListDatastores);
ROOST_HANDLER(CreateDatastore);
ROOST_HANDLER(GetDatastore);
ROOST_HANDLER(PatchDatastore);
ROOST_HANDLER(DeleteDatastore);
ROOST_HANDLER(ListDatastoreFiles);
ROOST_HANDLER(GetDatastoreFile);
ROOST_UPLOAD(PutDatastoreFile);
ROOST_HANDLER(DeleteDatastoreFile);
ROOST_HANDLER(UploadToDatastore);

// routes_datasets.cc
ROOST_HANDLER(ListDatasets);
ROOST_HANDLER(CreateDataset);
ROOST_HANDLER(GetDataset);
ROOST_HANDLER(GetDatasetVersion);
ROOST_HANDLER(PatchDatasetVersion);
ROOST_HANDLER(DeleteDataset);
ROOST_HANDLER(GetDatasetById);
ROOST_HANDLER(ListDatasetFiles);
ROOST_HANDLER(GetDatasetFile);
ROOST_HANDLER(ListDatasetRuns);
// routes_environments.cc
ROOST_HANDLER(ListEnvironments);
ROOST_HANDLER(RegisterEnvironment);
ROOST_HANDLER(GetEnvironment);
ROOST_HANDLER(GetEnvironmentVersion);
ROOST_HANDLER(ListEnvironmentBuilds);
ROOST_HANDLER(BuildEnvironment);
ROOST_HANDLER(GetEnvironmentBuild);
ROOST_HANDLER(GetEnvironmentBuildLog);
ROOST_HANDLER(DeleteEnvironmentBuild);
ROOST_HANDLER(PruneEnvironmentBuilds);
// routes_compute.cc
ROOST_HANDLER(ListCompute);
ROOST_HANDLER(CreateCompute);
ROOST_HANDLER(GetCompute);
ROOST_HANDLER(PatchCompute);
ROOST_HANDLER(DeleteCompute);
ROOST_HANDLER(ListComputeNodes);
ROOST_HANDLER(ListComputeSizes);

// routes_import.cc
ROOST_HANDLER(ImportExperiments);
ROOST_HANDLER(ImportRuns);
ROOST_HANDLER(LookAtImportedRuns);
ROOST_HANDLER(ImportFiles);
ROOST_HANDLER(ImportLoggedModels);
ROOST_HANDLER(ImportModels);

// routes_events.cc
ROOST_HANDLER(GetEvents);

#undef ROOST_HANDLER
#undef ROOST_UPLOAD

}  // namespace roost::api
