#include <algorithm>
#include <charconv>

#include "api/data_sink.h"
#include "api/dataset_json.h"
#include "api/fetch_address.h"
#include "api/file_source.h"
#include "api/handler_util.h"
#include "api/handlers.h"
#include "spec/data_definition.h"
#include "spec/run_definition.h"
#include "store/blobs.h"
#include "store/data_files.h"
#include "store/datasets.h"
#include "store/run_data.h"
#include "store/runs.h"

namespace roost::api {
namespace {

struct DatasetRequest {
  store::NewDataset dataset;
  std::vector<store::DatasetPath> paths;
};

Result<DatasetRequest> ReadDatasetRequest(const Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  DatasetRequest read;
  spec::JsonReader reader(body);
  if (reader.String("name", &read.dataset.name, {.may_be_empty = false})) {
    if (auto checked = spec::CheckDatasetName(read.dataset.name); !checked) {
      reader.AddProblems("name", checked.error());
    }
  }
  reader.String("description", &read.dataset.description, {.max_length = spec::kMaxDescription});
  std::map<std::string, std::optional<std::string>> tags;
  ReadTagsField(reader, NullTags::kRefused, &tags);
  read.dataset.tags = PlainTags(tags);
  reader.Bool("create_new_version", &read.dataset.create_new_version);
  const bool has_paths = reader.Objects("paths", [&](spec::JsonReader& item) {
    store::DatasetPath path;
    spec::ReadDataPath(item, &path.place);
    read.paths.push_back(std::move(path));
  });
  if (!has_paths || read.paths.empty()) {
    reader.AddProblem("paths", "must have at least one path");
  } else if (read.paths.size() > spec::kMaxDatasetPaths) {
    reader.AddProblem("paths", "has more than " + std::to_string(spec::kMaxDatasetPaths) +
                                   " paths; name their folder, or use a wildcard");
  }
  ROOST_TRY(reader.Finish("The dataset is not valid"));
  return read;
}

Result<std::optional<std::int64_t>> ReadVersion(const std::string& text) {
  if (text == "latest") return std::nullopt;
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 1) {
    return BadField("version", "must be a number from 1, or latest");
  }
  return number;
}

Json FileJson(const std::string& path, std::uint64_t size, const std::optional<Digest>& digest) {
  return {
      {"path", path}, {"size", size}, {"digest", digest ? Json(digest->ToText()) : Json(nullptr)}};
}

Result<std::vector<store::DataFile>> FilesOf(Services& services, const store::Dataset& dataset,
                                             const std::string& after, std::size_t limit) {
  if (!dataset.tree) {
    return FindDataPage(services.store.datastores(), dataset.paths, after, limit);
  }
  ROOST_ASSIGN(auto pinned, services.store.datasets().Files(*dataset.tree, after, limit));
  std::vector<store::DataFile> files;
  files.reserve(pinned.size());
  for (store::DatasetFile& file : pinned) {
    files.push_back({std::move(file.path), file.size, file.digest, {}});
  }
  return files;
}

}  // namespace

Result<Response> ListDatasets(Services& services, Request& request) {
  if (const auto name = request.QueryValue("name"); name && !name->empty()) {
    const auto newest = services.store.datasets().Get(*name, std::nullopt);
    if (!newest && newest.error().code != ErrorCode::kNotFound) return Fail(newest.error());
    Json items = Json::array();
    if (newest) items.push_back(DatasetJson(*newest));
    return ListResponse(std::move(items), "");
  }
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request));
  ROOST_ASSIGN(const std::string after, ReadPageToken(request));
  ROOST_ASSIGN(auto datasets, services.store.datasets().List(after, limit + 1));
  const bool more = datasets.size() > limit;
  if (more) datasets.resize(limit);
  Json items = Json::array();
  for (const store::Dataset& dataset : datasets) items.push_back(DatasetJson(dataset));
  return ListResponse(std::move(items), more ? PageToken(datasets.back().name) : "");
}

Result<Response> CreateDataset(Services& services, Request& request) {
  ROOST_ASSIGN(DatasetRequest read, ReadDatasetRequest(request));
  for (store::DatasetPath& path : read.paths) {
    if (path.place.url.empty()) continue;
    ROOST_ASSIGN(const store::BlobInfo blob, FetchAddress(services.store.blobs(), path.place.url));
    path.digest = blob.digest;
    path.size = blob.size;
  }
  ROOST_ASSIGN(const auto created,
               MakeDataset(services.store, std::move(read.paths), std::move(read.dataset)));
  Response response = JsonResponse(created.created ? 201 : 200, DatasetJson(created.dataset));
  response.headers.emplace_back("Location", "/api/v1/dataset-ids/" + created.dataset.id);
  return response;
}

