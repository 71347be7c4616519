#include "engine/watch_logs.h"

#include <vector>

#include "engine/take_files.h"
#include "store/artifacts.h"

namespace roost::engine {
namespace {

constexpr std::uint64_t kBytesPerSecond = 4 << 20;

}  // namespace

Status LogWatch::TakeChanged(store::Store& store, const Clock& clock,
                             const std::function<bool()>& stop) {
  std::error_code error;
  if (!fs::is_directory(folder_, error)) return {};
  ROOST_ASSIGN(const std::vector<TreeEntry> entries, ListTree(folder_));
  const auto now = clock.Steady();
  std::vector<FileToTake> changed;
  std::vector<std::pair<std::string, Seen>> next_seen;
  for (const TreeEntry& entry : entries) {
    const auto seen = seen_.find(entry.path);
    if (seen != seen_.end() &&
        ((seen->second.size == entry.size && seen->second.modified_us == entry.modified_us) ||
         now < seen->second.next)) {
      continue;
    }
    changed.push_back({folder_ / entry.path, "logs/" + entry.path, entry.size});
    next_seen.emplace_back(entry.path,
                           Seen{entry.size, entry.modified_us,
                                now + std::chrono::seconds(entry.size / kBytesPerSecond)});
  }
  if (changed.empty()) return {};
  ROOST_ASSIGN(const TakenFiles taken, TakeFilesIntoBlobs(store, changed, clock.Now(), stop));
  ROOST_TRY(store.artifacts().Add(run_, taken.artifacts, store::Artifacts::Overwrite::kReplace));
  for (auto& [path, seen] : next_seen) seen_[path] = seen;
  return {};
}

}  // namespace roost::engine
