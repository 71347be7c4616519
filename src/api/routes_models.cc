#include <algorithm>
#include <charconv>

#include "api/archive.h"
#include "api/file_source.h"
#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/http_url.h"
#include "api/run_access.h"
#include "engine/register.h"
#include "spec/run_definition.h"
#include "store/blobs.h"
#include "store/models.h"

namespace roost::api {
namespace {

// The body of POST /models, of both forms.
struct ModelRequest {
  store::NewModelVersion model;
  std::string path;
  bool has_files = false;
};

void ReadFile(spec::JsonReader& reader, std::vector<store::ModelFile>* to) {
  store::ModelFile file;
  std::string digest;
  std::int64_t size = 0;
  if (reader.String("path", &file.path, {.required = true})) {
    if (auto checked = spec::CheckArtifactPath(file.path); !checked) {
      reader.AddProblems("path", checked.error());
    }
  }
  if (reader.String("digest", &digest, {.required = true})) {
    const auto parsed = Digest::Parse(digest);
    if (parsed) file.digest = *parsed;
    if (!parsed) reader.AddProblem("digest", "must be b2: and 64 hex digits");
  }
  reader.Integer("size", &size, 0, INT64_MAX);
  file.size = static_cast<std::uint64_t>(size);
  to->push_back(std::move(file));
}

Result<ModelRequest> ReadModelRequest(const Json& body) {
  ModelRequest read;
  store::NewModelVersion& model = read.model;
  spec::JsonReader reader(body);
  if (reader.String("name", &model.name, {.required = true})) {
    if (auto checked = spec::CheckModelName(model.name); !checked) {
      reader.AddProblems("name", checked.error());
    }
  }
  reader.String("run_id", &model.run_id);
  reader.String("path", &read.path);
  reader.String("description", &model.description, {.max_length = spec::kMaxDescription});
  reader.String("source", &model.source, {.max_length = 5000});
  reader.String("framework", &model.framework, {.max_length = 256});
  reader.String("framework_version", &model.framework_version, {.max_length = 256});
  reader.StringMap("properties", &model.properties);
  std::map<std::string, std::optional<std::string>> tags;
  ReadTagsField(reader, NullTags::kRefused, &tags);
  model.tags = PlainTags(tags);
  if (reader.Objects("files", [&](spec::JsonReader& item) { ReadFile(item, &model.files); })) {
    read.has_files = true;
    if (model.files.empty()) reader.AddProblem("files", "must have at least one file");
    if (!read.path.empty()) reader.AddProblem("path", "excludes `files`; give one of the two");
  } else if (model.run_id.empty()) {
    reader.AddProblem("run_id", "or `files` is required");
  }
  ROOST_TRY(reader.Finish("The model is not valid"));
  return read;
}

Result<store::Models::Registered> RegisterFiles(Services& services, ModelRequest& read) {
  for (std::size_t i = 0; i < read.model.files.size(); ++i) {
    store::ModelFile& file = read.model.files[i];
    const auto size = services.store.blobs().Size(file.digest);
    if (!size) {
      return BadField("files[" + std::to_string(i) + "].digest",
                      "names content that is not here; send it with POST /blobs first");
    }
    file.size = *size;
  }
  return services.store.models().Register(read.model);
}

Result<store::Models::Registered> RegisterFromRun(Services& services, const ModelRequest& read) {
  engine::RegisterFromRun from;
  from.run_id = read.model.run_id;
  from.model_name = read.model.name;
  from.model_path = read.path;
  from.description = read.model.description;
  from.tags = read.model.tags;
  from.properties = read.model.properties;
  from.framework = read.model.framework;
  from.framework_version = read.model.framework_version;
  from.idempotency_key = read.model.idempotency_key;
  return engine::RegisterModel(services.store, from, read.model.submitter);
}

// A known key gave the version that it made the first time; another request must not take that for
// its own. What can be changed later (description, tags) is not compared.
Status CheckRepeated(const store::NewModelVersion& asked, const store::ModelVersion& given) {
  if (asked.name == given.name && asked.run_id == given.run_id &&
      asked.framework == given.framework && asked.framework_version == given.framework_version &&
      asked.properties == given.properties) {
    return {};
  }
  return Fail(ErrorCode::kConflict, "The Idempotency-Key belongs to another request, which made " +
                                        given.name + " version " + std::to_string(given.version) +
                                        ".");
}

Result<store::ModelVersion> RequireVersion(Services& services, const Request& request) {
  const std::string& text = request.parameters[1];
  std::optional<std::int64_t> version;
  if (text != "latest") {
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number < 1) {
      return BadField("version", "must be a number from 1, or latest");
    }
    version = number;
  }
  return services.store.models().Get(request.parameters[0], version);
}

}  // namespace

