#include <algorithm>
#include <charconv>

#include "api/mlflow/artifact_path.h"
#include "api/mlflow/file_answer.h"
#include "api/mlflow/file_place.h"
#include "api/mlflow/handlers.h"
#include "store/file_uploads.h"

// The artifact proxy: files put, read, listed and removed by their path, whole or in parts.
namespace roost::api::mlflow {
namespace {

constexpr std::int64_t kMostParts = 10'000;

// Puts an upload into its place; dropped without Finish, it leaves nothing.
class ArtifactSink : public BodySink {
 public:
  ArtifactSink(ProxyPath to, std::unique_ptr<store::Blobs::Writer> writer)
      : to_(std::move(to)), writer_(std::move(writer)) {}
  Status Write(std::string_view piece) override { return writer_->Write(piece); }
  Result<Response> Finish() override {
    ROOST_ASSIGN(const store::BlobInfo blob, writer_->Finish());
    ROOST_TRY(to_.place->Put(to_.path, blob));
    return Response(200, "{}");
  }

 private:
  ProxyPath to_;
  std::unique_ptr<store::Blobs::Writer> writer_;
};

class PartSink : public BodySink {
 public:
  PartSink(store::FileUploads& uploads, std::string id, std::int64_t number,
           std::unique_ptr<store::Blobs::Writer> writer)
      : uploads_(uploads), id_(std::move(id)), number_(number), writer_(std::move(writer)) {}
  Status Write(std::string_view piece) override { return writer_->Write(piece); }
  Result<Response> Finish() override {
    ROOST_ASSIGN(const store::BlobInfo blob, writer_->Finish());
    ROOST_TRY(uploads_.AddPart(id_, {number_, blob.digest, blob.size}));
    Response response(200, "{}");
    response.headers.emplace_back("ETag", "\"" + blob.digest.Hex() + "\"");
    return response;
  }

