// Listing and removing of environments. Declared in environment_cache.h.
#include <fmt/format.h>

#include <algorithm>

#include "environments/container_builder.h"
#include "environments/environment_cache.h"

namespace roost::environments {
namespace {

// The folders below the cache's that are named like environments.
Result<std::vector<std::string>> KeysIn(const fs::path& folder) {
  std::vector<std::string> keys;
  std::error_code error;
  if (!fs::exists(folder, error)) return keys;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (EnvironmentCache::IsKey(name) && entry->is_directory(ignored))
      keys.push_back(std::move(name));
  }
  if (error) return Fail(ErrnoError("reading the folder " + folder.string(), error.value()));
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace

bool EnvironmentCache::IsKey(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Result<std::vector<CachedEnvironment>> EnvironmentCache::List() {
  ROOST_ASSIGN(const std::vector<std::string> keys, KeysIn(settings_.folder));
  std::vector<CachedEnvironment> list;
  for (const std::string& key : keys) {
    Result<ReadyMark> mark = ReadReadyMark(settings_.folder / key);
    const Result<Micros> last_used = LastUseOf(settings_.folder / key);
    if (!mark || !last_used) continue;  // half built, or removed meanwhile
    list.push_back({key, std::move(*mark), *last_used, leases_->InUse(key)});
  }
  return list;
}

EnvironmentCache::BuildStatus EnvironmentCache::StatusOf(const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    if (builds_.count(key) != 0) return {BuildState::kBuilding, {}};
    if (const auto failed = failures_.find(key); failed != failures_.end()) {
      return {BuildState::kFailed, failed->second};
    }
  }
  if (!IsKey(key)) return {};
  if (ReadReadyMark(settings_.folder / key)) return {BuildState::kReady, {}};
  std::error_code missing;
  // Every failed build leaves its log.
  return {fs::exists(LogFile(key), missing) ? BuildState::kFailed : BuildState::kNone, {}};
}

std::map<std::string, EnvironmentCache::BuildStatus> EnvironmentCache::Unready() {
  const std::lock_guard lock(mutex_);
  std::map<std::string, BuildStatus> all;
  for (const auto& [key, error] : failures_) all[key] = {BuildState::kFailed, error};
  for (const auto& [key, build] : builds_) all[key] = {BuildState::kBuilding, {}};
  return all;
}

Status EnvironmentCache::Remove(const std::string& key) {
  const fs::path folder = settings_.folder / key;
  std::error_code error;
  if (!IsKey(key) || !fs::exists(folder, error)) {
    return Fail(ErrorCode::kNotFound, "There is no environment " + key + ".");
  }
  if (!leases_->BeginEviction(key)) {
    return Fail(ErrorCode::kConflict, "The environment " + key + " is in use.");
  }
  const auto evict = [&]() -> Status {
    const Result<FileLock> lock = FileLock::Acquire(settings_.folder / (key + ".lock"));
    if (!lock && lock.error().code == ErrorCode::kUnavailable) {
      return Fail(ErrorCode::kConflict, "The environment " + key + " is being built.");
    }
    ROOST_TRY(lock);
    // Without its mark it is nobody's, whatever happens on the way.
    ROOST_TRY(RemoveReadyMark(folder));
    if (const auto image = ReadContainerImage(folder)) RemoveOwnImage(*image, settings_, runner_);
    ROOST_TRY(RemoveTree(folder));
    fs::remove(LogFile(key), error);
    return {};
  };
  const Status evicted = evict();
  leases_->EndEviction(key);
  return evicted;
}

void EnvironmentCache::RemoveLeftovers(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const fs::path folder = settings_.folder / key;
    if (ReadReadyMark(folder)) continue;
    const Result<FileLock> lock = FileLock::Acquire(settings_.folder / (key + ".lock"));
    // With the lock, nobody builds; the mark may have come since.
    if (lock && !ReadReadyMark(folder)) static_cast<void>(RemoveTree(folder));
  }
}

Result<PruneReport> EnvironmentCache::Prune(const PruneOptions& options) {
  ROOST_ASSIGN(const std::vector<std::string> keys, KeysIn(settings_.folder));
  RemoveLeftovers(keys);
  ROOST_ASSIGN(std::vector<CachedEnvironment> all, List());
  std::sort(all.begin(), all.end(), [](const CachedEnvironment& a, const CachedEnvironment& b) {
    return a.last_used != b.last_used ? a.last_used < b.last_used : a.key < b.key;
  });
  PruneReport report;
  for (const CachedEnvironment& one : all) report.kept_bytes += one.mark.bytes;
  for (const CachedEnvironment& one : all) {
    const bool too_old = options.unused_since && one.last_used < *options.unused_since;
    const bool too_much = options.max_bytes && report.kept_bytes > *options.max_bytes;
    // One that came into use meanwhile, or that cannot be removed, stays.
    if ((!too_old && !too_much) || !Remove(one.key)) continue;
    report.removed.push_back(one.key);
    report.removed_bytes += one.mark.bytes;
    report.kept_bytes -= one.mark.bytes;
  }
  return report;
}

}  // namespace roost::environments
