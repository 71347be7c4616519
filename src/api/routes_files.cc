#include <algorithm>

#include "api/archive.h"
#include "api/file_source.h"
#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/run_logs.h"
#include "spec/run_definition.h"
#include "store/artifacts.h"
#include "store/blobs.h"

namespace roost::api {
namespace {

Json ArtifactJson(const store::Artifact& artifact) {
  return {{"path", artifact.path},
          {"size", artifact.size},
          {"digest", artifact.digest.ToText()},
          {"created_at", TimeJson(artifact.created_at)}};
}

// Takes one uploaded file: into a blob piece by piece, then the run's row.
class FileSink : public BodySink {
 public:
  FileSink(Services& services, RunKey run, std::string path, store::Artifacts::Overwrite overwrite,
           std::unique_ptr<store::Blobs::Writer> writer)
      : services_(services),
        run_(run),
        path_(std::move(path)),
        overwrite_(overwrite),
        writer_(std::move(writer)) {}

  Status Write(std::string_view piece) override { return writer_->Write(piece); }
  Result<Response> Finish() override {
    ROOST_ASSIGN(const store::BlobInfo blob, writer_->Finish());
    store::Artifact artifact{path_, blob.digest, blob.size, services_.options.clock->Now()};
    ROOST_TRY(services_.store.artifacts().Add(run_, {artifact}, overwrite_));
    ROOST_ASSIGN(artifact, services_.store.artifacts().Get(run_, path_));
    return JsonResponse(201, ArtifactJson(artifact));
  }

 private:
  Services& services_;
  RunKey run_;
  std::string path_;
  store::Artifacts::Overwrite overwrite_;
  std::unique_ptr<store::Blobs::Writer> writer_;
};

}  // namespace

Result<Response> ListRunFiles(Services& services, Request& request) {
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request, 1000, 10'000));
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  const std::string prefix = request.QueryValue("prefix").value_or("");
  const std::string after = request.QueryValue("after").value_or("");
  ROOST_ASSIGN(const auto artifacts,
               services.store.artifacts().List(run.key, prefix, after, limit + 1));
  ROOST_ASSIGN(const auto logs, LogsBesideArtifacts(services.store, run, prefix, after));
  std::vector<Json> files;
  for (const store::Artifact& artifact : artifacts) files.push_back(ArtifactJson(artifact));
  for (const RunLog& log : logs) {
    files.push_back({{"path", log.path},
                     {"size", log.size},
                     {"digest", nullptr},
                     {"created_at", TimeJson(log.modified_at)}});
  }
  const auto path = [](const Json& file) { return file["path"].get_ref<const std::string&>(); };
  std::sort(files.begin(), files.end(),
            [&](const Json& a, const Json& b) { return path(a) < path(b); });
  const bool more = files.size() > limit;
  if (more) files.resize(limit);
  Json next = more ? Json(path(files.back())) : Json(nullptr);
  return JsonResponse(200, {{"items", files}, {"next_after", std::move(next)}});
}

Result<Response> GetRunFile(Services& services, Request& request) {
  const std::string& path = request.parameters[1];
  ROOST_TRY(CheckFilePath(path));
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  const auto artifact = services.store.artifacts().Get(run.key, path);
  if (artifact) {
    return AnswerFile(request, {FromBlob(services.store.blobs(), artifact->digest), path,
                                artifact->digest.Hex()});
  }
  if (artifact.error().code != ErrorCode::kNotFound) {
    return tl::unexpected<Error>(artifact.error());
  }
  std::error_code missing;
  if (const auto log = RunLogPath(services.store, run, path, 0);
      log && fs::is_regular_file(*log, missing)) {
    return AnswerFile(request, {FromDisk(*log), path, ""});
  }
  return Fail(ErrorCode::kNotFound, "Run " + run.id.value() + " has no file \"" + path + "\".");
}

Result<std::unique_ptr<BodySink>> PutRunFile(Services& services, Request& request) {
  const std::string& path = request.parameters[1];
  ROOST_ASSIGN(const bool overwrite, QueryBool(request, "overwrite"));
  ROOST_TRY(CheckFilePath(path));
  ROOST_ASSIGN(const store::Run run, RequireLiveRun(services, request));
  ROOST_ASSIGN(auto writer, services.store.blobs().NewWriter());
  using Overwrite = store::Artifacts::Overwrite;
  return std::make_unique<FileSink>(services, run.key, path,
                                    overwrite ? Overwrite::kReplace : Overwrite::kRefuse,
                                    std::move(writer));
}

Result<Response> GetRunArchive(Services& services, Request& request) {
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  const std::string prefix = request.QueryValue("prefix").value_or("");
  ROOST_ASSIGN(const auto artifacts,
               services.store.artifacts().List(run.key, prefix, "", SIZE_MAX >> 1));
  ROOST_ASSIGN(const auto logs, LogsBesideArtifacts(services.store, run, prefix, ""));
  std::vector<ArchiveEntry> entries;
  for (const store::Artifact& artifact : artifacts) {
    entries.push_back({.path = artifact.path,
                       .open = FromBlob(services.store.blobs(), artifact.digest),
                       .modified_at = artifact.created_at});
  }
  for (const RunLog& log : logs) {
    ROOST_ASSIGN(const fs::path file, RunLogPath(services.store, run, log.path, log.attempt));
    entries.push_back({.path = log.path, .open = FromDisk(file), .modified_at = log.modified_at});
  }
  return AnswerArchive(ArchiveFormat::kZip, run.id.value() + ".zip", std::move(entries));
}

}  // namespace roost::api
