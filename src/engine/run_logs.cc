#include "engine/run_logs.h"

#include <map>

#include "spec/run_layout.h"
#include "store/launches.h"

namespace roost::engine {

Result<std::vector<RunLog>> ListLogs(store::Store& store, const store::Run& run) {
  std::vector<RunLog> logs;
  if (run.kind != spec::RunKind::kManaged) return logs;
  // The launches are read before the sizes: a log that is called complete has its final size.
  ROOST_ASSIGN(const std::vector<store::Launch> launches, store.launches().OfRun(run.key));
  std::map<int, bool> ended;
  for (const store::Launch& launch : launches) ended[launch.attempt] = launch.ended;
  for (const auto& [attempt, has_ended] : ended) {
    const spec::RunLayout layout(store.data_folder(), run.id, attempt);
    std::error_code error;
    if (!fs::is_directory(layout.log_folder(), error)) continue;
    ROOST_ASSIGN(const std::vector<TreeEntry> entries, ListTree(layout.log_folder()));
    for (const TreeEntry& entry : entries) {
      logs.push_back({spec::kLogPrefix + entry.path, attempt, entry.size,
                      has_ended || spec::IsFinal(run.state), layout.log_folder() / entry.path});
    }
  }
  return logs;
}

}  // namespace roost::engine
