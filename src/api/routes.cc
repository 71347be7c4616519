#include "api/routes.h"

#include <algorithm>

#include "api/handlers.h"
#include "api/http_url.h"
#include "api/mlflow/routes.h"

namespace roost::api {
namespace {

using enum Method;
using enum Access;
using Names = std::vector<std::string_view>;

Route Make(Method method, std::string_view pattern, Access access, Names query,
           Route::Blocking handler) {
  Route route{method, pattern, access, std::move(query)};
  route.blocking = handler;
  return route;
}
Route MakeSlow(Method method, std::string_view pattern, Access access, Route::Blocking handler) {
  Route route = Make(method, pattern, access, {}, handler);
  route.slow = true;
  return route;
}
Route MakeAsync(Method method, std::string_view pattern, Access access, Route::Async handler) {
  Route route{method, pattern, access, {}};
  route.async = handler;
  return route;
}
Route MakeUpload(Method method, std::string_view pattern, Access access, Names query,
                 Route::Upload handler) {
  Route route{method, pattern, access, std::move(query)};
  route.upload = handler;
  return route;
}

std::vector<Route> NativeRoutes() {
  static const Names kPage = {"limit", "page_token"};
  return {
      Make(kGet, "/", kPublic, {"token"}, GetPage),
      Make(kGet, "/healthz", kPublic, {}, GetHealth),
      Make(kGet, "/metrics", kUser, {}, GetPrometheus),
      Make(kGet, "/api/openapi.yaml", kPublic, {}, GetOpenApi),

      MakeAsync(kPost, "/api/v1/runs/{run_id}/metrics", kOwn, PostMetrics),
      Make(kGet, "/api/v1/runs/{run_id}/metrics", kOwn, {}, ListMetrics),
      Make(kGet, "/api/v1/runs/{run_id}/metrics/history", kOwn, {"name", "after_seq", "limit"},
           GetMetricHistory),
      Make(kGet, "/api/v1/runs/{run_id}/metrics/entries", kOwn, {"name", "after_seq", "limit"},
           GetMetricEntries),
      Make(kGet, "/api/v1/runs/{run_id}/metrics/chart", kOwn,
           {"name", "points", "from_step", "to_step"}, GetMetricChart),

      Make(kGet, "/api/v1/runs", kUser,
           {"experiment", "filter", "order_by", "lifecycle", "parent", "include", "limit",
            "page_token"},
           SearchRuns),
      Make(kPost, "/api/v1/runs", kShared, {}, SubmitRun),
      Make(kPost, "/api/v1/runs/tracked", kShared, {}, CreateTrackedRun),
      Make(kGet, "/api/v1/runs/{run_id}", kOwn, {}, GetRun),
      Make(kPatch, "/api/v1/runs/{run_id}", kOwn, {}, PatchRun),
      Make(kDelete, "/api/v1/runs/{run_id}", kUser, {}, DeleteRun),
      Make(kPost, "/api/v1/runs/{run_id}/cancel", kOwn, {}, CancelRun),
      Make(kPost, "/api/v1/runs/{run_id}/status", kOwn, {}, PostRunStatus),
      Make(kPost, "/api/v1/runs/{run_id}/archive", kUser, {}, ArchiveRun),
      Make(kPost, "/api/v1/runs/{run_id}/restore", kUser, {}, RestoreRun),
      Make(kGet, "/api/v1/runs/{run_id}/children", kOwn, {"recursive"}, GetRunChildren),
      Make(kGet, "/api/v1/runs/{run_id}/details", kOwn, {}, GetRunDetails),
      Make(kPut, "/api/v1/runs/{run_id}/tags", kOwn, {}, PutRunTags),
      Make(kDelete, "/api/v1/runs/{run_id}/tags/{tag}", kOwn, {}, DeleteRunTag),
      Make(kPost, "/api/v1/runs/{run_id}/properties", kOwn, {}, PostRunProperties),

      Make(kGet, "/api/v1/runs/{run_id}/logs", kOwn, {}, ListLogs),
      Make(kGet, "/api/v1/runs/{run_id}/logs/{path...}", kOwn,
           {"offset", "limit", "attempt", "tail", "follow", "fold"}, GetLog),
      Make(kGet, "/api/v1/runs/{run_id}/files", kOwn, {"prefix", "after", "limit"}, ListRunFiles),
      Make(kGet, "/api/v1/runs/{run_id}/files/{path...}", kOwn, {}, GetRunFile),
      Make(kHead, "/api/v1/runs/{run_id}/files/{path...}", kOwn, {}, GetRunFile),
      MakeUpload(kPut, "/api/v1/runs/{run_id}/files/{path...}", kOwn, {"overwrite"}, PutRunFile),
      Make(kGet, "/api/v1/runs/{run_id}/archive", kOwn, {"prefix"}, GetRunArchive),
      Make(kGet, "/api/v1/runs/{run_id}/export", kOwn, {}, GetRunExport),

      Make(kPost, "/api/v1/snapshots", kShared, {}, CreateSnapshot),
      MakeUpload(kPost, "/api/v1/blobs", kShared, {}, UploadBlobs),
      Make(kGet, "/api/v1/blobs/{digest}", kShared, {}, GetBlobState),
      MakeUpload(kPut, "/api/v1/blobs/{digest}", kShared, {"offset"}, PutBlob),
      Make(kGet, "/api/v1/snapshots/{snapshot_id}", kShared, {}, GetSnapshot),
      Make(kGet, "/api/v1/snapshots/{snapshot_id}/archive", kShared, {}, GetSnapshotArchive),
      Make(kGet, "/api/v1/snapshots/{snapshot_id}/files/{path...}", kShared, {}, GetSnapshotFile),

      Make(kGet, "/api/v1/models", kShared, kPage, ListModels),
      Make(kPost, "/api/v1/models", kShared, {}, RegisterModelVersion),
      Make(kGet, "/api/v1/models/{name}", kShared, {}, GetModel),
      Make(kGet, "/api/v1/models/{name}/versions/{version}", kShared, {}, GetModelVersion),
      Make(kPatch, "/api/v1/models/{name}/versions/{version}", kUser, {}, PatchModelVersion),
      Make(kDelete, "/api/v1/models/{name}/versions/{version}", kUser, {}, DeleteModelVersion),
      Make(kGet, "/api/v1/models/{name}/versions/{version}/files", kShared, {}, ListModelFiles),
      Make(kGet, "/api/v1/models/{name}/versions/{version}/files/{path...}", kShared, {},
           GetModelFile),
      Make(kGet, "/api/v1/models/{name}/versions/{version}/archive", kShared, {}, GetModelArchive),

      Make(kGet, "/api/v1/datastores", kShared, kPage, ListDatastores),
      Make(kPost, "/api/v1/datastores", kUser, {}, CreateDatastore),
      Make(kGet, "/api/v1/datastores/{name}", kShared, {}, GetDatastore),
      Make(kPatch, "/api/v1/datastores/{name}", kUser, {}, PatchDatastore),
      Make(kDelete, "/api/v1/datastores/{name}", kUser, {}, DeleteDatastore),
      Make(kPost, "/api/v1/datastores/{name}/upload", kShared, {}, UploadToDatastore),
      Make(kGet, "/api/v1/datastores/{name}/files", kShared, {"prefix", "after", "limit"},
           ListDatastoreFiles),
      Make(kGet, "/api/v1/datastores/{name}/files/{path...}", kShared, {}, GetDatastoreFile),
      Make(kHead, "/api/v1/datastores/{name}/files/{path...}", kShared, {}, GetDatastoreFile),
      MakeUpload(kPut, "/api/v1/datastores/{name}/files/{path...}", kShared, {"overwrite"},
                 PutDatastoreFile),
      Make(kDelete, "/api/v1/datastores/{name}/files/{path...}", kUser, {}, DeleteDatastoreFile),

      Make(kGet, "/api/v1/datasets", kShared, {"name", "limit", "page_token"}, ListDatasets),
      MakeSlow(kPost, "/api/v1/datasets", kShared, CreateDataset),  // it may fetch addresses
      Make(kGet, "/api/v1/datasets/{name}", kShared, {}, GetDataset),
      Make(kDelete, "/api/v1/datasets/{name}", kUser, {}, DeleteDataset),
      Make(kGet, "/api/v1/datasets/{name}/versions/{version}", kShared, {}, GetDatasetVersion),
      Make(kPatch, "/api/v1/datasets/{name}/versions/{version}", kUser, {}, PatchDatasetVersion),
      Make(kGet, "/api/v1/dataset-ids/{dataset_id}", kShared, {}, GetDatasetById),
      Make(kGet, "/api/v1/dataset-ids/{dataset_id}/files", kShared, {"after", "limit"},
           ListDatasetFiles),
      Make(kGet, "/api/v1/dataset-ids/{dataset_id}/files/{path...}", kShared, {}, GetDatasetFile),
      Make(kHead, "/api/v1/dataset-ids/{dataset_id}/files/{path...}", kShared, {}, GetDatasetFile),
      Make(kGet, "/api/v1/dataset-ids/{dataset_id}/runs", kUser, kPage, ListDatasetRuns),

      Make(kGet, "/api/v1/environments", kShared, {"curated", "limit", "page_token"},
           ListEnvironments),
      Make(kPost, "/api/v1/environments", kUser, {}, RegisterEnvironment),
      Make(kGet, "/api/v1/environments/{name}", kShared, {}, GetEnvironment),
      Make(kGet, "/api/v1/environments/{name}/versions/{version}", kShared, {},
           GetEnvironmentVersion),
      Make(kGet, "/api/v1/environment-builds", kUser, {}, ListEnvironmentBuilds),
      Make(kPost, "/api/v1/environment-builds", kUser, {}, BuildEnvironment),
      MakeSlow(kPost, "/api/v1/environment-builds/prune", kUser, PruneEnvironmentBuilds),
      Make(kGet, "/api/v1/environment-builds/{key}", kUser, {}, GetEnvironmentBuild),
      Make(kDelete, "/api/v1/environment-builds/{key}", kUser, {}, DeleteEnvironmentBuild),
      Make(kGet, "/api/v1/environment-builds/{key}/log", kUser, {"offset"}, GetEnvironmentBuildLog),

      Make(kGet, "/api/v1/experiments", kUser, {"lifecycle", "limit", "page_token"},
           ListExperiments),
      Make(kPost, "/api/v1/experiments", kUser, {}, CreateExperiment),
      Make(kGet, "/api/v1/experiments/{experiment_id}", kUser, {}, GetExperiment),
      Make(kPatch, "/api/v1/experiments/{experiment_id}", kUser, {}, PatchExperiment),
      Make(kDelete, "/api/v1/experiments/{experiment_id}", kUser, {}, DeleteExperiment),
      Make(kPost, "/api/v1/experiments/{experiment_id}/archive", kUser, {}, ArchiveExperiment),
      Make(kPost, "/api/v1/experiments/{experiment_id}/restore", kUser, {}, RestoreExperiment),

      Make(kGet, "/api/v1/compute", kShared, {}, ListCompute),
      Make(kPost, "/api/v1/compute", kUser, {}, CreateCompute),
      Make(kGet, "/api/v1/compute/{name}", kShared, {}, GetCompute),
      Make(kPatch, "/api/v1/compute/{name}", kUser, {}, PatchCompute),
      Make(kDelete, "/api/v1/compute/{name}", kUser, {}, DeleteCompute),
      Make(kGet, "/api/v1/compute/{name}/nodes", kUser, {}, ListComputeNodes),
      Make(kGet, "/api/v1/compute-sizes", kShared, {}, ListComputeSizes),

      MakeSlow(kPost, "/api/v1/import/experiments", kUser, ImportExperiments),
      MakeSlow(kPost, "/api/v1/import/runs", kUser, ImportRuns),
      MakeSlow(kPost, "/api/v1/import/look", kUser, LookAtImportedRuns),
      MakeSlow(kPost, "/api/v1/import/files", kUser, ImportFiles),
      MakeSlow(kPost, "/api/v1/import/logged-models", kUser, ImportLoggedModels),
      MakeSlow(kPost, "/api/v1/import/models", kUser, ImportModels),

      Make(kGet, "/api/v1/events", kShared, {"run_id", "after"}, GetEvents),
      Make(kGet, "/api/v1/server", kShared, {}, GetServer),
      Make(kGet, "/api/v1/tokens", kUser, {}, ListTokens),
      Make(kPost, "/api/v1/tokens", kUser, {}, CreateToken),
      Make(kDelete, "/api/v1/tokens/{name}", kUser, {}, DeleteToken),
      MakeSlow(kPost, "/api/v1/admin/gc", kUser, PostGc),
      MakeSlow(kPost, "/api/v1/admin/backup", kUser, PostBackup),
  };
}

const std::vector<Route>& Table() {
  static const std::vector<Route> table = [] {
    std::vector<Route> routes = NativeRoutes();
    for (Route& route : mlflow::MakeRoutes()) routes.push_back(std::move(route));
    return routes;
  }();
  return table;
}

// The patterns cut into segments, once.
struct CutRoute {
  const Route* route;
  std::vector<std::string_view> segments;
  bool open_end = false;  // the last segment takes the rest
};

std::vector<std::string_view> CutPath(std::string_view path) {
  std::vector<std::string_view> segments;
  segments.reserve(8);
  path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

const std::vector<CutRoute>& CutTable() {
  static const std::vector<CutRoute> cut = [] {
    std::vector<CutRoute> routes;
    for (const Route& route : Table()) {
      CutRoute item{&route, CutPath(route.pattern)};
      item.open_end = item.segments.back().ends_with("...}");
      routes.push_back(std::move(item));
    }
    return routes;
  }();
  return cut;
}

bool IsParameter(std::string_view segment) { return segment.starts_with('{'); }

bool Fits(const CutRoute& route, const std::vector<std::string_view>& path) {
  const std::size_t count = route.segments.size();
  if (route.open_end ? path.size() < count : path.size() != count) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (IsParameter(route.segments[i])) {
      if (path[i].empty()) return false;
    } else if (route.segments[i] != path[i]) {
      return false;
    }
  }
  return true;
}

// A literal segment wins over a parameter: /runs/tracked is not the run "tracked".
bool IsMoreExact(const CutRoute& a, const CutRoute& b) {
  for (std::size_t i = 0; i < std::min(a.segments.size(), b.segments.size()); ++i) {
    const bool a_parameter = IsParameter(a.segments[i]);
    if (a_parameter != IsParameter(b.segments[i])) return !a_parameter;
  }
  return false;
}

bool Serves(const Route& route, Method method) {
  return route.method == method || (method == kHead && route.method == kGet);
}

}  // namespace

std::span<const Route> Routes() { return Table(); }

std::size_t RouteIndex(const Route& route) {
  return static_cast<std::size_t>(&route - Table().data());
}

RouteMatch FindRoute(Method method, std::string_view path, std::vector<std::string>* parameters) {
  RouteMatch match;
  while (path.starts_with("//")) path.remove_prefix(1);
  if (path.empty() || path[0] != '/') return match;
  const std::vector<std::string_view> segments = CutPath(path);
  const CutRoute* best = nullptr;
  std::vector<Method> allowed;
  for (const CutRoute& route : CutTable()) {
    if (!Fits(route, segments)) continue;
    if (std::find(allowed.begin(), allowed.end(), route.route->method) == allowed.end()) {
      allowed.push_back(route.route->method);
    }
    if (!Serves(*route.route, method)) continue;
    if (!best || IsMoreExact(route, *best)) best = &route;
  }
  if (!best) {
    std::sort(allowed.begin(), allowed.end());
    for (const Method each : allowed) {
      if (!match.allowed.empty()) match.allowed += ", ";
      match.allowed += ToString(each);
    }
    return match;
  }
  for (std::size_t i = 0; i < best->segments.size(); ++i) {
    if (!IsParameter(best->segments[i])) continue;
    const bool rest = best->open_end && i + 1 == best->segments.size();
    const std::string_view raw =
        rest ? path.substr(static_cast<std::size_t>(segments[i].data() - path.data()))
             : segments[i];
    auto decoded = PercentDecode(raw, false);
    if (!decoded) {
      match.bad_escape = true;
      return match;
    }
    parameters->push_back(std::move(*decoded));
  }
  match.route = best->route;
  return match;
}

}  // namespace roost::api
