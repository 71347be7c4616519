#include <charconv>

#include "api/mlflow/artifact_path.h"
#include "api/mlflow/file_answer.h"
#include "api/mlflow/file_place.h"
#include "api/mlflow/handlers.h"
#include "api/mlflow/logged_model_objects.h"
#include "api/mlflow/objects.h"

// Files by their owner: of a run, of a logged model, of a version of a registered model.
namespace roost::api::mlflow {
namespace {

constexpr std::uint64_t kMostUploaded = 10 << 20;

// Files of an experiment with a location of its own elsewhere are not here.
Status CheckIsHere(const std::string& uri) {
  if (uri.starts_with("mlflow-artifacts:")) return {};
  return Fail(Code::kNotImplemented,
              "The artifacts lie at " + uri +
                  ", which this server does not read. Use a client that can reach that place, or "
                  "an experiment without an artifact location of its own.");
}

Result<store::Run> RunWithFilesHere(Services& services, const std::string& id) {
  ROOST_ASSIGN(store::Run run, FindRun(services, id));
  ROOST_TRY(CheckIsHere(ArtifactUriOf(run)));
  return run;
}

Result<Answer> ListBelow(FilePlace& place, const std::string& uri, const std::string& sent) {
  ROOST_ASSIGN(const std::string folder, SafePath(sent));
  ROOST_ASSIGN(const auto entries, ListFolder(place, folder));
  Answer answer = {{"root_uri", uri}};
  answer.update(FilesAnswer(entries, folder));
  return answer;
}

Result<Response> AnswerOpened(const Request& request, FilePlace& place, const std::string& path) {
  ROOST_ASSIGN(const FileAnswer file, place.Open(path));
  return AnswerAttachment(request, file);
}

Result<std::string> SafeFilePath(const Request& request) {
  const auto sent = request.QueryValue("path");
  if (!sent) return Fail(Code::kBadRequest, "Request must specify path.");
  ROOST_ASSIGN(std::string path, SafePath(*sent));
  if (path.empty()) return Invalid("Invalid path");
  return path;
}

// A small upload of the page: refused beyond 10 MiB.
class SmallFileSink : public BodySink {
 public:
  SmallFileSink(std::unique_ptr<FilePlace> place, std::string path,
                std::unique_ptr<store::Blobs::Writer> writer)
      : place_(std::move(place)), path_(std::move(path)), writer_(std::move(writer)) {}
  static tl::unexpected<Error> TooLarge() {
    return Invalid("Artifact size is too large. Max size is 10MB.");
  }
  Status Write(std::string_view piece) override {
    size_ += piece.size();
    if (size_ > kMostUploaded) return TooLarge();
    return writer_->Write(piece);
  }
  Result<Response> Finish() override {
    if (size_ == 0) return Invalid("Request must specify data.");
    ROOST_ASSIGN(const store::BlobInfo blob, writer_->Finish());
    ROOST_TRY(place_->Put(path_, blob));
    return Response(200, "");
  }

 private:
  std::unique_ptr<FilePlace> place_;
  const std::string path_;
  std::unique_ptr<store::Blobs::Writer> writer_;
  std::uint64_t size_ = 0;
};

}  // namespace

Result<Answer> ListArtifacts(Call& call) {
  ROOST_ASSIGN(const std::string path, call.message.TextOr("path", ""));
  ROOST_TRY(SafePath(path));
  ROOST_ASSIGN(const store::Run run, RequireRun(call));
  const std::string uri = ArtifactUriOf(run);
  ROOST_TRY(CheckIsHere(uri));
  return ListBelow(*FilesOf(call.services, run), uri, path);
}

// As MLflow's server answers for runs whose files go through it.
Result<Answer> CreatePresignedUploadUrl(Call& call) {
  ROOST_ASSIGN(const std::string id, call.message.RequiredText("run_id"));
  ROOST_ASSIGN(const std::string path, call.message.RequiredText("path"));
  ROOST_TRY(call.message.Integer("expiration"));
  ROOST_TRY(SafePath(path));
  ROOST_ASSIGN(const store::Run run, FindRun(call.services, id));
  const std::string uri = ArtifactUriOf(run);
  return Invalid(
      "Presigned upload is not supported for runs with proxied artifact storage (artifact URI "
      "scheme: " +
      uri.substr(0, uri.find(':')) +
      "). This endpoint requires a run with a direct cloud storage artifact URI.");
}

Result<Response> GetRunArtifact(Services& services, Request& request) {
  ROOST_ASSIGN(const std::string path, SafeFilePath(request));
  auto id = request.QueryValue("run_id");
  if (!id || id->empty()) id = request.QueryValue("run_uuid");
  ROOST_ASSIGN(const store::Run run, RunWithFilesHere(services, id.value_or("")));
  return AnswerOpened(request, *FilesOf(services, run), path);
}

Result<Response> GetModelVersionArtifact(Services& services, Request& request) {
  ROOST_ASSIGN(const std::string path, SafeFilePath(request));
  const std::string name = request.QueryValue("name").value_or("");
  const std::string text = request.QueryValue("version").value_or("");
  std::int64_t version = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), version);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return Invalid("Model version must be an integer, got '" + text + "'");
  }
  ROOST_ASSIGN(const auto files, FilesOfVersion(services, name, version));
  return AnswerOpened(request, *files, path);
}

Result<std::unique_ptr<BodySink>> UploadRunArtifact(Services& services, Request& request) {
  const std::string id = request.QueryValue("run_uuid").value_or("");
  if (id.empty()) return Invalid("Request must specify run_uuid.");
  const std::string sent = request.QueryValue("path").value_or("");
  if (sent.empty()) return Invalid("Request must specify path.");
  ROOST_ASSIGN(const std::string path, SafeFilePath(request));
  if (request.content_length.value_or(0) > kMostUploaded) return SmallFileSink::TooLarge();
  ROOST_ASSIGN(const store::Run run, RunWithFilesHere(services, id));
  auto place = FilesOf(services, run);
  ROOST_TRY(place->MayWrite(request.token));
  ROOST_TRY(place->CheckPut(path));
  ROOST_ASSIGN(auto writer, services.store.blobs().NewWriter());
  return std::make_unique<SmallFileSink>(std::move(place), path, std::move(writer));
}

Result<Answer> ListLoggedModelArtifacts(Call& call) {
  ROOST_ASSIGN(const std::string folder, call.message.TextOr("artifact_directory_path", ""));
  ROOST_TRY(SafePath(folder));
  ROOST_ASSIGN(const store::LoggedModel model, FindLoggedModel(call.services, call.Parameter(0)));
  ROOST_ASSIGN(const std::string uri, LoggedModelUri(call.services, model));
  ROOST_TRY(CheckIsHere(uri));
  return ListBelow(*FilesOf(call.services, model), uri, folder);
}

Result<Response> GetLoggedModelArtifact(Services& services, Request& request) {
  const std::string sent = request.QueryValue("artifact_file_path").value_or("");
  if (sent.empty()) {
    return Fail(Code::kBadRequest,
                "Request must include the \"artifact_file_path\" query parameter.");
  }
  ROOST_ASSIGN(const std::string path, SafePath(sent));
  ROOST_ASSIGN(const store::LoggedModel model, FindLoggedModel(services, request.parameters[0]));
  ROOST_ASSIGN(const std::string uri, LoggedModelUri(services, model));
  ROOST_TRY(CheckIsHere(uri));
  return AnswerOpened(request, *FilesOf(services, model), path);
}

}  // namespace roost::api::mlflow
