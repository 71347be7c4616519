#include "roost/download.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace roost::client {
namespace {

std::uint64_t SizeOf(const fs::path& path) {
  std::error_code ignored;
  const auto size = fs::file_size(path, ignored);
  return ignored ? 0 : size;
}

// Appends the rest of the content to the part file.
Status FetchRest(Client& client, const DownloadSource& source, const fs::path& part,
                 const Progress& progress) {
  const bool may_resume = source.digest.has_value();
  std::uint64_t done = may_resume ? SizeOf(part) : 0;
  if (may_resume && source.size > 0 && done == source.size) return {};
  ROOST_ASSIGN(Fd file,
               OpenFile(part, O_WRONLY | O_CREAT | (may_resume ? 0 : O_TRUNC) | O_CLOEXEC));

  HttpRequest request;
  request.target = source.target;
  if (done > 0) request.headers.emplace_back("Range", "bytes=" + std::to_string(done) + "-");
  request.on_head = [&](const HttpAnswer& head) -> Status {
    if (head.status != 206) done = 0;  // the whole file comes
    if (::ftruncate(file.get(), static_cast<off_t>(done)) != 0 ||
        ::lseek(file.get(), static_cast<off_t>(done), SEEK_SET) < 0) {
      return Fail(ErrnoError("writing " + part.string(), errno));
    }
    return {};
  };
  request.on_body = [&](std::string_view piece) -> Status {
    ROOST_TRY(WriteAll(file.get(), piece, part));
    done += piece.size();
    if (progress) progress(done, source.size);
    return {};
  };
  ROOST_TRY(client.Send(std::move(request), false));
  return {};
}

Result<std::vector<RemoteFile>> ReadFileList(const nlohmann::json& items) {
  std::vector<RemoteFile> files;
  for (const auto& item : items) {
    RemoteFile file;
    file.path = item.value("path", "");
    file.size = item.value("size", std::uint64_t{0});
    if (item.contains("digest") && item["digest"].is_string()) {
      ROOST_ASSIGN(file.digest, Digest::Parse(item["digest"].get<std::string>()));
    }
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

Result<DownloadOutcome> DownloadFile(Client& client, const DownloadSource& source,
                                     const fs::path& to, const Progress& progress,
                                     std::chrono::milliseconds patience) {
  if (source.digest && fs::is_regular_file(to) && SizeOf(to) == source.size) {
    ROOST_ASSIGN(const Digest there, DigestOfFile(to));
    if (there == *source.digest) return DownloadOutcome::kAlreadyThere;
  }
  if (to.has_parent_path()) ROOST_TRY(MakeFolders(to.parent_path()));
  const fs::path part = to.string() + ".roost-part";
  bool resumed = source.digest && SizeOf(part) > 0;

  for (bool second_try = false;; second_try = true) {
    Backoff backoff(patience);
    while (true) {
      auto fetched = FetchRest(client, source, part, progress);
      if (fetched) break;
      if (fetched.error().code != ErrorCode::kUnavailable || !backoff.Wait()) {
        return Fail(fetched.error());
      }
    }
    if (!source.digest) break;
    ROOST_ASSIGN(const Digest got, DigestOfFile(part));
    if (got == *source.digest) break;
    // A part of other content, left by an earlier download to the same name, is started over once.
    ::unlink(part.c_str());
    if (!resumed || second_try) {
      return Fail(ErrorCode::kInternal,
                  "The content of " + to.string() +
                      " that arrived is not what the server named (its digest "
                      "is " +
                      got.ToText() + "). Download it again.");
    }
    resumed = false;
  }
  if (::rename(part.c_str(), to.c_str()) != 0) {
    return Fail(ErrnoError("renaming " + part.string() + " to " + to.string(), errno));
  }
  return resumed ? DownloadOutcome::kResumed : DownloadOutcome::kFetched;
}

Result<std::vector<RemoteFile>> ListRunFiles(Client& client, const std::string& run_id,
                                             const std::string& prefix) {
  std::vector<RemoteFile> files;
  std::string after;
  while (true) {
    Query query{{"limit", "1000"}};
    if (!prefix.empty()) query.emplace_back("prefix", prefix);
    if (!after.empty()) query.emplace_back("after", after);
    ROOST_ASSIGN(const auto answer, client.Get("/runs/" + EncodePart(run_id) + "/files", query));
    ROOST_ASSIGN(auto page, ReadFileList(answer.value("items", nlohmann::json::array())));
    files.insert(files.end(), page.begin(), page.end());
    const auto next = answer.find("next_after");
    if (next == answer.end() || !next->is_string()) return files;
    after = next->get<std::string>();
  }
}

Result<std::vector<RemoteFile>> ListModelFiles(Client& client, const std::string& name,
                                               const std::string& version) {
  ROOST_ASSIGN(const auto answer, client.Get("/models/" + EncodePart(name) + "/versions/" +
                                             EncodePart(version) + "/files"));
  return ReadFileList(answer.value("items", nlohmann::json::array()));
}

}  // namespace roost::client
