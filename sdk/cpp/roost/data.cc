#include "roost/data.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <unordered_set>

#include "roost/upload.h"
#include "spec/data_definition.h"

namespace roost::client {
namespace {

using nlohmann::json;
using Files = std::span<const spec::SnapshotFile>;

class Sender {
 public:
  Sender(Client& client, std::string path, const FolderSnapshot& folder, std::string target,
         bool overwrite, const Progress& progress)
      : client_(client),
        path_(std::move(path)),
        folder_(folder),
        prefix_(target.empty() ? "" : std::move(target) + "/"),
        overwrite_(overwrite),
        progress_(progress),
        total_(folder.manifest.TotalBytes()) {}

  Status Send(Files files) {
    json listed = json::array();
    for (const spec::SnapshotFile& file : files) {
      listed.push_back(
          {{"path", prefix_ + file.path}, {"digest", file.digest.ToText()}, {"size", file.size}});
    }
    const json body = {{"files", std::move(listed)}, {"overwrite", overwrite_}};
    // The second round follows the contents. A third one can be needed when the server's gc removed
    // old blobs in between.
    for (int round = 0; round < 3; ++round) {
      ROOST_ASSIGN(const json answer, client_.PostRepeatable(path_, body));
      if (answer.contains("added")) {
        sent.added += answer["added"].get<std::uint64_t>();
        sent.unchanged += answer["unchanged"].get<std::uint64_t>();
        for (const spec::SnapshotFile& file : files) done_ += file.size;
        if (progress_) progress_(done_, total_);
        return {};
      }
      ROOST_TRY(SendMissing(files, answer));
    }
    return Fail(ErrorCode::kUnavailable,
                "The server did not keep what was sent. Try again; if it goes on, look at its "
                "log.");
  }

  SentData sent;

 private:
  Status SendMissing(Files files, const json& answer) {
    std::unordered_set<std::string> missing;
    for (const auto& digest : answer.value("missing", json::array())) {
      if (digest.is_string()) missing.insert(digest.get<std::string>());
    }
    std::vector<BlobSource> blobs;
    for (const spec::SnapshotFile& file : files) {
      if (missing.erase(file.digest.ToText()) == 0) continue;
      blobs.push_back({file.digest, file.size, folder_.folder / file.path});
      sent.bytes_sent += file.size;
    }
    return SendBlobs(client_, blobs, [this](std::uint64_t done, std::uint64_t) {
      if (progress_) progress_(std::min(done_ + done, total_), total_);
    });
  }

  Client& client_;
  const std::string path_;
  const FolderSnapshot& folder_;
  const std::string prefix_;
  const bool overwrite_;
  const Progress& progress_;
  const std::uint64_t total_;
  std::uint64_t done_ = 0;
};

Result<std::vector<RemoteFile>> ListAll(Client& client, const std::string& path, Query query) {
  std::vector<RemoteFile> files;
  query.emplace_back("limit", "10000");
  while (true) {
    ROOST_ASSIGN(const auto answer, client.Get(path, query));
    for (const auto& item : answer.value("items", json::array())) {
      RemoteFile file;
      file.path = item.value("path", "");
      file.size = item.value("size", std::uint64_t{0});
      if (item.contains("digest") && item["digest"].is_string()) {
        ROOST_ASSIGN(file.digest, Digest::Parse(item["digest"].get<std::string>()));
      }
      files.push_back(std::move(file));
    }
    const auto next = answer.find("next_after");
    if (next == answer.end() || !next->is_string()) return files;
    std::erase_if(query, [](const auto& parameter) { return parameter.first == "after"; });
    query.emplace_back("after", next->get<std::string>());
  }
}

}  // namespace

Result<SentData> SendData(Client& client, const std::string& datastore,
                          const FolderSnapshot& folder, const std::string& target, bool overwrite,
                          const Progress& progress) {
  Sender sender(client, "/datastores/" + EncodePart(datastore) + "/upload", folder, target,
                overwrite, progress);
  Files rest(folder.manifest.files);
  while (!rest.empty()) {
    const std::size_t count = std::min(rest.size(), spec::kMaxUploadFiles);
    ROOST_TRY(sender.Send(rest.first(count)));
    rest = rest.subspan(count);
  }
  return sender.sent;
}

Result<std::vector<RemoteFile>> ListDatasetFiles(Client& client, const std::string& dataset_id) {
  return ListAll(client, "/dataset-ids/" + EncodePart(dataset_id) + "/files", {});
}

Result<std::vector<RemoteFile>> ListDatastoreFiles(Client& client, const std::string& datastore,
                                                   const std::string& prefix) {
  Query query;
  if (!prefix.empty()) query.emplace_back("prefix", prefix);
  return ListAll(client, "/datastores/" + EncodePart(datastore) + "/files", std::move(query));
}

}  // namespace roost::client
