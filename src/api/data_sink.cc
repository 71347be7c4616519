#include "api/data_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/file_source.h"
#include "api/json.h"
#include "store/blobs.h"
#include "store/data_folder.h"

namespace roost::api {
namespace {

using Overwrite = store::Datastores::Overwrite;

class StoreSink : public BodySink {
 public:
  StoreSink(Services& services, std::string name, std::string path, Overwrite overwrite,
            std::unique_ptr<store::Blobs::Writer> writer)
      : services_(services),
        name_(std::move(name)),
        path_(std::move(path)),
        overwrite_(overwrite),
        writer_(std::move(writer)) {}

  Status Write(std::string_view piece) override { return writer_->Write(piece); }
  Result<Response> Finish() override {
    ROOST_ASSIGN(const store::BlobInfo blob, writer_->Finish());
    store::Datastores& datastores = services_.store.datastores();
    ROOST_TRY(datastores.AddFiles(name_, {{path_, blob.digest, blob.size, 0}}, overwrite_));
    ROOST_ASSIGN(const store::DatastoreFile file, datastores.GetFile(name_, path_));
    return JsonResponse(201, {{"path", file.path},
                              {"size", file.size},
                              {"digest", file.digest.ToText()},
                              {"modified_at", TimeJson(file.modified_at)}});
  }

 private:
  Services& services_;
  const std::string name_;
  const std::string path_;
  const Overwrite overwrite_;
  std::unique_ptr<store::Blobs::Writer> writer_;
};

class FolderSink : public BodySink {
 public:
  FolderSink(Services& services, store::Datastore datastore, std::string path, Overwrite overwrite,
             fs::path part, Fd file)
      : services_(services),
        datastore_(std::move(datastore)),
        path_(std::move(path)),
        overwrite_(overwrite),
        part_(std::move(part)),
        file_(std::move(file)) {}
  ~FolderSink() override {
    if (!part_.empty()) ::unlink(part_.c_str());
  }

  Status Write(std::string_view piece) override {
    size_ += piece.size();
    return WriteAll(file_.get(), piece, part_);
  }
  Result<Response> Finish() override {
    if (::fsync(file_.get()) != 0) return Fail(ErrnoError("syncing " + part_.string(), errno));
    ROOST_TRY(store::MoveIntoFolder(datastore_, path_, part_, overwrite_));
    part_.clear();
    return JsonResponse(201, {{"path", path_},
                              {"size", size_},
                              {"digest", nullptr},
                              {"modified_at", TimeJson(services_.options.clock->Now())}});
  }

 private:
  Services& services_;
  const store::Datastore datastore_;
  const std::string path_;
  const Overwrite overwrite_;
  fs::path part_;  // empty: moved
  Fd file_;
  std::uint64_t size_ = 0;
};

}  // namespace

Result<std::unique_ptr<BodySink>> MakeDatastoreSink(Services& services,
                                                    const store::Datastore& datastore,
                                                    const std::string& path, Overwrite overwrite) {
  if (!datastore.is_folder()) {
    ROOST_ASSIGN(auto writer, services.store.blobs().NewWriter());
    return std::make_unique<StoreSink>(services, datastore.name, path, overwrite,
                                       std::move(writer));
  }
  ROOST_ASSIGN(fs::path part, store::PartInFolder(datastore, path));
  ROOST_ASSIGN(Fd file, OpenFile(part, O_WRONLY | O_CREAT | O_EXCL));
  return std::make_unique<FolderSink>(services, datastore, path, overwrite, std::move(part),
                                      std::move(file));
}

Result<Response> AnswerFolderFile(const Request& request, const fs::path& file,
                                  const std::string& name) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kNotFound, "There is no file '" + name + "'.");
  }
  const std::string etag = std::to_string(info.st_size) + "-" +
                           std::to_string(info.st_mtim.tv_sec) + "." +
                           std::to_string(info.st_mtim.tv_nsec);
  return AnswerFile(request, {FromDisk(file), name, etag});
}

}  // namespace roost::api
