#include "environments/build_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"

namespace roost::environments {
namespace {

constexpr std::uint64_t kBlock = 256 << 10;
constexpr std::string_view kStillAtWork = "  ... ";
constexpr std::uint64_t kWorthTelling = 1 << 20;

}  // namespace

Status BuildLog::Open(const fs::path& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Fail(ErrnoError("removing " + path.string(), errno));
  }
  ROOST_ASSIGN(Fd file, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND));
  const std::lock_guard lock(mutex_);
  file_ = std::move(file);
  path_ = path;
  // What followers have had already stands at the file's beginning too, so offsets agree.
  return WriteAll(file_.get(), early_, path_);
}

Status BuildLog::Follow(const fs::path& path) {
  ROOST_ASSIGN(Fd file, OpenFile(path, O_WRONLY | O_CREAT | O_APPEND));
  const std::lock_guard lock(mutex_);
  ROOST_TRY(WriteAll(file.get(), early_, path));
  followers_.push_back({path, std::move(file), early_.size()});
  return {};
}

void BuildLog::Unfollow(const fs::path& path) {
  const std::lock_guard lock(mutex_);
  std::erase_if(followers_, [&](const Follower& follower) { return follower.path == path; });
}

void BuildLog::Line(std::string_view text) {
  const std::string line = std::string(text) + "\n";
  const std::lock_guard lock(mutex_);
  if (file_.valid()) {
    static_cast<void>(WriteAll(file_.get(), line, path_));
    return PumpLocked();
  }
  early_ += line;
  for (Follower& follower : followers_) {
    static_cast<void>(WriteAll(follower.file.get(), line, follower.path));
    follower.offset += line.size();
  }
}

void BuildLog::StillAtWork(std::chrono::seconds since, std::uint64_t written) {
  const std::uint64_t size = Size();
  // What the program wrote last may be the beginning of a line.
  const std::string last = size == 0 ? "\n" : ReadRange(path_, size - 1, 1).value_or("\n");
  std::string line(last == "\n" ? "" : "\n");
  line += fmt::format("{}{} s", kStillAtWork, since.count());
  if (written >= kWorthTelling) line += fmt::format(", {} written", FormatBytes(written));
  Line(line + " so far");
}

std::uint64_t BuildLog::Size() const {
  std::error_code error;
  const std::uint64_t size = fs::file_size(path_, error);
  return error ? 0 : size;
}

void BuildLog::Pump() {
  const std::lock_guard lock(mutex_);
  PumpLocked();
}

void BuildLog::PumpLocked() {
  if (!file_.valid()) return;
  const auto is_lost = [this](Follower& follower) {
    while (true) {
      const Result<std::string> news = ReadRange(path_, follower.offset, kBlock);
      if (!news || news->empty()) return false;
      if (!WriteAll(follower.file.get(), *news, follower.path)) return true;
      follower.offset += news->size();
    }
  };
  followers_.erase(std::remove_if(followers_.begin(), followers_.end(), is_lost), followers_.end());
}

std::string WithoutStillAtWork(std::string_view text) {
  std::vector<std::string> lines = Split(text, '\n');
  std::erase_if(lines, [](const std::string& line) {
    return line.starts_with(kStillAtWork) && line.ends_with(" so far");
  });
  return Join(lines, "\n");
}

}  // namespace roost::environments
