#include <algorithm>

#include "api/archive.h"
#include "api/blobs_sink.h"
#include "api/file_source.h"
#include "api/handler_util.h"
#include "api/handlers.h"
#include "spec/run_definition.h"
#include "spec/snapshot.h"
#include "store/blobs.h"
#include "store/snapshots.h"

namespace roost::api {
namespace {

Result<Digest> ReadDigest(const Request& request, const char* name) {
  auto digest = Digest::Parse(request.parameters[0]);
  if (!digest) return BadField(name, "must be b2: and 64 hex digits");
  return digest;
}

}  // namespace

Result<Response> CreateSnapshot(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  ROOST_ASSIGN(const spec::SnapshotManifest manifest, spec::ParseManifest(body));
  ROOST_ASSIGN(const store::Snapshots::Kept kept, services.store.snapshots().Create(manifest));
  Json missing = Json::array();
  for (const Digest& digest : kept.missing) missing.push_back(digest.ToText());
  if (!kept.missing.empty()) {
    return JsonResponse(202, {{"id", nullptr}, {"missing", std::move(missing)}});
  }
  return JsonResponse(kept.created ? 201 : 200,
                      {{"id", kept.id.ToText()}, {"missing", std::move(missing)}});
}

Result<std::unique_ptr<BodySink>> UploadBlobs(Services& services, Request& request) {
  const std::string& type = request.Header(HeaderName::kContentType);
  if (type != "application/vnd.roost.blobs" && type != "application/octet-stream") {
    return BadField("Content-Type", "must be application/vnd.roost.blobs");
  }
  return MakeBlobsSink(services.store.blobs());
}

Result<Response> GetBlobState(Services& services, Request& request) {
  ROOST_ASSIGN(const Digest digest, ReadDigest(request, "digest"));
  const bool complete = services.store.blobs().Has(digest);
  const std::uint64_t received = services.store.blobs().Received(digest);
  return JsonResponse(
      200, {{"digest", digest.ToText()}, {"received", received}, {"complete", complete}});
}

Result<std::unique_ptr<BodySink>> PutBlob(Services& services, Request& request) {
  ROOST_ASSIGN(const Digest digest, ReadDigest(request, "digest"));
  ROOST_ASSIGN(const std::int64_t offset, QueryInteger(request, "offset", 0, 0, INT64_MAX));
  return MakeContentSink(services.store.blobs(), digest, static_cast<std::uint64_t>(offset));
}

Result<Response> GetSnapshot(Services& services, Request& request) {
  ROOST_ASSIGN(const Digest id, ReadDigest(request, "snapshot_id"));
  ROOST_ASSIGN(const spec::SnapshotManifest manifest, services.store.snapshots().Get(id));
  Json json = spec::ToJson(manifest);
  json["id"] = id.ToText();
  json["file_count"] = manifest.files.size();
  json["bytes"] = manifest.TotalBytes();
  return JsonResponse(200, json);
}

Result<Response> GetSnapshotArchive(Services& services, Request& request) {
  ROOST_ASSIGN(const Digest id, ReadDigest(request, "snapshot_id"));
  ROOST_ASSIGN(const spec::SnapshotManifest manifest, services.store.snapshots().Get(id));
  std::vector<ArchiveEntry> entries;
  for (const spec::SnapshotFile& each : manifest.files) {
    entries.push_back({.path = each.path,
                       .open = FromBlob(services.store.blobs(), each.digest),
                       .executable = each.executable});
  }
  return AnswerArchive(ArchiveFormat::kZip, "snapshot-" + id.Hex().substr(0, 12) + ".zip",
                       std::move(entries));
}

Result<Response> GetSnapshotFile(Services& services, Request& request) {
  ROOST_ASSIGN(const Digest id, ReadDigest(request, "snapshot_id"));
  const std::string& path = request.parameters[1];
  ROOST_TRY(CheckFilePath(path));
  ROOST_ASSIGN(const spec::SnapshotManifest manifest, services.store.snapshots().Get(id));
  const auto found =
      std::find_if(manifest.files.begin(), manifest.files.end(),
                   [&](const spec::SnapshotFile& file) { return file.path == path; });
  if (found == manifest.files.end()) {
    return Fail(ErrorCode::kNotFound, "The snapshot has no file \"" + path + "\".");
  }
  return AnswerFile(request,
                    {FromBlob(services.store.blobs(), found->digest), path, found->digest.Hex()});
}

}  // namespace roost::api
