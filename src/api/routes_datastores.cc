#include <algorithm>

#include "api/data_sink.h"
#include "api/file_source.h"
#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/http_url.h"
#include "spec/data_definition.h"
#include "spec/run_definition.h"
#include "store/data_files.h"
#include "store/data_folder.h"
#include "store/datastores.h"

namespace roost::api {
namespace {

using Overwrite = store::Datastores::Overwrite;

Json DatastoreJson(const store::Datastore& datastore) {
  return {{"name", datastore.name},
          {"type", datastore.is_folder() ? "folder" : "store"},
          {"path", TextOrNull(datastore.folder.string())},
          {"is_default", datastore.is_default},
          {"read_only", datastore.read_only},
          {"created_at", TimeJson(datastore.created_at)}};
}

// Below the data folder the server itself writes, and runs may not read each other.
Status CheckFolder(const fs::path& folder, const fs::path& data_folder) {
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (!folder.is_absolute() || error || !fs::is_directory(real, error)) {
    return BadField("path", "must be the absolute path of a folder on the server's machine");
  }
  const fs::path ours = fs::canonical(data_folder, error);
  const auto is_within = [](const fs::path& inner, const fs::path& outer) {
    const fs::path relative = inner.lexically_relative(outer);
    return !relative.empty() && *relative.begin() != "..";
  };
  if (is_within(real, ours) || is_within(ours, real)) {
    return BadField("path", "must lie apart from the server's data folder " + ours.string());
  }
  return {};
}

Result<store::Datastore> RequireWritable(Services& services, const std::string& name) {
  ROOST_ASSIGN(store::Datastore datastore, services.store.datastores().Get(name));
  if (!datastore.read_only) return datastore;
  return Fail(ErrorCode::kPermissionDenied, "The datastore " + name + " is read only.");
}

Result<std::string> ReadDataFilePath(const std::string& text) {
  ROOST_ASSIGN(std::string path, spec::NormalisedDataPath(text));
  if (path.empty()) return BadField("path", "must name a file");
  return path;
}

void ReadUploadFile(spec::JsonReader& reader, store::DatastoreFile* file) {
  std::string digest;
  std::int64_t size = 0;
  if (reader.String("path", &file->path, {.required = true})) {
    if (auto checked = spec::CheckArtifactPath(file->path); !checked) {
      reader.AddProblems("path", checked.error());
    }
  }
  if (reader.String("digest", &digest, {.required = true})) {
    const auto parsed = Digest::Parse(digest);
    if (parsed) file->digest = *parsed;
    if (!parsed) reader.AddProblem("digest", "must be b2: and 64 hex digits");
  }
  reader.Integer("size", &size, 0, INT64_MAX);
  file->size = static_cast<std::uint64_t>(size);
}

struct Upload {
  std::vector<store::DatastoreFile> files;
  bool overwrite = false;
};

Result<Upload> ReadUpload(const Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  Upload upload;
  spec::JsonReader reader(body);
  const bool has_files = reader.Objects("files", [&](spec::JsonReader& item) {
    store::DatastoreFile file;
    ReadUploadFile(item, &file);
    upload.files.push_back(std::move(file));
  });
  if (!has_files) reader.AddProblem("files", "is required");
  if (upload.files.size() > spec::kMaxUploadFiles) {
    reader.AddProblem("files", "has more than " + std::to_string(spec::kMaxUploadFiles) +
                                   " files; send them in several requests");
  }
  reader.Bool("overwrite", &upload.overwrite);
  ROOST_TRY(reader.Finish("The upload is not valid"));
  return upload;
}

Json FileJson(const store::DatastoreFile& file) {
  return {{"path", file.path},
          {"size", file.size},
          {"digest", file.digest.ToText()},
          {"modified_at", TimeJson(file.modified_at)}};
}

}  // namespace

Result<Response> ListDatastores(Services& services, Request& request) {
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request));
  ROOST_ASSIGN(const std::string after, ReadPageToken(request));
  ROOST_ASSIGN(auto all, services.store.datastores().List());
  std::erase_if(all, [&](const store::Datastore& each) { return each.name <= after; });
  const bool more = all.size() > limit;
  if (more) all.resize(limit);
  Json items = Json::array();
  for (const store::Datastore& datastore : all) items.push_back(DatastoreJson(datastore));
  return ListResponse(std::move(items), more ? PageToken(all.back().name) : "");
}

Result<Response> CreateDatastore(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  store::Datastore asked;
  std::string folder;
  spec::JsonReader reader(body);
  if (reader.String("name", &asked.name, {.required = true})) {
    if (auto checked = spec::CheckDatastoreName(asked.name); !checked) {
      reader.AddProblems("name", checked.error());
    }
  }
  reader.String("path", &folder, {.required = true, .max_length = spec::kMaxPath});
  reader.Bool("is_default", &asked.is_default);
  reader.Bool("read_only", &asked.read_only);
  ROOST_TRY(reader.Finish("The datastore is not valid"));
  asked.folder = fs::path(folder).lexically_normal();
  ROOST_TRY(CheckFolder(asked.folder, services.store.data_folder()));
  if (!asked.folder.has_filename()) asked.folder = asked.folder.parent_path();
  ROOST_ASSIGN(const auto created, services.store.datastores().Create(asked));
  Response response = JsonResponse(created.created ? 201 : 200, DatastoreJson(created.datastore));
  response.headers.emplace_back("Location", "/api/v1/datastores/" + PercentEncodePath(asked.name));
  return response;
}