Result<Response> ListModels(Services& services, Request& request) {
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request));
  ROOST_ASSIGN(const std::string after, ReadPageToken(request));
  ROOST_ASSIGN(auto models, services.store.models().List(after, limit + 1));
  const bool more = models.size() > limit;
  if (more) models.resize(limit);
  Json items = Json::array();
  for (const store::Model& model : models) items.push_back(ModelJson(model));
  return ListResponse(std::move(items), more ? PageToken(models.back().name) : "");
}

Result<Response> RegisterModelVersion(Services& services, Request& request) {
  ROOST_ASSIGN(const std::string key, ReadIdempotencyKey(request));
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  ROOST_ASSIGN(ModelRequest read, ReadModelRequest(body));
  if (request.token.run) {
    if (read.model.run_id.empty()) {
      return Fail(ErrorCode::kPermissionDenied,
                  "With a run's own token a model is registered from that run: give run_id.");
    }
    ROOST_TRY(services.run_access.Check(request.token, read.model.run_id));
  }
  read.model.submitter = request.token.name;
  read.model.idempotency_key = key;
  auto registered =
      read.has_files ? RegisterFiles(services, read) : RegisterFromRun(services, read);
  ROOST_TRY(registered);
  const store::ModelVersion& version = registered->version;
  if (!registered->created) ROOST_TRY(CheckRepeated(read.model, version));
  Response response = JsonResponse(registered->created ? 201 : 200, ModelVersionJson(version));
  response.headers.emplace_back("Location", "/api/v1/models/" + PercentEncodePath(version.name) +
                                                "/versions/" + std::to_string(version.version));
  return response;
}

Result<Response> GetModel(Services& services, Request& request) {
  const std::string& name = request.parameters[0];
  ROOST_ASSIGN(const auto versions, services.store.models().Versions(name));
  ROOST_ASSIGN(const store::Model model, services.store.models().GetModel(name));
  Json items = Json::array();
  for (const store::ModelVersion& version : versions) items.push_back(ModelVersionJson(version));
  Json answer = ModelJson(model);
  answer["versions"] = std::move(items);
  return JsonResponse(200, answer);
}

Result<Response> GetModelVersion(Services& services, Request& request) {
  ROOST_ASSIGN(const store::ModelVersion version, RequireVersion(services, request));
  return JsonResponse(200, ModelVersionJson(version));
}

Result<Response> PatchModelVersion(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  spec::JsonReader reader(body);
  const TextChange change = ReadTextFields(reader);
  std::map<std::string, std::string> properties;
  reader.StringMap("properties", &properties);
  ROOST_TRY(reader.Finish("The change is not valid"));
  ROOST_ASSIGN(const store::ModelVersion version, RequireVersion(services, request));
  ROOST_TRY(services.store.models().Update(version.name, version.version, change.description,
                                           change.tags, properties));
  ROOST_ASSIGN(const store::ModelVersion changed,
               services.store.models().Get(version.name, version.version));
  return JsonResponse(200, ModelVersionJson(changed));
}

Result<Response> DeleteModelVersion(Services& services, Request& request) {
  ROOST_ASSIGN(const store::ModelVersion version, RequireVersion(services, request));
  ROOST_TRY(services.store.models().Delete(version.name, version.version));
  return Response(204, "");
}

Result<Response> ListModelFiles(Services& services, Request& request) {
  ROOST_ASSIGN(const store::ModelVersion version, RequireVersion(services, request));
  ROOST_ASSIGN(const auto files, services.store.models().Files(version.name, version.version));
  Json items = Json::array();
  for (const store::ModelFile& file : files) {
    items.push_back({{"path", file.path}, {"size", file.size}, {"digest", file.digest.ToText()}});
  }
  return ListResponse(std::move(items), "");
}

Result<Response> GetModelFile(Services& services, Request& request) {
  const std::string& path = request.parameters[2];
  ROOST_TRY(CheckFilePath(path));
  ROOST_ASSIGN(const store::ModelVersion version, RequireVersion(services, request));
  ROOST_ASSIGN(const auto files, services.store.models().Files(version.name, version.version));
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const store::ModelFile& file) { return file.path == path; });
  if (found == files.end()) {
    return Fail(ErrorCode::kNotFound, "Version " + std::to_string(version.version) + " of model " +
                                          version.name + " has no file \"" + path + "\".");
  }
  return AnswerFile(request,
                    {FromBlob(services.store.blobs(), found->digest), path, found->digest.Hex()});
}

Result<Response> GetModelArchive(Services& services, Request& request) {
  ROOST_ASSIGN(const store::ModelVersion version, RequireVersion(services, request));
  ROOST_ASSIGN(const auto files, services.store.models().Files(version.name, version.version));
  std::vector<ArchiveEntry> entries;
  for (const store::ModelFile& each : files) {
    entries.push_back({.path = each.path,
                       .open = FromBlob(services.store.blobs(), each.digest),
                       .modified_at = version.created_at});
  }
  return AnswerArchive(ArchiveFormat::kZip,
                       version.name + "-" + std::to_string(version.version) + ".zip",
                       std::move(entries));
}

}  // namespace roost::api