Result<Response> GetDataset(Services& services, Request& request) {
  const std::string& name = request.parameters[0];
  ROOST_ASSIGN(const auto versions, services.store.datasets().Versions(name));
  Json items = Json::array();
  for (const store::Dataset& version : versions) items.push_back(DatasetJson(version));
  return JsonResponse(200, {{"name", name}, {"versions", std::move(items)}});
}

Result<Response> GetDatasetVersion(Services& services, Request& request) {
  ROOST_ASSIGN(const auto version, ReadVersion(request.parameters[1]));
  ROOST_ASSIGN(const auto dataset, services.store.datasets().Get(request.parameters[0], version));
  return JsonResponse(200, DatasetJson(dataset));
}

Result<Response> PatchDatasetVersion(Services& services, Request& request) {
  ROOST_ASSIGN(const TextChange change, ReadTextChange(request));
  ROOST_ASSIGN(const auto version, ReadVersion(request.parameters[1]));
  ROOST_ASSIGN(const auto dataset,
               services.store.datasets().Update(request.parameters[0], version, change.description,
                                                change.tags));
  return JsonResponse(200, DatasetJson(dataset));
}

Result<Response> DeleteDataset(Services& services, Request& request) {
  ROOST_TRY(services.store.datasets().Unregister(request.parameters[0]));
  return Response(204, "");
}

Result<Response> GetDatasetById(Services& services, Request& request) {
  ROOST_ASSIGN(const auto dataset, services.store.datasets().GetById(request.parameters[0]));
  return JsonResponse(200, DatasetJson(dataset));
}

Result<Response> ListDatasetFiles(Services& services, Request& request) {
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request, 1000, 10'000));
  const std::string after = request.QueryValue("after").value_or("");
  ROOST_ASSIGN(const auto dataset, services.store.datasets().GetById(request.parameters[0]));
  ROOST_ASSIGN(auto files, FilesOf(services, dataset, after, limit + 1));
  const bool more = files.size() > limit;
  if (more) files.pop_back();
  Json next = more ? Json(files.back().path) : Json(nullptr);
  Json items = Json::array();
  for (const store::DataFile& file : files) {
    items.push_back(FileJson(file.path, file.size, file.digest));
  }
  return JsonResponse(200, {{"items", std::move(items)}, {"next_after", std::move(next)}});
}

Result<Response> GetDatasetFile(Services& services, Request& request) {
  const std::string& path = request.parameters[1];
  ROOST_TRY(CheckFilePath(path));
  ROOST_ASSIGN(const auto dataset, services.store.datasets().GetById(request.parameters[0]));
  std::optional<Digest> digest;
  if (dataset.tree) {
    ROOST_ASSIGN(const auto file, services.store.datasets().GetFile(*dataset.tree, path));
    digest = file.digest;
  } else {
    ROOST_ASSIGN(const store::DataFile file,
                 FindDataFile(services.store.datastores(), dataset.paths, path));
    if (!file.digest) return AnswerFolderFile(request, file.file, path);
    digest = file.digest;
  }
  return AnswerFile(request, {FromBlob(services.store.blobs(), *digest), path, digest->Hex()});
}

// The runs as in lists; of their data what is of this dataset.
Result<Response> ListDatasetRuns(Services& services, Request& request) {
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request));
  ROOST_ASSIGN(const std::string last, ReadPageToken(request));
  ROOST_ASSIGN(const auto dataset, services.store.datasets().GetById(request.parameters[0]));
  std::optional<RunKey> before;
  if (!last.empty()) {
    const auto run = services.store.runs().Get(RunId(last));
    if (!run) return BadField("page_token", "names a run that is gone; begin anew");
    before = run->key;
  }
  ROOST_ASSIGN(auto keys, services.store.run_data().RunsWith(dataset.id, before, limit + 1));
  const bool more = keys.size() > limit;
  if (more) keys.resize(limit);
  Json items = Json::array();
  std::string last_id;
  for (const RunKey key : keys) {
    const auto run = services.store.runs().Get(key);
    if (!run && run.error().code == ErrorCode::kNotFound) continue;  // collected meanwhile
    ROOST_TRY(run);
    ROOST_ASSIGN(auto data, services.store.run_data().Of(key));
    std::erase_if(data, [&](const auto& item) { return item.dataset_id != dataset.id; });
    items.push_back(RunJson(*run, services.options.clock->Now(), {}));
    AddRunData(data, &items.back());
    last_id = run->id.value();
  }
  return ListResponse(std::move(items), more ? PageToken(last_id) : "");
}

}  // namespace roost::api