Result<Response> GetDatastore(Services& services, Request& request) {
  ROOST_ASSIGN(const auto datastore, services.store.datastores().Get(request.parameters[0]));
  return JsonResponse(200, DatastoreJson(datastore));
}

Result<Response> PatchDatastore(Services& services, Request& request) {
  const std::string& name = request.parameters[0];
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  bool is_default = false;
  spec::JsonReader reader(body);
  const bool has = reader.Bool("is_default", &is_default);
  if (has && !is_default) {
    reader.AddProblem("is_default", "can only become true; make another datastore the default");
  }
  ROOST_TRY(reader.Finish("The change is not valid"));
  if (is_default) ROOST_TRY(services.store.datastores().SetDefault(name));
  ROOST_ASSIGN(const auto datastore, services.store.datastores().Get(name));
  return JsonResponse(200, DatastoreJson(datastore));
}

Result<Response> DeleteDatastore(Services& services, Request& request) {
  ROOST_TRY(services.store.datastores().Remove(request.parameters[0]));
  return Response(204, "");
}

Result<Response> ListDatastoreFiles(Services& services, Request& request) {
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request, 1000, 10'000));
  const std::string prefix = request.QueryValue("prefix").value_or("");
  const std::string after = request.QueryValue("after").value_or("");
  ROOST_ASSIGN(const auto datastore, services.store.datastores().Get(request.parameters[0]));
  Json items = Json::array();
  if (datastore.is_folder()) {
    ROOST_ASSIGN(const auto files, store::ListFolder(datastore, prefix, after, limit + 1));
    for (const store::FolderFile& file : files) {
      items.push_back({{"path", file.path},
                       {"size", file.size},
                       {"digest", nullptr},
                       {"modified_at", TimeJson(file.modified_at)}});
    }
  } else {
    ROOST_ASSIGN(const auto files,
                 services.store.datastores().ListFiles(datastore.name, prefix, after, limit + 1));
    for (const store::DatastoreFile& file : files) items.push_back(FileJson(file));
  }
  const bool more = items.size() > limit;
  if (more) items.erase(items.size() - 1);
  Json next = more ? items.back()["path"] : Json(nullptr);
  return JsonResponse(200, {{"items", std::move(items)}, {"next_after", std::move(next)}});
}

Result<Response> GetDatastoreFile(Services& services, Request& request) {
  ROOST_ASSIGN(const std::string path, ReadDataFilePath(request.parameters[1]));
  ROOST_ASSIGN(const auto datastore, services.store.datastores().Get(request.parameters[0]));
  if (datastore.is_folder()) {
    ROOST_ASSIGN(const fs::path file, store::FileInFolder(datastore, path));
    return AnswerFolderFile(request, file, path);
  }
  ROOST_ASSIGN(const auto file, services.store.datastores().GetFile(datastore.name, path));
  return AnswerFile(request,
                    {FromBlob(services.store.blobs(), file.digest), path, file.digest.Hex()});
}

Result<std::unique_ptr<BodySink>> PutDatastoreFile(Services& services, Request& request) {
  ROOST_ASSIGN(const bool overwrite, QueryBool(request, "overwrite"));
  const std::string& path = request.parameters[1];
  ROOST_TRY(CheckFilePath(path));
  ROOST_ASSIGN(const auto datastore, RequireWritable(services, request.parameters[0]));
  return MakeDatastoreSink(services, datastore, path,
                           overwrite ? Overwrite::kReplace : Overwrite::kRefuse);
}

Result<Response> DeleteDatastoreFile(Services& services, Request& request) {
  ROOST_ASSIGN(const std::string path, ReadDataFilePath(request.parameters[1]));
  ROOST_ASSIGN(const auto datastore, RequireWritable(services, request.parameters[0]));
  if (datastore.is_folder()) {
    ROOST_TRY(store::RemoveFromFolder(datastore, path));
  } else {
    ROOST_TRY(services.store.datastores().RemoveFile(datastore.name, path));
  }
  return Response(204, "");
}

Result<Response> UploadToDatastore(Services& services, Request& request) {
  ROOST_ASSIGN(const Upload upload, ReadUpload(request));
  ROOST_ASSIGN(const auto datastore, RequireWritable(services, request.parameters[0]));
  const Overwrite overwrite = upload.overwrite ? Overwrite::kReplace : Overwrite::kRefuse;
  ROOST_ASSIGN(const auto added,
               store::AddToDatastore(services.store, datastore, upload.files, overwrite));
  Json missing = Json::array();
  for (const Digest& digest : added.missing) missing.push_back(digest.ToText());
  if (!added.missing.empty()) return JsonResponse(202, {{"missing", std::move(missing)}});
  return JsonResponse(
      added.added > 0 ? 201 : 200,
      {{"added", added.added}, {"unchanged", added.unchanged}, {"missing", std::move(missing)}});
}

}  // namespace roost::api