 private:
  store::FileUploads& uploads_;
  const std::string id_;
  const std::int64_t number_;
  std::unique_ptr<store::Blobs::Writer> writer_;
};

// A file's place that the caller may write to.
Result<ProxyPath> FindForWrite(Services& services, const store::Token& token,
                               std::string_view sent) {
  ROOST_ASSIGN(ProxyPath to, FindProxyPath(services, sent));
  if (to.path.empty()) return Invalid("Invalid path");
  ROOST_TRY(to.place->MayWrite(token));
  ROOST_TRY(to.place->CheckPut(to.path));
  return to;
}

// How the client reached this server; a proxy in front tells of its TLS.
std::string BaseUrl(const Request& request) {
  const bool tls = request.Header(HeaderName::kForwardedProto) == "https";
  return (tls ? "https://" : "http://") + request.Header(HeaderName::kHost);
}

// Of a multipart call: the folder in its path and the name of the client's file.
Result<std::string> UploadPath(const Call& call) {
  ROOST_ASSIGN(std::string folder, SafePath(call.Parameter(0)));
  ROOST_ASSIGN(const std::string file, call.message.RequiredText("path"));
  const std::string name = file.substr(file.rfind('/') + 1);
  ROOST_ASSIGN(const std::string checked, SafePath(name));
  if (checked.empty()) return Invalid("Invalid path");
  return folder.empty() ? checked : folder + "/" + checked;
}

// The upload that the call speaks of, whose path it must name rightly.
Result<store::FileUpload> RequireUpload(Call& call, const std::string& id) {
  ROOST_ASSIGN(const std::string path, UploadPath(call));
  ROOST_ASSIGN(store::FileUpload upload, call.store().file_uploads().Get(id));
  if (upload.path == path) return upload;
  return Invalid("The upload belongs to '" + upload.path + "', not to '" + path + "'.");
}

// The parts that the client names, in their order; without a list, all that came.
Result<std::vector<store::FilePart>> ChooseParts(const Call& call,
                                                 const store::FileUpload& upload) {
  if (!call.message.Has("parts")) return MissingValue("parts");
  ROOST_ASSIGN(const auto asked, call.message.Messages("parts"));
  std::vector<store::FilePart> parts;
  std::int64_t last = 0;
  for (const Message& item : asked) {
    ROOST_ASSIGN(const std::int64_t number, item.RequiredInteger("part_number"));
    ROOST_ASSIGN(const std::string etag, item.TextOr("etag", ""));
    if (number <= last) return Invalid("The parts must be listed by rising part_number.");
    last = number;
    const auto found =
        std::find_if(upload.parts.begin(), upload.parts.end(),
                     [&](const store::FilePart& part) { return part.number == number; });
    if (found == upload.parts.end()) {
      return Invalid("Part " + std::to_string(number) + " of the upload has not arrived.");
    }
    const std::string hex = found->digest.Hex();
    if (!etag.empty() && etag != hex && etag != "\"" + hex + "\"") {
      return Invalid("Part " + std::to_string(number) + " arrived with another content than " +
                     "the etag tells. Send it again.");
    }
    parts.push_back(*found);
  }
  return parts;
}

Result<store::BlobInfo> PutTogether(store::Blobs& blobs,
                                    const std::vector<store::FilePart>& parts) {
  constexpr std::size_t kPiece = 1 << 20;
  ROOST_ASSIGN(auto writer, blobs.NewWriter());
  std::string piece;
  for (const store::FilePart& part : parts) {
    ROOST_ASSIGN(Fd fd, blobs.OpenToRead(part.digest));
    FileSource source(std::move(fd), 0, part.size);
    bool done = part.size == 0;
    while (!done) {
      piece.clear();
      ROOST_ASSIGN(done, source.Read(&piece, kPiece));
      ROOST_TRY(writer->Write(piece));
    }
  }
  return writer->Finish();
}

}  // namespace

Result<std::unique_ptr<BodySink>> PutArtifact(Services& services, Request& request) {
  ROOST_ASSIGN(ProxyPath to, FindForWrite(services, request.token, request.parameters[0]));
  ROOST_ASSIGN(auto writer, services.store.blobs().NewWriter());
  return std::make_unique<ArtifactSink>(std::move(to), std::move(writer));
}

Result<Response> GetArtifact(Services& services, Request& request) {
  ROOST_ASSIGN(const ProxyPath from, FindProxyPath(services, request.parameters[0]));
  ROOST_ASSIGN(const FileAnswer file, from.place->Open(from.path));
  return AnswerAttachment(request, file);
}

Result<Answer> ListProxiedArtifacts(Call& call) {
  ROOST_ASSIGN(const std::string path, call.message.TextOr("path", ""));
  ROOST_ASSIGN(const ProxyPath from, FindProxyPath(call.services, path));
  ROOST_ASSIGN(const auto entries, ListFolder(*from.place, from.path));
  return FilesAnswer(entries, "");
}

Result<Answer> DeleteArtifact(Call& call) {
  ROOST_ASSIGN(const ProxyPath at, FindProxyPath(call.services, call.Parameter(0)));
  ROOST_TRY(at.place->MayRemove(call.http.token));
  if (at.path.empty()) {
    ROOST_ASSIGN(const auto entries, ListFolder(*at.place, ""));
    for (const FolderEntry& entry : entries) ROOST_TRY(at.place->Remove(entry.name));
    return Answer::object();
  }
  ROOST_TRY(at.place->Remove(at.path));
  return Answer::object();
}

Result<Answer> CreateMultipartUpload(Call& call) {
  ROOST_ASSIGN(const std::string path, UploadPath(call));
  ROOST_ASSIGN(const std::int64_t parts, call.message.IntegerOr("num_parts", 1));
  if (parts < 1 || parts > kMostParts) {
    return InvalidValue("num_parts", parts, "It must be 1 to " + std::to_string(kMostParts) + ".");
  }
  ROOST_TRY(FindForWrite(call.services, call.http.token, path));
  ROOST_ASSIGN(const std::string id, call.store().file_uploads().Begin(path));
  const std::string url = BaseUrl(call.http) + "/api/2.0/mlflow-artifacts/mpu/part/" + id + "/";
  Answer credentials = Answer::array();
  for (std::int64_t number = 1; number <= parts; ++number) {
    credentials.push_back({{"url", url + std::to_string(number)}, {"part_number", number}});
  }
  return Answer{{"upload_id", id}, {"credentials", std::move(credentials)}};
}

Result<std::unique_ptr<BodySink>> PutUploadPart(Services& services, Request& request) {
  const std::string& id = request.parameters[0];
  std::int64_t number = 0;
  const std::string& text = request.parameters[1];
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!is_number || number < 1 || number > kMostParts) {
    return InvalidValue("part_number", text, "It must be 1 to " + std::to_string(kMostParts) + ".");
  }
  ROOST_TRY(services.store.file_uploads().Get(id));
  ROOST_ASSIGN(auto writer, services.store.blobs().NewWriter());
  return std::make_unique<PartSink>(services.store.file_uploads(), id, number, std::move(writer));
}

Result<Answer> CompleteMultipartUpload(Call& call) {
  ROOST_ASSIGN(const std::string id, call.message.RequiredText("upload_id"));
  ROOST_ASSIGN(const store::FileUpload upload, RequireUpload(call, id));
  ROOST_ASSIGN(const auto parts, ChooseParts(call, upload));
  ROOST_ASSIGN(const ProxyPath to, FindForWrite(call.services, call.http.token, upload.path));
  ROOST_ASSIGN(const store::BlobInfo blob, PutTogether(call.store().blobs(), parts));
  ROOST_TRY(to.place->Put(to.path, blob));
  ROOST_TRY(call.store().file_uploads().Remove(id));
  return Answer::object();
}

Result<Answer> AbortMultipartUpload(Call& call) {
  ROOST_ASSIGN(const std::string id, call.message.RequiredText("upload_id"));
  ROOST_ASSIGN(const store::FileUpload upload, RequireUpload(call, id));
  ROOST_ASSIGN(const ProxyPath to, FindProxyPath(call.services, upload.path));
  ROOST_TRY(to.place->MayWrite(call.http.token));
  ROOST_TRY(call.store().file_uploads().Remove(id));
  return Answer::object();
}

Result<Answer> GetPresignedDownload(Call& call) {
  ROOST_TRY(SafePath(call.Parameter(0)));
  return Fail(Code::kNotImplemented,
              "Multipart download is not supported for the current artifact repository");
}

}  // namespace roost::api::mlflow
