#include "environments/ready_mark.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace roost::environments {
namespace {

constexpr int kFormat = 1;
constexpr const char* kMark = ".ready";

Error NoMark(const fs::path& folder) {
  return {ErrorCode::kNotFound, folder.string() + " is not a ready environment.", {}};
}

// Everything below one folder reaches the disk before the mark that vouches for it.
Status SyncAll(const fs::path& folder) {
  ROOST_ASSIGN(const Fd fd, OpenFile(folder, O_RDONLY | O_DIRECTORY));
  if (syncfs(fd.get()) != 0) return Fail(ErrnoError("syncing " + folder.string(), errno));
  return {};
}

}  // namespace

Status WriteReadyMark(const fs::path& folder, const ReadyMark& mark) {
  const nlohmann::json json = {{"format", kFormat},
                               {"digest", mark.digest.ToText()},
                               {"kind", mark.kind},
                               {"tool", mark.tool},
                               {"python", mark.python},
                               {"name", mark.name},
                               {"definition", mark.definition},
                               {"packages", mark.packages},
                               {"notes", mark.notes},
                               {"built_at", mark.built_at},
                               {"build_ms", mark.build_ms},
                               {"bytes", mark.bytes}};
  ROOST_TRY(SyncAll(folder));
  const auto replace = nlohmann::json::error_handler_t::replace;
  return WriteFileAtomic(folder / kMark, json.dump(1, ' ', false, replace) + "\n");
}

Result<ReadyMark> ReadReadyMark(const fs::path& folder) {
  const Result<std::string> text = ReadFile(folder / kMark);
  if (!text) return Fail(NoMark(folder));
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format", 0) != kFormat) return Fail(NoMark(folder));
  ReadyMark mark;
  try {
    ROOST_ASSIGN(mark.digest, Digest::Parse(json.at("digest").get<std::string>()));
    json.at("kind").get_to(mark.kind);
    json.at("tool").get_to(mark.tool);
    json.at("python").get_to(mark.python);
    json.at("name").get_to(mark.name);
    json.at("definition").get_to(mark.definition);
    json.at("packages").get_to(mark.packages);
    json.at("notes").get_to(mark.notes);
    json.at("built_at").get_to(mark.built_at);
    json.at("build_ms").get_to(mark.build_ms);
    json.at("bytes").get_to(mark.bytes);
  } catch (const nlohmann::json::exception&) {
    return Fail(NoMark(folder));
  }
  return mark;
}

Status RemoveReadyMark(const fs::path& folder) {
  if (unlink((folder / kMark).c_str()) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return Fail(ErrnoError("removing " + (folder / kMark).string(), errno));
  }
  return SyncFolder(folder);
}

Result<Micros> LastUseOf(const fs::path& folder) {
  struct stat info {};
  if (stat((folder / kMark).c_str(), &info) != 0) return Fail(NoMark(folder));
  return info.st_mtim.tv_sec * 1'000'000 + info.st_mtim.tv_nsec / 1'000;
}

Status SetLastUse(const fs::path& folder, Micros now) {
  timespec times[2];
  times[0] = {.tv_sec = now / 1'000'000, .tv_nsec = now % 1'000'000 * 1'000};
  times[1] = times[0];
  const fs::path mark = folder / kMark;
  if (utimensat(AT_FDCWD, mark.c_str(), times, 0) == 0) return {};
  return Fail(ErrnoError("noting the use of " + folder.string(), errno));
}

std::uint64_t BytesOnDisk(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::set<std::pair<dev_t, ino_t>> linked;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied,
                                         error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    struct stat info {};
    if (lstat(entry->path().c_str(), &info) != 0) continue;
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 &&
        !linked.emplace(info.st_dev, info.st_ino).second) {
      continue;
    }
    bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

}  // namespace roost::environments
