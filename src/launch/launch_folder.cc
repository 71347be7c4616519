#include "launch/launch_folder.h"

#include <unistd.h>

#include <csignal>
#include <system_error>

#include "base/clock.h"
#include "launch/proc.h"
#include "launch/shim.h"

namespace roost::launch {

namespace files = spec::launch_files;

Result<fs::path> AbsolutePath(const fs::path& path) {
  std::error_code error;
  fs::path absolute = fs::absolute(path, error);
  if (error) return Fail(ErrnoError("finding " + path.string(), error.value()));
  return absolute;
}

std::optional<spec::Claim> LaunchFolder::ReadClaim() const {
  const Result<std::string> text = ReadFile(folder_ / files::kClaim);
  if (!text) return std::nullopt;
  const Result<spec::Claim> claim = spec::ParseClaim(*text);
  if (!claim) return std::nullopt;
  return *claim;
}

bool LaunchFolder::HasLiveShim() const {
  const Result<bool> held = FileLock::IsHeld(folder_ / files::kAlive);
  // A lock that cannot be looked at is taken for held: better late than wrongly lost.
  return held ? *held : held.error().code != ErrorCode::kNotFound;
}

// What the exit record tells; nullopt when there is none.
std::optional<LaunchFolder::End> LaunchFolder::ReadEnd() const {
  const Result<std::string> text = ReadFile(folder_ / files::kExit);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!text)
    return End{.kind = EndKind::kUnknownYet, .record = {}, .message = text.error().message};
  const Result<spec::ExitRecord> record = spec::ParseExitRecord(*text);
  if (record) return End{.kind = EndKind::kRecord, .record = *record, .message = {}};
  return End{.kind = EndKind::kUnreadable, .record = {}, .message = record.error().message};
}

LaunchFolder::End LaunchFolder::FindEnd() const {
  const auto only = [](EndKind kind) { return End{.kind = kind, .record = {}, .message = {}}; };
  if (const std::optional<End> end = ReadEnd()) return *end;

  const spec::Claim fence{.launch_id = {},
                          .boot_id = BootId(),
                          .shim_pid = getpid(),
                          .child_pid = 0,
                          .time = SystemClock().Now()};
  Status fenced = MakeFolders(folder_);
  if (fenced) fenced = WriteFileExclusive(folder_ / files::kClaim, spec::ToJsonText(fence));
  if (fenced) return only(EndKind::kNeverStarted);
  if (fenced.error().code != ErrorCode::kConflict) {
    return End{.kind = EndKind::kUnknownYet, .record = {}, .message = fenced.error().message};
  }

  // Claimed. The shim may have come and even gone since somebody looked at its lock, so only what
  // is seen from here on is final: no second shim gets past the claim.
  if (HasLiveShim()) return only(EndKind::kStillAlive);
  if (const std::optional<End> end = ReadEnd()) return *end;
  const std::optional<spec::Claim> claim = ReadClaim();
  if (claim && claim->child_pid == 0) return only(EndKind::kNeverStarted);
  if (claim && claim->boot_id != BootId()) return only(EndKind::kOtherBoot);
  return only(EndKind::kNoRecord);
}

Status LaunchFolder::AskToCancel() const {
  ROOST_ASSIGN(const std::string text, ReadFile(folder_ / files::kRequest));
  ROOST_ASSIGN(const spec::LaunchRequest request, spec::ParseLaunchRequest(text));
  return WriteFileAtomic(folder_ / files::kCancel, std::to_string(request.grace_ms));
}

void LaunchFolder::SignalShim(int signal) const {
  // While the lock is held the claim's process is alive, so its number cannot be another's.
  const std::optional<spec::Claim> claim = ReadClaim();
  if (claim && claim->child_pid != 0 && claim->boot_id == BootId() && HasLiveShim()) {
    kill(claim->shim_pid, signal);
  }
}

RunGroup LaunchFolder::Groups() const {
  return RunGroup::FromText(ReadSmallFile(folder_ / kGroupsFile));
}

}  // namespace roost::launch
